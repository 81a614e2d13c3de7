//! Why a record is refused or not moved: by the policy of the operation that cannot convert it, at any depth.

use coeval_core::history::{History, Release};
use coeval_core::json;
use coeval_core::lens::{Refused, Stored, Unmoved};
use coeval_core::op::{Context, Operation, Rewrites};
use coeval_core::schema::{Model, no_shared_types};
use coeval_core::table::Tables;
use coeval_core::value::Value;

fn parse(text: &str) -> Value {
    json::parse(text.as_bytes()).unwrap_or_else(|e| panic!("{text}: {e}"))
}

/// Folds a model's properties and, for each version from 2 on, a list of operations.
fn fold(properties: &str, versions: &[&str]) -> History {
    let model = parse(&format!(r#"{{"name": "thing", "properties": {properties}}}"#));
    let model = Model::from_value(&model, &no_shared_types).unwrap_or_else(|e| panic!("{e}"));
    let release = |(version, operations): (u32, &&str)| {
        let operation = |value| Operation::from_value(value).unwrap_or_else(|e| panic!("{e}"));
        let operations = parse(operations).as_list().unwrap_or_default().iter().map(operation).collect();
        Release { version, operations, order: None }
    };
    let releases: Vec<Release> = (2..).zip(versions).map(release).collect();
    let (tables, rewrites) = (Tables::new(), Rewrites::new());
    let context = Context { tables: &tables, rewrites: &rewrites };
    History::new(1, model, &releases, &context).unwrap_or_else(|e| panic!("{e}"))
}

/// To a whole number, by a policy.
fn whole(path: &str, on_fail: &str) -> String {
    let name = path.rsplit(['.', ']', '}']).next().filter(|name| !name.is_empty()).unwrap_or("value");
    format!(
        r#"{{"retype_property": {{"path": "{path}", "schema": "integer", "up": "cast({name} as integer)",
            "down": "cast({name} as string)", "on_fail": {on_fail}}}}}"#
    )
}

/// One history for each place: a value, and values beneath lists and maps.
fn places(on_fail: &str) -> Vec<(&'static str, History, Value)> {
    let item = r#"{"type": "object", "properties": {"p": "string"}}"#;
    let list = format!(r#"{{"l": {{"type": "array", "items": {item}}}, "n": "string"}}"#);
    let map = format!(r#"{{"m": {{"type": "map", "values": {item}}}, "n": "string"}}"#);
    let nested = format!(
        r#"{{"l": {{"type": "array", "items": {{"type": "object", "properties":
            {{"m": {{"type": "map", "values": {item}}}}}}}}}, "n": "string"}}"#
    );
    let fold = |properties: &str, path: &str| fold(properties, &[&format!("[{}]", whole(path, on_fail))]);
    vec![
        ("p", fold(r#"{"p": "string", "n": "string"}"#, "p"), parse(r#"{"p":"x"}"#)),
        ("l[1].p", fold(&list, "l[].p"), parse(r#"{"l":[{"p":"1"},{"p":"x"}]}"#)),
        ("m{k}.p", fold(&map, "m{}.p"), parse(r#"{"m":{"j":{"p":"1"},"k":{"p":"x"}}}"#)),
        ("l[0].m{k}.p", fold(&nested, "l[].m{}.p"), parse(r#"{"l":[{"m":{"k":{"p":"x"}}}]}"#)),
    ]
}

#[test]
fn a_write_that_an_operation_rejects_is_refused_at_any_depth() {
    for (path, history, document) in places(r#""reject""#) {
        let refused = history.create(1, document.clone());
        let Err(Refused::Rejected { version: 2, violations }) = refused else { panic!("{path}: {refused:?}") };
        assert_eq!(violations.iter().map(|v| v.path.as_str()).collect::<Vec<_>>(), [path]);
        assert!(violations[0].message.contains("\"x\""), "{}", violations[0].message);
        let good = document.to_string().replace("\"x\"", "\"2\"");
        let stored = history.create(1, parse(&good)).unwrap_or_else(|e| panic!("{path}: {e}"));
        assert!(matches!(history.put(&stored, 1, &document), Err(Refused::Rejected { .. })), "{path}");
    }
}

#[test]
fn a_write_that_leaves_a_failure_as_it_was_is_admitted() {
    for (path, history, document) in places(r#""reject""#) {
        // It was there before the operation, or edited from outside.
        let stored = Stored::plain(1, document.clone());
        let mut other = document.clone();
        if let Value::Object(object) = &mut other {
            object.insert("n", "y".into());
        }
        let written = history.put(&stored, 1, &other).unwrap_or_else(|e| panic!("{path}: {e}"));
        assert!(written.is_some_and(|written| written.document == other), "{path}");
        let worse = parse(&document.to_string().replace("\"x\"", "\"z\""));
        // An item of a list that has nothing in common with the old one is a new item.
        assert_eq!(history.put(&stored, 1, &worse).is_ok(), !path.contains('['), "{path}: the value that failed still does");
    }
    let (_, history, document) = places(r#""reject""#).swap_remove(1);
    let stored = Stored::plain(1, document);
    let moved = parse(r#"{"l":[{"p":"x"},{"p":"1"},{"p":"3"}]}"#);
    assert!(history.put(&stored, 1, &moved).is_ok(), "the item that failed only moved");
    let second = parse(r#"{"l":[{"p":"1"},{"p":"x"},{"p":"w"}]}"#);
    assert!(matches!(history.put(&stored, 1, &second), Err(Refused::Rejected { .. })));
}

fn paths(violations: &[coeval_core::schema::Violation]) -> Vec<&str> {
    violations.iter().map(|violation| violation.path.as_str()).collect()
}

#[test]
fn what_a_run_makes_of_a_record_is_said_by_the_operation() {
    for (path, history, document) in places(r#""reject""#) {
        let stored = Stored::plain(1, document);
        match history.move_to(&stored, 2) {
            Err(Unmoved::Rejected { version: 2, violations }) => assert_eq!(paths(&violations), [path]),
            other => panic!("{path}: {other:?}"),
        }
    }
    for (path, history, document) in places(r#""quarantine""#) {
        let stored = Stored::plain(1, document);
        match history.move_to(&stored, 2) {
            Err(Unmoved::Quarantined { version: 2, violations }) => {
                assert_eq!(paths(&violations), [path]);
                assert!(violations[0].message.contains("\"x\""), "{}", violations[0].message);
            }
            other => panic!("{path}: {other:?}"),
        }
        assert!(matches!(history.migrate(&stored, 2), Err(Refused::Quarantined { version: 2, .. })), "{path}");
    }
    for (path, history, document) in places(r#"{"fallback": 7}"#) {
        let moved = history.move_to(&Stored::plain(1, document.clone()), 2).unwrap_or_else(|e| panic!("{path}: {e}"));
        assert_eq!(moved.document.to_string(), document.to_string().replace("\"x\"", "7").replace("\"1\"", "1"));
        assert_eq!(history.move_to(&moved, 1).map(|back| back.document).as_ref(), Ok(&document), "{path}");
    }
}

#[test]
fn a_record_that_does_not_fit_where_it_lies_is_broken() {
    let (_, history, _) = places(r#""reject""#).swap_remove(1);
    let stored = Stored::plain(1, parse(r#"{"l":[{"p":"1"},{"p":2},{"p":[]}]}"#));
    match history.move_to(&stored, 2) {
        Err(Unmoved::Broken { version: 1, violations }) => assert_eq!(paths(&violations), ["l[1].p", "l[2].p"]),
        other => panic!("{other:?}"),
    }
}

#[test]
fn undeclared_properties_that_a_version_claims_are_named() {
    let properties = r#"{"o": {"type": "object", "required": true, "properties": {"a": "string"}},
        "l": {"type": "array", "items": {"type": "object", "properties": {"p": "string"}}}}"#;
    let history = fold(
        properties,
        &[
            r#"[{"add_property": {"path": "b", "schema": "string"}}, {"add_property": {"path": "o.b", "schema": "string"}},
                {"add_property": {"path": "l[].b", "schema": "string"}}]"#,
            r#"[{"rename_property": {"from": "b", "to": "c"}}]"#,
        ],
    );
    let stored = Stored::plain(1, parse(r#"{"o":{"a":"x","b":1},"l":[{},{"b":2}],"b":3}"#));
    let expected = Err(Unmoved::Claimed { paths: ["o.b", "b", "l[1].b"].map(str::to_owned).to_vec() });
    assert_eq!(history.move_to(&stored, 2), expected);
    // Version 2 is on the way.
    assert_eq!(history.move_to(&stored, 3), expected);
    let free = Stored::plain(1, parse(r#"{"o":{"a":"x"},"l":[{}],"z":3}"#));
    assert!(history.move_to(&free, 3).is_ok());
    assert_eq!(history.move_to(&free, 0), Err(Unmoved::NoVersion(0)));
}

#[test]
fn only_conversions_on_the_way_refuse() {
    let first = format!("[{}]", whole("a", r#""reject""#));
    let second = format!("[{}]", whole("b", r#""reject""#));
    let third = r#"[{"remove_property": {"path": "a"}}]"#;
    let history = fold(r#"{"a": "string", "b": "string"}"#, &[&first, &second, third]);
    let stored = Stored::plain(1, parse(r#"{"a":"x","b":"1"}"#));
    // Version 4 could show it; version 2 could not, and was told to refuse.
    assert!(history.read(&stored, 4).is_ok());
    assert!(matches!(history.move_to(&stored, 4), Err(Unmoved::Rejected { version: 2, .. })));
    // Of several, the one furthest on the way: a run knows which versions are new.
    let both = Stored::plain(1, parse(r#"{"a":"x","b":"y"}"#));
    assert!(matches!(history.move_to(&both, 4), Err(Unmoved::Rejected { version: 3, .. })));
    // From version 3 on nothing fails; what version 2 made of it is behind.
    let newer = history.migrate(&stored, 4);
    let newer = newer.unwrap_or_else(|e| panic!("{e}"));
    assert!(history.move_to(&newer, 4).is_ok());
    assert!(history.move_to(&newer, 1).is_ok());
}
