//! Which results a property takes.

use super::*;

fn fit(source: &str, target: &Value) -> Result<(), String> {
    let property = Property::from_value(target).unwrap_or_else(|e| panic!("{target}: {e}"));
    let compiled = compile(source).unwrap_or_else(|e| panic!("{source}: {e}"));
    compiled.check_target(&property).map_err(|e| blame(source, &e.message, &e.span.unwrap_or_default()))
}

#[test]
fn a_property_takes_what_fits() {
    let required = |ty: &str| value!({"required": true}).to_string().replace('}', &format!(",{ty}}}"));
    for (source, target) in [
        ("n", r#""type": "number""#),
        ("n", r#""type": "float""#),
        ("price", r#""type": "decimal", "precision": 4, "scale": 1"#),
        ("size", r#""type": "number""#),
        ("id", r#""type": "enum", "values": ["a"]"#),
        ("'a'", r#""type": "enum", "values": ["a"]"#),
        ("status", r#""type": "string""#),
        ("status", r#""type": "enum", "values": ["open", "closed", "done", "new"]"#),
        ("id", r#""type": "ref", "model": "user""#),
        ("'2026-11-21'", r#""type": "date""#),
        ("case when done then '2026-11-21' else day end", r#""type": "date""#),
        ("tags", r#""type": "json""#),
        ("maybe", r#""type": "json""#),
        ("coalesce(maybe, 0)", r#""type": "integer""#),
        ("tags", r#""type": "array", "items": "string""#),
        ("[1, 2]", r#""type": "array", "items": "number""#),
        ("[]", r#""type": "array", "items": "number""#),
        ("['a']", r#""type": "array", "items": {"type": "enum", "values": ["a"]}"#),
        ("names", r#""type": "map", "values": "string""#),
        ("MAP {'a': 1}", r#""type": "map", "values": "number""#),
        ("{'a': 1, 'b': null}", r#""type": "object", "properties": {"a": {"type": "number", "required": true}, "b": "string"}"#),
        ("address", r#""type": "object", "properties": {"city": {"type": "string", "required": true}}"#),
        (
            "list_transform(lines, l -> {'id': l.sku})",
            r#""type": "array", "items": {"type": "object", "properties": {"id": {"type": "string", "required": true}}}"#,
        ),
        ("doc", r#""type": "json""#),
        ("id", r#""type": "union", "of": ["string", "integer"]"#),
        ("coalesce(doc, '')", r#""type": "json""#),
    ] {
        let target = crate::json::parse(required(target).as_bytes()).expect("JSON");
        assert_eq!(fit(source, &target), Ok(()), "{source} into {target}");
    }
    assert_eq!(fit("maybe", &value!({"type": "integer"})), Ok(()));
    assert_eq!(fit("maybe", &value!({"type": "integer", "required": true, "nullable": true})), Ok(()));
    assert_eq!(fit("null", &value!("integer")), Ok(()));
}

#[test]
fn what_does_not_fit_is_blamed() {
    for (source, target, expected) in [
        ("maybe", value!({"type": "integer", "required": true}), "this may be NULL, and the property is required ⟨maybe⟩"),
        ("null", value!({"type": "integer", "required": true}), "this may be NULL, and the property is required ⟨null⟩"),
        ("price", value!("integer"), "this is a number, the property is an integer ⟨price⟩"),
        ("f", value!("number"), "this is a float, the property is a number ⟨f⟩"),
        ("price", value!("float"), "this is a number, the property is a float ⟨price⟩"),
        ("n", value!("string"), "this is an integer, the property is a string ⟨n⟩"),
        ("'a'", value!("integer"), "this is a string, the property is an integer ⟨'a'⟩"),
        ("'x'", value!({"type": "enum", "values": ["a", "b"]}), "`x` is not one of the enum's values ⟨'x'⟩"),
        (
            "case when done then 'a' else coalesce(id, 'c') end",
            value!({"type": "enum", "values": ["a", "b"]}),
            "`c` is not one of the enum's values ⟨'c'⟩",
        ),
        ("status", value!({"type": "enum", "values": ["open", "done"]}), "`closed` is not one of the property's values ⟨status⟩"),
        ("'2026-02-30'", value!("date"), "'2026-02-30' is not a date ⟨'2026-02-30'⟩"),
        ("id", value!("date"), "this is a string, the property is a date ⟨id⟩"),
        (
            "names",
            value!({"type": "object", "properties": {"en": "string"}}),
            "this is a map of string, the property is an object ⟨names⟩",
        ),
        ("address", value!({"type": "map", "values": "string"}), "this is an object, the property is a map of string ⟨address⟩"),
        (
            "[1, 'a'::json]",
            value!({"type": "array", "items": "integer"}),
            "this is a json, the property is an integer ⟨'a'::json⟩",
        ),
        ("[null, 1]", value!({"type": "array", "items": "integer"}), "this may be NULL, and the property is required ⟨null⟩"),
        (
            "list_transform(lines, l -> l.count)",
            value!({"type": "array", "items": "integer"}),
            "an item may be NULL, and the property's are not nullable ⟨list_transform(lines, l -> l.count)⟩",
        ),
        (
            "{'a': 1}",
            value!({"type": "object", "properties": {"b": {"type": "string", "required": true}, "a": "integer"}}),
            "`b` is required and missing ⟨{'a': 1}⟩",
        ),
        ("{'ab': 1}", value!({"type": "object", "properties": {"a": "integer"}}), "the property has no `ab` ⟨1⟩"),
        (
            "{'a': id}",
            value!({"type": "object", "properties": {"a": "integer"}}),
            "this is a string, the property is an integer ⟨id⟩",
        ),
        (
            "address",
            value!({"type": "object", "properties": {"zip": {"type": "string", "required": true}}}),
            "the field `zip` may be NULL or absent, and the property is required ⟨address⟩",
        ),
        (
            "address",
            value!({"type": "object", "additional": false, "properties": {"city": "string", "geo": "json"}}),
            "the field `zip` is not declared in the property ⟨address⟩",
        ),
        ("doc", value!("string"), "this is a json, the property is a string ⟨doc⟩"),
        ("true", value!({"type": "union", "of": ["string", "integer"]}), "this is a boolean, the property is a union ⟨true⟩"),
    ] {
        assert_eq!(fit(source, &target).as_ref().map_err(String::as_str), Err(expected), "{source} into {target}");
    }
    let help =
        compile("price").ok().and_then(|c| c.check_target(&Property::new(crate::Type::Integer)).err()).and_then(|e| e.help);
    assert_eq!(help.as_deref(), Some("wrap it in `cast(… as integer)`"));
}
