#![no_main]
//! A stored document never panics; what was read is written with its text as it stood, and written again alike.

use coeval_core::document::{Document, Format, Unreadable};
use coeval_core::json;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| {
    let format = Format::default();
    let document = match Document::read(text, &format) {
        Ok(document) => document,
        Err(Unreadable::Json(error)) => {
            assert!(error.at <= text.len(), "the place lies in the text");
            return;
        }
        Err(_) => return,
    };
    let whole = json::parse(text).expect("it was read");
    if whole.as_object().is_some_and(|object| object.get(&format.meta).is_none()) {
        assert_eq!(document.natural_text().as_bytes(), text, "without notes all of it is natural");
    }
    let written = match document.write(&document.stored) {
        Ok(written) => written,
        Err(Unreadable::TooDeep(_)) => return,
        Err(other) => panic!("what was read is not written: {other}"),
    };
    let again = Document::read(&written, &format).expect("what is written can be read");
    assert_eq!(again.natural_text(), document.natural_text(), "the natural text stays");
    assert_eq!(again.stamped, Some(document.stored.version), "the version is always said");
    assert!(again.stored.document.identical(&document.stored.document), "the record stays, to the letter");
    assert_eq!(again.extra.len(), document.extra.len(), "what others noted stays");
    assert_eq!(again.write(&again.stored).as_deref(), Ok(&*written), "written again it is alike");
});
