//! Models whose properties are unique, indexed and checked, over versions that show them otherwise, and let go of them.

/// Titles, codes and kinds, with conditions on the title.
pub const ITEM: &str = r#"{"type": "model", "name": "item", "key": ["id"], "properties": {
    "id": {"type": "integer", "required": true}, "title": {"type": "string", "unique": true},
    "code": {"type": "string", "unique": true}, "kind": {"type": "string", "index": true}, "times": "integer"},
    "constraints": [{"name": "titled", "check": "title <> ''"}, {"name": "kept", "check": "title <> 'spam'", "policy": "quarantine"}]}"#;

/// 2 computes one property from another; 3 keeps the code as a number; 4 has no code and lets titles be what they are; 5 lets several
/// have the same.
pub const RELEASES: [&[&str]; 4] = [
    &[r#"{"add_property": {"path": "slug", "schema": "string", "value": "title"}}"#],
    &[
        r#"{"retype_property": {"path": "code", "schema": {"type": "integer", "unique": true}, "up": "cast(code as integer)", "down": "cast(code as string)"}}"#,
    ],
    &[r#"{"remove_property": {"path": "code"}}"#, r#"{"remove_check": {"name": "titled"}}"#],
    &[r#"{"remove_unique": {"name": "unique_title"}}"#],
];

/// One property beside the key.
pub const CHECKED: &str = r#"{"type": "model", "name": "item", "key": ["id"], "properties": {"id": {"type": "integer", "required": true}, "x": "integer"}}"#;

/// 2 demands something of a property that 3 removes; 4 takes the demand back.
pub const CHECKED_RELEASES: [&[&str]; 3] = [
    &[r#"{"add_check": {"name": "positive", "expr": "x > 0"}}"#],
    &[r#"{"remove_property": {"path": "x"}}"#],
    &[r#"{"remove_check": {"name": "positive"}}"#],
];
