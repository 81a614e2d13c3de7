//! Names and literals in the expressions that the detector proposes.

use coeval_core::{Path, value};

use super::literal::{literal, name};

#[test]
fn proposed_expressions_quote_what_needs_it() {
    for (path, expected) in
        [("a", "a"), ("a.order", "a.\"order\""), ("items[].Price", "\"Price\""), ("tags[]", "value"), ("m{}.x", "x")]
    {
        assert_eq!(Path::parse(path).map(|p| name(&p)), Ok(expected.to_owned()));
    }
    assert_eq!(literal(&value!("it's")).as_deref(), Some("'it''s'"));
    assert_eq!(literal(&value!([1])), None);
}
