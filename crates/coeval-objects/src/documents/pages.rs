//! Lists of records, part by part.

use coeval_store::objects::Object;
use coeval_store::records::{Found, Key, Page};
use coeval_store::{Error, Result};
use futures::{StreamExt, TryStreamExt};

use super::Documents;
use super::convert::{key_values, lines};
use super::execute::stamp;
use super::records::hidden;
use super::view::{View, unpack};

/// How many objects are read at the same time.
const AT_ONCE: usize = 16;

/// Where a part begins: behind so many lines of an object.
struct Cursor {
    object: String,
    lines: usize,
}

impl Cursor {
    /// Reads a cursor; it belongs to the version that it was made for.
    fn read(text: &str, at: u32) -> Result<Self> {
        let bad =
            |message: String| Error::Unknown { message, help: Some("take the one that the last part ended with".to_owned()) };
        let parts = || {
            let (version, rest) = text.split_once(':')?;
            let (lines, object) = rest.split_once(':')?;
            Some((version.parse::<u32>().ok()?, lines.parse().ok()?, object.to_owned()))
        };
        let Some((version, lines, object)) = parts() else { return Err(bad(format!("`{text}` is not a place in a list"))) };
        if version != at {
            return Err(bad(format!("this place is in a list at version {version}, not {at}")));
        }
        Ok(Self { object, lines })
    }

    fn text(&self, at: u32) -> String {
        format!("{at}:{}:{}", self.lines, self.object)
    }
}

/// Lists records at a version.
pub(super) async fn list(store: &Documents, view: &View<'_>, at: u32, after: Option<&str>, limit: usize) -> Result<Page> {
    let from = after.map(|text| Cursor::read(text, at)).transpose()?;
    let mut page = Page { records: Vec::new(), hidden: Vec::new(), next: None };
    if let Some(from) = from.as_ref().filter(|from| from.lines > 0)
        && let Some(object) = store.objects.get(&from.object).await?
        && let Some(next) = take(view, &from.object, &object, from.lines, limit, &mut page)?
    {
        page.next = Some(next.text(at));
        return Ok(page);
    }
    let template = &view.place.template;
    let listed = store.objects.list(template.prefix(), from.as_ref().map(|from| from.object.as_str()));
    let keys = listed.map_ok(|listed| listed.key).try_filter(|key| futures::future::ready(template.matches(key)));
    let read = |key: String| async move { Ok::<_, Error>(store.objects.get(&key).await?.map(|object| (key, object))) };
    // No more is read ahead than may be needed.
    let mut objects = std::pin::pin!(keys.map_ok(read).try_buffered(AT_ONCE.min(limit + 1).max(1)));
    let mut last = from.map(|from| from.object);
    while let Some(found) = objects.try_next().await? {
        if page.records.len() >= limit {
            page.next = last.map(|object| Cursor { object, lines: 0 }.text(at));
            return Ok(page);
        }
        let Some((key, object)) = found else { continue };
        if let Some(next) = take(view, &key, &object, 0, limit, &mut page)? {
            page.next = Some(next.text(at));
            return Ok(page);
        }
        last = Some(key);
    }
    Ok(page)
}

/// Takes records of an object into a page; where to go on if it is full before the object's end.
fn take(view: &View<'_>, key: &str, object: &Object, skip: usize, limit: usize, page: &mut Page) -> Result<Option<Cursor>> {
    let template = &view.place.template;
    let unpacked = match unpack(template.packing, &object.bytes, key) {
        Ok(unpacked) => unpacked,
        Err(error) => {
            page.hidden.push((key.to_owned(), hidden(&error).unwrap_or_else(|| error.to_string())));
            return Ok(None);
        }
    };
    let whole = [unpacked.as_slice()];
    let each: Box<dyn Iterator<Item = &[u8]> + '_> =
        if template.lines { Box::new(lines(&unpacked)) } else { Box::new(whole.into_iter()) };
    for (at, bytes) in each.enumerate().skip(skip) {
        if bytes.trim_ascii().is_empty() && template.lines {
            continue;
        }
        if page.records.len() >= limit {
            return Ok(Some(Cursor { object: key.to_owned(), lines: at }));
        }
        match shown(view, key, object, at, bytes) {
            Ok(found) => page.records.push(found),
            Err(error) => match hidden(&error) {
                Some(reason) => {
                    let name = template.key_of(key).map_or_else(|| format!("{key}:{}", at + 1), |key| key.to_string());
                    page.hidden.push((name, reason));
                }
                None => return Err(error),
            },
        }
    }
    Ok(None)
}

fn shown(view: &View<'_>, key: &str, object: &Object, at: usize, bytes: &[u8]) -> Result<Found> {
    let template = &view.place.template;
    let stamp = if template.lines { None } else { stamp(object) };
    let document = view.read(&|| format!("{key}:{}", at + 1), bytes, stamp)?;
    let own = || key_values(view.era(), &document).map(Key);
    let key = template.key_of(key).or_else(own).unwrap_or_else(|| Key(vec![format!("{key}:{}", at + 1)]));
    view.found(key, &document, &object.token)
}

/// Finds a record, and the file that holds it, in files that are parted by something else than its key.
pub(super) async fn search(store: &Documents, view: &View<'_>, key: &Key) -> Result<Option<(String, Found)>> {
    let template = &view.place.template;
    let listed = store.objects.list(template.prefix(), None);
    let mut keys = listed.map_ok(|listed| listed.key).try_filter(|key| futures::future::ready(template.matches(key))).boxed();
    let mut broken = None;
    while let Some(object_key) = keys.try_next().await? {
        match store.find(view, &object_key, key).await {
            Ok((Some(lying), _)) => {
                return Ok(Some((object_key, view.found(key.clone(), &lying.document, &lying.token)?)));
            }
            Ok((None, _)) => {}
            Err(error @ Error::BadRecord { .. }) => broken = Some(error),
            Err(error) => return Err(error),
        }
    }
    // It may be in one that cannot be read.
    if let Some(error) = broken {
        return Err(error);
    }
    Ok(None)
}
