//! A model at one version, and the records that it shows.

use std::sync::Arc;

use coeval_core::document::{Document, Format};
use coeval_core::lens::Stored;
use coeval_store::ledger::Ledger;
use coeval_store::objects::{Object, Token};
use coeval_store::records::{Found, Key, State};
use coeval_store::{Catalog, Era, Error, Result};

use super::convert::{key_values, lines, read};
use super::execute::stamp;
use super::template::{Packing, key_names};
use super::{Documents, Place};

/// A model at a version that is live here.
pub(super) struct View<'s> {
    pub(super) place: &'s Place,
    catalog: Arc<Catalog>,
    /// Which model of the catalog, and which of its eras.
    index: (usize, usize),
    pub(super) format: Format,
    /// The version whose shape the model has.
    pub(super) at: u32,
    /// The shape of the version in force.
    in_force: u32,
    oldest: u32,
}

impl Documents {
    /// Returns what was last known of what happened; for what must not wait.
    pub(super) fn ledger_now(&self) -> std::sync::Arc<Ledger> {
        std::sync::Arc::clone(&self.ledger.read().unwrap_or_else(std::sync::PoisonError::into_inner).1)
    }

    /// Returns a model at a version.
    ///
    /// # Errors
    /// [`Error::Unknown`] where there is no such model, or the version is not live here.
    pub(super) async fn view(&self, model: &str, at: u32) -> Result<View<'_>> {
        let place = self.place(model)?;
        let ledger = self.known().await?;
        self.catalog.agree(&ledger)?;
        ledger.admit(at)?;
        let newest = ledger.newest().unwrap_or(at);
        let catalog = self.live(ledger.oldest());
        let index = catalog.index(model, at)?;
        let era = &catalog.models[index.0].eras[index.1];
        let in_force = era.shape(newest).unwrap_or(at);
        let at = era.shape(at).unwrap_or(at);
        let oldest = ledger.oldest();
        Ok(View { place, oldest, format: place.format(&ledger), at, in_force, catalog, index })
    }
}

/// A record as it lies in its object.
pub(super) struct Lying {
    pub(super) document: Document,
    pub(super) token: Token,
    pub(super) object: Object,
    /// Which line of the object it is; 0 where it is the only one.
    pub(super) line: usize,
}

impl View<'_> {
    pub(super) fn era(&self) -> &Era {
        &self.catalog.models[self.index.0].eras[self.index.1]
    }

    /// Reads a document; what it lacks, and what belongs to another life of the model, is an error.
    pub(super) fn read(&self, name: &dyn Fn() -> String, bytes: &[u8], stamp: Option<u32>) -> Result<Document> {
        let bad = |reason: String| Error::BadRecord { key: name(), reason };
        let document = read(&self.format, bytes, stamp).map_err(|(_, reason)| bad(reason))?;
        if !self.catalog.holds(self.era(), document.stored.version) {
            let reason = format!("it is at version {}, at which the manifest has no such model", document.stored.version);
            return Err(bad(reason));
        }
        let unknown = self.era().history.unknown(&document.stored);
        if !unknown.is_empty() {
            return Err(bad(format!("it keeps values for versions that the manifest does not have: {}", unknown.join(", "))));
        }
        Ok(document)
    }

    pub(super) fn found(&self, key: Key, document: &Document, token: &Token) -> Result<Found> {
        let text = document.read_text(&self.era().history, self.at)?.trim().to_owned();
        Ok(Found { key, text, state: State(token.0.clone()), stored: Some(document.stored.version) })
    }

    /// Returns the name of the object that holds, or would hold, a record.
    pub(super) fn object(&self, key: &Key) -> Result<String> {
        let expected = self.era().history.model(self.at).map(|model| key_names(model)).unwrap_or_default();
        if key.0.len() != expected.len() {
            let message = format!("a key of `{}` has {} parts, this one {}", self.place.model, expected.len(), key.0.len());
            return Err(Error::Unknown { message, help: Some(format!("in this order: {}", expected.join(", "))) });
        }
        let partitioned = || Error::Unsupported {
            what: format!("finding `{key}`"),
            reason: format!("the files `{}` are parted by properties that are not in the key", self.place.template),
        };
        let object = self.place.template.object_of(key).ok_or_else(partitioned)?;
        if !self.place.template.matches(&object) {
            let reason = "no record may lie where coeval keeps its own objects".to_owned();
            return Err(Error::BadRecord { key: key.to_string(), reason });
        }
        Ok(object)
    }

    /// Moves a record that was written into the shape that is stored.
    pub(super) fn pinned(&self, next: Stored) -> Stored {
        if self.place.store_at.is_none() {
            return next;
        }
        let pinned = self.era().shape(self.place.stored_at(self.in_force, self.oldest)).unwrap_or(next.version);
        if pinned == next.version {
            return next;
        }
        // A record that the pinned version cannot show stays where it was written: nothing is lost.
        self.era().history.move_to(&next, pinned).unwrap_or(next)
    }
}

impl Documents {
    /// Finds a record in its object; where it is not there and others are, also returns the object that would hold it.
    pub(super) async fn find(&self, view: &View<'_>, object: &str, key: &Key) -> Result<(Option<Lying>, Option<Object>)> {
        let Some(found) = self.objects.get(object).await? else { return Ok((None, None)) };
        if !view.place.template.lines {
            let unpacked = unpack(view.place.template.packing, &found.bytes, object)?;
            let document = view.read(&|| key.to_string(), &unpacked, stamp(&found))?;
            let token = found.token.clone();
            return Ok((Some(Lying { document, token, object: found, line: 0 }), None));
        }
        let unpacked = unpack(view.place.template.packing, &found.bytes, object)?;
        let (mut hit, mut broken) = (None, None);
        for (line, bytes) in lines(&unpacked).enumerate().filter(|(_, bytes)| !bytes.trim_ascii().is_empty()) {
            match view.read(&|| format!("{object}:{}", line + 1), bytes, None) {
                Ok(document) if key_values(view.era(), &document).is_some_and(|values| values == key.0) => {
                    if let Some((first, _)) = hit.replace((line, document)) {
                        let reason = format!("{object} holds it twice, in lines {} and {}", first + 1, line + 1);
                        return Err(Error::BadRecord { key: key.to_string(), reason });
                    }
                }
                Ok(_) => {}
                Err(error) => broken = Some(error),
            }
        }
        match (hit, broken) {
            (Some((line, document)), _) => {
                let token = found.token.clone();
                return Ok((Some(Lying { document, token, object: found, line }), None));
            }
            // It may be the one that is looked for.
            (None, Some(error)) => return Err(error),
            (None, None) => {}
        }
        Ok((None, Some(found)))
    }
}

pub(super) fn unpack(packing: Packing, bytes: &[u8], object: &str) -> Result<Vec<u8>> {
    let bad =
        |error: std::io::Error| Error::BadRecord { key: object.to_owned(), reason: format!("it cannot be unpacked: {error}") };
    packing.unpack(bytes).map_err(bad)
}
