//! A document's text at another version: for one who reads it there, and for one who takes it away.

use super::{Document, Layout, Unreadable, holds};
use crate::history::History;
use crate::lens::{Keep, Refused, Stored};
use crate::value::Value;

/// Why a document was not converted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotConverted {
    /// The version cannot show the record.
    #[error("{0}")]
    Refused(#[from] Refused),
    /// What it would become could not be read again.
    #[error("{0}")]
    Unreadable(#[from] Unreadable),
}

impl Document {
    /// Returns the natural text of the record at a version: its own where it lies, else the text that it had there, else one
    /// that is laid out as it is. What [`History::migrate`] and reading there gives.
    ///
    /// # Errors
    /// As [`History::read`].
    pub fn read_text(&self, history: &History, version: u32) -> Result<String, Refused> {
        let value = history.read(&self.stored, version)?;
        let moment = history.moment(version);
        if moment == history.moment(self.stored.version) && value.identical(&self.stored.document) {
            return Ok(self.natural.clone());
        }
        let known = self.stored.keep.layouts.iter().find(|(known, _)| history.moment(*known) == moment);
        let known = known.and_then(|(_, layout)| layout.text.as_ref()).filter(|text| holds(text, &value));
        Ok(self.around(&known.map_or_else(|| self.layout.write_open(&value), |text| text.as_str().to_owned())))
    }

    /// Returns the text of the record at another version, for one who says its version elsewhere: with notes only where
    /// something is kept, and without any unless `keep`.
    ///
    /// # Errors
    /// A record that the version cannot show, and what could not be read again.
    pub fn convert(&self, history: &History, version: u32, keep: bool) -> Result<String, NotConverted> {
        let moved = self.moved(history, &self.stored, version, keep)?;
        let text = self.bare(&moved, keep)?;
        if keep && moved.keep.is_empty() && moved.text.is_none() && self.lost(&moved.document) {
            // A result in which nothing shows the layout (`{}`) would come back in another one.
            let stored = Stored { text: Some(self.natural[self.body.clone()].into()), ..self.stored.clone() };
            return Ok(self.around(&self.bare(&self.moved(history, &stored, version, keep)?, keep)?));
        }
        Ok(self.around(&text))
    }

    fn moved(&self, history: &History, stored: &Stored, version: u32, keep: bool) -> Result<Stored, Refused> {
        let mut moved = if version == self.stored.version { stored.clone() } else { history.migrate(stored, version)? };
        if !keep {
            moved.keep = Keep::default();
        }
        Ok(moved)
    }

    /// The text, with notes only where something is kept.
    fn bare(&self, next: &Stored, keep: bool) -> Result<String, Unreadable> {
        if keep && !(next.keep.is_empty() && self.extra.is_empty()) {
            return self.noted(next);
        }
        Ok(self.natural_of(next, Layout::write))
    }

    fn lost(&self, document: &Value) -> bool {
        self.layout.is_regular() && Layout::of(&self.layout.write(document), document) != self.layout
    }
}
