#![no_main]
//! Reading JSON never panics, and what was read is written as it stood.

use coeval_core::json;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| {
    match json::parse_document(text) {
        Ok(read) => {
            let written = read.value.to_string();
            assert_eq!(read.compact, written.as_bytes() == text, "compact means the same bytes");
            let again = json::parse_document(written.as_bytes()).expect("what is written can be read");
            assert!(again.compact, "what is written is compact");
            assert!(again.value.identical(&read.value), "every digit, escape and key stays in its place");
            assert!(again.value == read.value, "what is written alike means the same");

            let mut canonical = String::new();
            read.value.write_canonical(&mut canonical);
            let normal = json::parse(canonical.as_bytes()).expect("the canonical text is JSON");
            assert!(normal == read.value, "the canonical text means the same");
            assert_eq!(normal.digest(), read.value.digest(), "equal values have equal digests");
        }
        Err(error) => {
            assert!(error.at <= text.len(), "the place lies in the text");
            let (line, column) = error.line_and_column(text);
            assert!(line > 0 && column > 0, "lines and columns count from 1");
        }
    }
});
