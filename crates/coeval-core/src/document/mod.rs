//! One stored document as bytes: the natural text, laid out as its writer laid it out, and coeval's notes as last property.
//!
//! The notes are spliced into the natural text directly behind its last value, and taken out there again, so that every byte
//! around them comes back. Where another tool put the property elsewhere, it is found too.
//!
//! ```
//! use coeval_core::document::{Document, Format};
//! let read = Document::read(b"{ \"a\": 1,\r\n  \"b\": [2] }\n", &Format::default())?;
//! let written = read.write(&read.stored)?;
//! assert_eq!(written, b"{ \"a\": 1,\r\n  \"b\": [2],\r\n  \"_coeval\": {\r\n    \"version\": 1\r\n  } }\n");
//! assert_eq!(Document::read(&written, &Format::default())?.natural_text(), read.natural_text());
//! # Ok::<(), coeval_core::document::Unreadable>(())
//! ```

mod convert;
mod layout;
mod splice;

use std::ops::Range;

pub use convert::NotConverted;
pub use layout::Layout;

use crate::json::{self, DEPTH_LIMIT, JsonError};
use crate::lens::{Keep, META, Stored};
use crate::value::{Object, Value};

/// The members of the notes that [`Stored`] holds.
const OWN: [&str; 5] = ["version", "keep", "extra", "apart", "layout"];

/// What a store's documents have in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Format {
    /// The name of the property that holds the notes.
    pub meta: String,
    /// The version of documents that do not say theirs.
    pub unversioned: u32,
}

impl Default for Format {
    fn default() -> Self {
        Self { meta: META.to_owned(), unversioned: 1 }
    }
}

/// Why bytes are not a document, or a record cannot be written as one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// They are not JSON.
    #[error("{0}")]
    Json(JsonError),
    /// They are JSON, and not an object.
    #[error("a record is an object, not {found}")]
    NotAnObject {
        /// What they are.
        found: &'static str,
        /// The offset of the value's first byte.
        at: usize,
    },
    /// The notes cannot be read.
    #[error("`{name}` cannot be read: {message}")]
    Meta {
        /// The property that holds them.
        name: String,
        /// What is wrong with them.
        message: String,
    },
    /// A record that is to be written has a property of the name that the notes have.
    #[error("a record cannot have a property `{0}`: coeval keeps its notes there")]
    Reserved(String),
    /// What must be kept beside the record nests deeper than could be read again.
    #[error("what other versions show could not be kept beside the record: {0}")]
    TooDeep(JsonError),
}

/// One stored document.
#[derive(Debug, Clone)]
pub struct Document {
    /// The record: its version, the natural document, and what is kept beside it.
    pub stored: Stored,
    /// The version that the notes say; `None` where they say none, and [`Format::unversioned`] was taken.
    pub stamped: Option<u32>,
    /// Members of the notes that belong to others than this crate. They are carried along untouched.
    pub extra: Object,
    meta: String,
    layout: Layout,
    natural: String,
    /// Where in the natural text the document stands, without the white space around it.
    body: Range<usize>,
}

impl Document {
    /// Reads the bytes of a document.
    ///
    /// # Errors
    /// What is not a JSON object, and notes that cannot be read.
    pub fn read(bytes: &[u8], format: &Format) -> Result<Self, Unreadable> {
        let value = json::parse(bytes).map_err(Unreadable::Json)?;
        // It was parsed, so it is UTF-8.
        let text = std::str::from_utf8(bytes).unwrap_or_default();
        let space: &[char] = &[' ', '\t', '\r', '\n'];
        let start = text.len() - text.trim_start_matches(space).len();
        let end = text.trim_end_matches(space).len();
        let Value::Object(mut object) = value else {
            return Err(Unreadable::NotAnObject { found: kind(&value), at: start });
        };
        let whole = &text[start..end];
        let cut = object.get(&format.meta).and_then(|_| splice::find(whole, &format.meta)).unwrap_or_default();
        let natural = [&text[..start + cut.start], &text[start + cut.end..]].concat();
        let body = start..end - cut.len();
        // Where nothing but the notes shows how it is laid out, they do.
        let by_notes = Some(Value::Object(object.clone())).filter(|_| !cut.is_empty() && object.len() == 1);
        let notes = object.remove(&format.meta);
        let mut stored = Stored::plain(format.unversioned, Value::Object(object));
        let by_notes = by_notes.map(|value| Layout::of(whole, &value)).filter(|layout| layout.is_regular());
        let layout = by_notes.unwrap_or_else(|| Layout::of(&natural[body.clone()], &stored.document));
        if !layout.is_regular() {
            stored.text = Some(natural[body.clone()].into());
        }
        let mut document = Self { stored, stamped: None, extra: Object::new(), meta: format.meta.clone(), layout, natural, body };
        if let Some(notes) = notes {
            let unreadable = |message| Unreadable::Meta { name: format.meta.clone(), message };
            document.take_notes(notes).map_err(unreadable)?;
        }
        Ok(document)
    }

    /// Makes the document of a record that is new to its store: compact, with or without a line end behind it.
    pub fn new(stored: Stored, format: &Format, newline: bool) -> Self {
        let text = stored.text.as_deref().map_or_else(|| stored.document.to_string(), str::to_owned);
        let layout = Layout::of(&text, &stored.document);
        let body = 0..text.len();
        let natural = if newline { text + "\n" } else { text };
        Self { stored, stamped: None, extra: Object::new(), meta: format.meta.clone(), layout, natural, body }
    }

    fn take_notes(&mut self, notes: Value) -> Result<(), String> {
        let Value::Object(notes) = notes else { return Err("it is not an object".to_owned()) };
        if let Some(number) = notes.get("version") {
            let version = number.as_i64().and_then(|n| u32::try_from(n).ok());
            self.stored.version = version.ok_or_else(|| "`version` is not a version's number".to_owned())?;
            self.stamped = version;
        }
        let (own, extra): (Vec<_>, Vec<_>) = notes.into_iter().partition(|(name, _)| OWN.contains(&name.as_str()));
        let kept: Object = own.into_iter().filter(|(name, _)| name.as_str() != "version").collect();
        self.stored.keep = Keep::read(&kept).map_err(|e| format!("{}: {}", e.at, e.message))?;
        self.extra = extra.into_iter().collect();
        Ok(())
    }

    /// Returns the text without the notes, white space around it included: what stood there before coeval wrote.
    pub fn natural_text(&self) -> &str {
        &self.natural
    }

    /// Returns the bytes of what the record has become, laid out as it was, with notes that always say the version.
    ///
    /// What the record shows where it lies keeps every byte of its text, if it did not change.
    ///
    /// # Errors
    /// What could not be read again: a property of the name of the notes, or values kept too deep.
    pub fn write(&self, next: &Stored) -> Result<Vec<u8>, Unreadable> {
        Ok(self.around(&self.noted(next)?).into_bytes())
    }

    /// The text of what the record has become, with notes.
    fn noted(&self, next: &Stored) -> Result<String, Unreadable> {
        if next.document.as_object().is_none() {
            return Err(Unreadable::NotAnObject { found: kind(&next.document), at: 0 });
        }
        if next.document.as_object().is_some_and(|object| object.get(&self.meta).is_some()) {
            return Err(Unreadable::Reserved(self.meta.clone()));
        }
        let mut notes = Object::from_iter([("version".into(), i64::from(next.version).into())]);
        next.keep.write(&mut notes);
        for (name, value) in self.extra.iter().filter(|(name, _)| !OWN.contains(&name.as_str())) {
            notes.push(name.clone(), value.clone());
        }
        let mut text = self.natural_of(next, Layout::write_open);
        let (at, first) = splice::end(&text);
        text.insert_str(at, &self.layout.member(first, &self.meta, &notes.into()));
        // What is kept lies deeper than it did; nothing is written that could not be read back.
        let brackets = text.bytes().filter(|byte| matches!(byte, b'[' | b'{')).count();
        if brackets > DEPTH_LIMIT {
            json::parse(text.as_bytes()).map_err(Unreadable::TooDeep)?;
        }
        Ok(text)
    }

    /// The natural text of what the record has become.
    fn natural_of(&self, next: &Stored, write: fn(Layout, &Value) -> String) -> String {
        if next.version == self.stored.version && next.document.identical(&self.stored.document) {
            return self.natural[self.body.clone()].to_owned();
        }
        match &next.text {
            Some(text) if holds(text, &next.document) => text.to_string(),
            _ => write(self.layout, &next.document),
        }
    }

    /// Puts a text between the white space that stands around this document.
    fn around(&self, text: &str) -> String {
        [&self.natural[..self.body.start], text, &self.natural[self.body.end..]].concat()
    }
}

/// Whether a text holds a document, to the letter.
fn holds(text: &str, document: &Value) -> bool {
    json::parse(text.as_bytes()).is_ok_and(|value| value.identical(document))
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::List(_) => "a list",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Document, Unreadable> {
        Document::read(text.as_bytes(), &Format::default())
    }

    #[test]
    fn notes_stand_last_in_the_layout_of_the_record() {
        for (natural, written) in [
            ("{\"a\":1}", "{\"a\":1,\"_coeval\":{\"version\":1}}"),
            ("{\"a\": 1}\n", "{\"a\": 1, \"_coeval\": {\"version\": 1}}\n"),
            ("{\n  \"a\": 1\n}\r\n", "{\n  \"a\": 1,\n  \"_coeval\": {\n    \"version\": 1\n  }\n}\r\n"),
            ("{\r\n\t\"a\": []\r\n}", "{\r\n\t\"a\": [],\r\n\t\"_coeval\": {\r\n\t\t\"version\": 1\r\n\t}\r\n}"),
            ("{}", "{\"_coeval\":{\"version\":1}}"),
            (" { }", " {\"_coeval\":{\"version\":1} }"),
            ("{ \"a\" : 1 }", "{ \"a\" : 1, \"_coeval\": {\"version\": 1} }"),
            ("{\n  \"a\": [1, 2]\n}", "{\n  \"a\": [1, 2],\n  \"_coeval\": {\n    \"version\": 1\n  }\n}"),
        ] {
            let document = read(natural).expect(natural);
            assert_eq!(document.natural_text(), natural);
            let bytes = document.write(&document.stored).expect(natural);
            assert_eq!(String::from_utf8_lossy(&bytes), written);
            assert_eq!(read(written).expect(written).natural_text(), natural);
        }
    }

    #[test]
    fn a_record_without_properties_is_laid_out_as_its_notes() {
        let whole = "{\n  \"_coeval\": {\n    \"version\": 1\n  }\n}";
        let document = read(whole).expect(whole);
        let grown = Stored::plain(2, Value::from(Object::from_iter([("a".into(), 1.into())])));
        let written = document.write(&grown).expect("it is shallow");
        assert_eq!(String::from_utf8_lossy(&written), "{\n  \"a\": 1,\n  \"_coeval\": {\n    \"version\": 2\n  }\n}");
        let shrunk = Stored::plain(1, Value::from(Object::new()));
        let back = Document::read(&written, &Format::default()).and_then(|document| document.write(&shrunk));
        assert_eq!(back.as_deref(), Ok(whole.as_bytes()));
    }

    #[test]
    fn what_others_note_is_carried_along() {
        let text = r#"{"a":1,"_coeval":{"revision":7,"version":2,"from":{"b":[true]}}}"#;
        let document = read(text).expect(text);
        assert_eq!((document.stamped, document.stored.version), (Some(2), 2));
        let written = document.write(&document.stored).expect(text);
        let expected = r#"{"a":1,"_coeval":{"version":2,"revision":7,"from":{"b":[true]}}}"#;
        assert_eq!(String::from_utf8_lossy(&written), expected);
    }

    #[test]
    fn a_new_document_is_compact() {
        let stored = Stored::plain(4, Value::from(Object::from_iter([("a".into(), 1.into())])));
        let format = Format { meta: "_m".to_owned(), unversioned: 1 };
        for (newline, written) in [(false, "{\"a\":1,\"_m\":{\"version\":4}}"), (true, "{\"a\":1,\"_m\":{\"version\":4}}\n")] {
            let document = Document::new(stored.clone(), &format, newline);
            assert_eq!(document.write(&stored).as_deref(), Ok(written.as_bytes()));
        }
    }

    #[test]
    fn what_cannot_be_read_says_why() {
        let message = |text: &str| read(text).map(|_| ()).map_err(|e| e.to_string());
        let says = |message: &str| Err(message.to_owned());
        assert_eq!(message("{\"a\":"), says("the text ends where a JSON value is expected"));
        assert_eq!(message(" [1]"), says("a record is an object, not a list"));
        assert_eq!(message("{\"_coeval\":1}"), says("`_coeval` cannot be read: it is not an object"));
        assert_eq!(
            message("{\"_coeval\":{\"version\":-1}}"),
            says("`_coeval` cannot be read: `version` is not a version's number")
        );
        assert!(message("{\"_coeval\":{\"keep\":{\"a@1#0\":1}}}").is_err_and(|e| e.contains("/keep/a@1#0")));
        let named = Stored::plain(1, Value::from(Object::from_iter([("_coeval".into(), 1.into())])));
        let document = read("{}").expect("{}");
        assert_eq!(document.write(&named), Err(Unreadable::Reserved("_coeval".to_owned())));
    }

    #[test]
    fn nothing_is_written_that_could_not_be_read_again() {
        let nested = |depth: usize| format!("{{\"a\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
        let text = nested(DEPTH_LIMIT - 1);
        let document = read(&text).expect("it is as deep as can be read");
        assert!(document.write(&document.stored).is_ok());
        let mut next = document.stored.clone();
        let value = next.document.as_object().and_then(|object| object.get("a")).cloned();
        next.keep.entries.push(("a@1#0".to_owned(), crate::lens::Entry { value, ..Default::default() }));
        assert!(matches!(document.write(&next), Err(Unreadable::TooDeep(_))));
    }
}
