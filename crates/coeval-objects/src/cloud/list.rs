//! Listing, page after page, in the order of bytes.

use coeval_store::objects::Listed;
use coeval_store::{Error, Result};
use futures::stream::{self, BoxStream, StreamExt};
use object_store::list::{PaginatedListOptions, PaginatedListResult};

use super::Cloud;
use super::error::Act;
use super::heard::listen;
use super::walk::Walk;

/// Servers that list folder by folder, by the beginning of what they call themselves.
const BY_FOLDER: [&str; 1] = ["SeaweedFS"];

/// How far a listing has come.
enum Listing {
    Pages(Pages),
    Walk(Walk),
}

/// A listing that the server puts in order.
struct Pages {
    prefix: String,
    /// After which key it was asked to begin.
    after: Option<String>,
    /// The last key that came.
    last: Option<String>,
    /// Where the next page begins, as the server says; `None` for the first.
    token: Option<String>,
    ended: bool,
}

impl Cloud {
    pub(super) fn pages(&self, prefix: &str, after: Option<&str>) -> BoxStream<'_, Result<Listed>> {
        let (prefix, after) = (prefix.to_owned(), after.map(str::to_owned));
        let start = if self.lists_by_folder.get() == Some(&true) {
            Listing::Walk(Walk::new(prefix, after))
        } else {
            Listing::Pages(Pages { prefix, after, last: None, token: None, ended: false })
        };
        let pages = stream::unfold(Some(start), async move |listing| {
            let mut listing = listing?;
            match self.some(&mut listing).await {
                Ok(page) => Some((page?.into_iter().map(Ok).collect::<Vec<_>>(), Some(listing))),
                // Whoever likes asks for the same page again.
                Err(error) if error.is_transient() => Some((vec![Err(error)], Some(listing))),
                Err(error) => Some((vec![Err(error)], None)),
            }
        });
        pages.flat_map(stream::iter).boxed()
    }

    /// Returns the next objects, maybe none; `None` at the end. After an error it can be asked again.
    async fn some(&self, listing: &mut Listing) -> Result<Option<Vec<Listed>>> {
        let pages = match listing {
            Listing::Walk(walk) => return walk.some(self).await,
            Listing::Pages(pages) => pages,
        };
        if pages.ended {
            return Ok(None);
        }
        let options = PaginatedListOptions { page_token: pages.token.clone(), ..PaginatedListOptions::default() };
        let offset = if options.page_token.is_none() { pages.after.as_deref() } else { None };
        let found = self.list_page(&pages.prefix, offset, options).await?;
        if self.lists_by_folder.get() == Some(&true) {
            // Known by the first answer only, of which nothing was used.
            *listing = Listing::Walk(Walk::new(pages.prefix.clone(), pages.after.clone()));
            return Ok(Some(Vec::new()));
        }
        pages.ended = found.page_token.is_none();
        pages.token.clone_from(&found.page_token);
        self.in_order(pages, found).map(Some)
    }

    /// Asks for a page; `prefix` and `offset` are without the store's own prefix.
    pub(super) async fn list_page(
        &self,
        prefix: &str,
        offset: Option<&str>,
        options: PaginatedListOptions,
    ) -> Result<PaginatedListResult> {
        let full = format!("{}{prefix}", self.prefix);
        let offset = offset.map(|offset| format!("{}{offset}", self.prefix));
        let options = PaginatedListOptions { offset, ..options };
        let asked = Some(full.as_str()).filter(|full| !full.is_empty());
        let (listed, heard) = listen(self.store.list_paginated(asked, options)).await;
        let found = listed.map_err(|error| self.failed("listing", prefix, Act::Read).error(&error, heard.clone()))?;
        // Only an answer says who answers.
        let by_folder = heard.server.is_some_and(|server| BY_FOLDER.iter().any(|name| server.starts_with(name)));
        self.lists_by_folder.get_or_init(|| by_folder);
        Ok(found)
    }

    /// Returns the objects of a page, and sees that they come in order: a listing that does not cannot go on after a failure without
    /// leaving out or repeating objects.
    fn in_order(&self, pages: &mut Pages, found: PaginatedListResult) -> Result<Vec<Listed>> {
        let mut page = Vec::with_capacity(found.result.objects.len());
        for object in found.result.objects {
            let Some(key) = object.location.as_ref().strip_prefix(&self.prefix) else { continue };
            // Azure knows no key to begin after.
            if pages.after.as_deref().is_some_and(|after| key <= after) {
                continue;
            }
            if let Some(last) = pages.last.as_deref().filter(|last| key <= *last) {
                let what = format!("listing {}/{}", self.name, pages.prefix);
                let reason = format!("the server lists {key:?} after {last:?}, which is not the order of bytes");
                return Err(Error::Unsupported { what, reason });
            }
            pages.last = Some(key.to_owned());
            page.push(Listed { key: key.to_owned(), size: object.size });
        }
        Ok(page)
    }
}
