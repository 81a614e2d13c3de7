//! What is read, what is refused, and where.

use coeval_core::{Value, value};

use super::*;

fn read(text: &str) -> Result<Value, YamlError> {
    parse(text, 0..text.len()).map(|node| node.to_value())
}

#[test]
fn scalars_follow_the_core_schema() {
    let text = "a: 2020-02-12 07:14\nb: 2025-11-13-001\nc: 0194e5c8-7d1c-7a80-b2c1-000000000001\nd: 1.10\ne: 0x1F\nf: '1'\n\
        g: yes\nh: True\ni: ~\nj:\nk: 007\nl: .5\nm: .inf\nn: 12345678901234567890\no: >-\n  x\n  y\n";
    let expected = value!({"a": "2020-02-12 07:14", "b": "2025-11-13-001", "c": "0194e5c8-7d1c-7a80-b2c1-000000000001", "d": 1.10,
        "e": 31, "f": "1", "g": "yes", "h": true, "i": null, "j": null, "k": 7, "l": 0.5, "m": ".inf", "n": 12345678901234567890,
        "o": "x y"});
    assert_eq!(read(text).map(|v| v.to_string()), Ok(expected.to_string()));
}

#[test]
fn what_is_refused_has_a_place() {
    for (text, place, message) in [
        ("a: 1\nb: 2\na: 3\n", "a", "the key `a` occurs twice"),
        ("a: &x 1\n", "&x 1", "YAML anchors and aliases are not read"),
        ("a: *x\n", "*", "YAML anchors and aliases are not read"),
        ("a: !!str 1\n", "!!str 1", "YAML tags are not read"),
        ("? [a]\n: 1\n", "[a]", "a key must be a word, not a list or mapping"),
        ("é: [1, 2\n", "2", "this is not YAML: while parsing a flow sequence, expected ',' or ']'"),
        ("a: b: c\n", ":", "this is not YAML: mapping values are not allowed in this context"),
    ] {
        let error = read(text).expect_err(text);
        assert_eq!((&text[error.span.clone()], error.message.as_str()), (place, message));
    }
    let keys: Vec<String> = (0..40).map(|i| format!("k{i}: 1\n")).chain(["k3: 2\n".to_owned()]).collect();
    let wide = keys.concat();
    assert!(read(&wide).is_err_and(|e| e.message == "the key `k3` occurs twice"));
}

#[test]
fn deep_nesting_is_refused_quickly() {
    let levels = 100_000;
    for text in ["[".repeat(levels), "{a: ".repeat(levels), "- ".repeat(levels), "? ".repeat(levels)] {
        assert_eq!(read(&text).map_err(|e| e.code), Err("too-deep"));
    }
    let bomb = "a0: &a0 [1]\na1: &a1 [*a0, *a0]\na2: &a2 [*a1, *a1]\n".repeat(20);
    assert_eq!(read(&bomb).map_err(|e| e.code), Err("anchor"));
}

#[test]
fn a_range_of_a_text_is_found_in_the_file() {
    for (text, value, part) in [
        ("e: price * 100\n", "price * 100", "100"),
        ("e: 'it''s * x'\n", "it's * x", "x"),
        ("e: 'it''s * x'\n", "it's * x", "s"),
        (r#"e: "a\tb \"c\" \u00e9 d""#, "a\tb \"c\" é d", "d"),
        ("e: |\n    first\n      second x\n    third y\n", "first\n  second x\nthird y\n", "y"),
        ("e: |\n    first\n      second x\n    third y\n", "first\n  second x\nthird y\n", "x"),
        ("e: >-\n  create(\n    a,\n    b\n  )\n", "create(\n  a,\n  b\n)", "b"),
        ("e: >-\n  one\n  two\n\n  three z\n", "one two\nthree z", "z"),
        ("e: one\n   two z\n", "one two z", "z"),
        ("e: 'one\n   two\n\n  three z'\n", "one two\nthree z", "z"),
        ("é: {e: 'ü * x'}\n", "ü * x", "x"),
    ] {
        let root = parse(text, 0..text.len()).expect(text);
        let node = root.get("e").or_else(|| root.get("é").and_then(|n| n.get("e"))).expect(text);
        assert_eq!(node.scalar(), Some(value));
        let at = value.rfind(part).expect(part);
        let span = text_span(node, &(at..at + part.len()), text);
        assert_eq!(&text[span.clone()], part, "{text:?}");
        let source_at = text.rfind(part).expect(part);
        assert_eq!(span.start, source_at, "{text:?}");
    }
}

#[test]
fn spans_end_where_values_end() {
    let text = "a:\n  b: 1\n  c: [1, 2]\n\n# end\nd:\n- x\n- |\n  y\n\ne: z\n";
    let root = parse(text, 0..text.len()).expect(text);
    let part = |pointer: &str| &text[locate(&root, pointer, None, None, text)];
    assert_eq!(part("/a"), "b: 1\n  c: [1, 2]");
    assert_eq!(part("/d"), "- x\n- |\n  y");
    assert_eq!(part("/a/c/1"), "2");
    assert_eq!(&text[locate(&root, "/a", Some("c"), None, text)], "c");
}
