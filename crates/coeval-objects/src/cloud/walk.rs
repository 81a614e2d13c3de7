//! Listing on servers that list folder by folder: `a/b` comes before `a-b`, where the bytes want it after.
//!
//! Folders are listed one by one, and a folder's place in its parent is that of its name with the `/`. Since the server orders by names
//! without it, a folder is held back until all names are seen that go before it then: those that continue its name with one of
//! the few characters before `/`.

use std::borrow::Cow;
use std::collections::BTreeMap;

use coeval_store::Result;
use coeval_store::objects::Listed;
use object_store::list::PaginatedListOptions;

use super::Cloud;

/// How far a listing has come.
#[derive(Debug)]
pub(super) struct Walk {
    after: Option<String>,
    /// The folders that are open, outermost first.
    levels: Vec<Level>,
}

/// What is left of one folder.
#[derive(Debug)]
struct Level {
    /// What its entries begin with: the folder and, at the outermost level, the beginning of a name.
    prefix: String,
    /// What was listed and not yet given: objects with their sizes, and folders, whose keys end with `/`.
    held: BTreeMap<String, Option<u64>>,
    /// Up to which key all is there; `None` before the first page.
    complete: Option<String>,
    /// Where the next page begins.
    token: Option<String>,
    ended: bool,
}

impl Level {
    fn new(prefix: String) -> Self {
        Self { prefix, held: BTreeMap::new(), complete: None, token: None, ended: false }
    }

    /// Takes the next entry before which none can come any more.
    fn take(&mut self) -> Option<(String, Option<u64>)> {
        let (key, _) = self.held.first_key_value()?;
        let certain = self.ended || self.complete.as_deref().is_some_and(|complete| key.as_str() <= complete);
        if certain { self.held.pop_first() } else { None }
    }
}

impl Walk {
    pub(super) fn new(prefix: String, after: Option<String>) -> Self {
        Self { after, levels: vec![Level::new(prefix)] }
    }

    /// Returns the next objects, maybe none; `None` at the end. After an error it can be asked again.
    pub(super) async fn some(&mut self, store: &Cloud) -> Result<Option<Vec<Listed>>> {
        let after = self.after.as_deref().unwrap_or_default();
        let mut page = Vec::new();
        let Some(level) = self.levels.last_mut() else { return Ok(None) };
        while let Some((key, size)) = level.take() {
            match size {
                Some(size) if key.as_str() > after => page.push(Listed { key, size }),
                None if key.as_str() > after || after.starts_with(&key) => {
                    self.levels.push(Level::new(key));
                    return Ok(Some(page));
                }
                _ => {}
            }
        }
        if level.ended {
            self.levels.pop();
        } else if page.is_empty() {
            // By itself, since what was taken above would be lost if it fails.
            level.fetch(store, after).await?;
        }
        Ok(Some(page))
    }
}

impl Level {
    async fn fetch(&mut self, store: &Cloud, after: &str) -> Result<()> {
        let token = self.token.clone();
        let offset = if token.is_none() { begin(&self.prefix, after) } else { None };
        let delimiter = Some(Cow::Borrowed("/"));
        let options = PaginatedListOptions { delimiter, page_token: token, ..PaginatedListOptions::default() };
        let found = store.list_page(&self.prefix, offset.as_deref(), options).await?;
        for object in found.result.objects {
            self.hold(store, object.location.as_ref(), Some(object.size));
        }
        for folder in found.result.common_prefixes {
            self.hold(store, folder.as_ref(), None);
        }
        self.ended = found.page_token.is_none();
        self.token = found.page_token;
        Ok(())
    }

    fn hold(&mut self, store: &Cloud, full: &str, size: Option<u64>) {
        let Some(name) = full.strip_prefix(&store.prefix) else { return };
        if self.complete.as_deref().is_none_or(|complete| complete < name) {
            self.complete = Some(name.to_owned());
        }
        let key = if size.is_some() { name.to_owned() } else { format!("{name}/") };
        // The server names a folder of its own when it is asked for what lies in it.
        if size.is_some() || key != self.prefix {
            self.held.insert(key, size);
        }
    }
}

/// Returns from where to list a folder so that nothing is left out that comes after `after`: somewhat before it, since the server leaves
/// out all that lies in the folder that it is asked to begin after, and a folder may have to come after a name that continues its own.
fn begin(prefix: &str, after: &str) -> Option<String> {
    let folder = &prefix[..prefix.rfind('/').map_or(0, |at| at + 1)];
    let name = after.strip_prefix(folder)?;
    let safe = name.find(|c: char| c <= '/').map_or(name, |at| &name[..at]);
    let mut safe = safe.to_owned();
    safe.pop()?;
    (!safe.is_empty()).then(|| format!("{folder}{safe}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_listed_from_somewhat_before() {
        for (prefix, after, expected) in [
            ("", "abc.json", Some("ab")),
            ("x/", "x/abc/def", Some("x/ab")),
            ("x/", "x/é1", Some("x/é")),
            ("x/y", "x/yz", Some("x/y")),
            ("x/", "x/a-b", None),
            ("x/", "x/", None),
            ("x/", "w/zzz", None),
        ] {
            assert_eq!(begin(prefix, after).as_deref(), expected, "{prefix} {after}");
        }
    }
}
