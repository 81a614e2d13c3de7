//! Versions retire: what only they could see is forgotten, and no version that lives reads anything else.

use coeval_core::document::{Document, Format};
use coeval_core::history::{Builder, Edit, History, OneWay, Release};
use coeval_core::json;
use coeval_core::lens::{Lost, Refused, Stored, Unmoved};
use coeval_core::op::{Context, LensEdit, Operation, Rewrites};
use coeval_core::patch::Patch;
use coeval_core::path::Path;
use coeval_core::schema::{Model, no_shared_types};
use coeval_core::table::Tables;
use coeval_core::value::Value;

fn parse(text: &str) -> Value {
    json::parse(text.as_bytes()).unwrap_or_else(|e| panic!("{text}: {e}"))
}

fn model(properties: &str) -> Model {
    let model = parse(&format!(r#"{{"name": "thing", "properties": {properties}}}"#));
    Model::from_value(&model, &no_shared_types).unwrap_or_else(|e| panic!("{e}"))
}

/// Folds a model's properties and, for each version from 2 on, a list of operations.
fn fold(properties: &str, versions: &[&str]) -> History {
    let release = |(version, operations): (u32, &&str)| {
        let operation = |value| Operation::from_value(value).unwrap_or_else(|e| panic!("{e}"));
        let operations = parse(operations).as_list().unwrap_or_default().iter().map(operation).collect();
        Release { version, operations, order: None }
    };
    let releases: Vec<Release> = (2..).zip(versions).map(release).collect();
    let (tables, rewrites) = (Tables::new(), Rewrites::new());
    let context = Context { tables: &tables, rewrites: &rewrites };
    History::new(1, model(properties), &releases, &context).unwrap_or_else(|e| panic!("{e}"))
}

fn forget(history: &History, stored: &Stored) -> (Stored, Vec<Lost>) {
    let (forgotten, lost) = history.forget(stored, history.newest()).unwrap_or_else(|e| panic!("{e}"));
    let again = history.forget(&forgotten, history.newest());
    assert_eq!(again, Ok((forgotten.clone(), Vec::new())), "forgotten twice");
    (forgotten, lost)
}

fn lost(key: &str, path: &str, version: u32) -> Lost {
    Lost { key: key.to_owned(), path: path.to_owned(), version }
}

fn text(stored: &Stored) -> String {
    stored.to_value(true).to_string()
}

/// Version 2 counts cents and has no note, version 3 has a name.
fn prices() -> History {
    fold(
        r#"{"price": {"type": "number", "required": true}, "note": "string"}"#,
        &[
            r#"[{"retype_property": {"path": "price", "schema": {"type": "integer", "required": true},
                 "up": "cast(round(price * 100) as integer)", "down": "price / 100.0"}},
                {"remove_property": {"path": "note"}}]"#,
            r#"[{"add_property": {"path": "name", "schema": "string"}}]"#,
        ],
    )
}

#[test]
fn clients_of_retired_versions_are_refused() {
    let history = prices().retire(2);
    assert_eq!((history.oldest(), history.newest()), (2, 3));
    let document = parse(r#"{"price":1.5}"#);
    let stored = Stored::plain(1, document.clone());
    let refused = Some(Refused::Retired(1));
    assert_eq!(history.read(&stored, 1).err(), refused);
    assert_eq!(history.create(1, document.clone()).err(), refused);
    assert_eq!(history.put(&stored, 1, &document).err(), refused);
    assert_eq!(history.merge_patch(&stored, 1, &parse("{}")).err(), refused);
    assert_eq!(history.json_patch(&stored, 1, &Patch(Vec::new())).err(), refused);
    assert_eq!(history.migrate(&stored, 1).err(), refused);
    assert_eq!(history.move_to(&stored, 1), Err(Unmoved::Retired(1)));
    assert_eq!(history.forget(&stored, 1), Err(Unmoved::Retired(1)));
    assert_eq!(history.read(&stored, 0).err(), Some(Refused::NoVersion(0)));
    // A document that is stored there still loads.
    assert_eq!(history.read(&stored, 2), Ok(parse(r#"{"price":150}"#)));
    let moved = history.put(&stored, 3, &parse(r#"{"price":150,"name":"A"}"#)).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(moved.map(|moved| text(&moved)).as_deref(), Some(r#"{"price":150,"name":"A","_coeval":{"version":3}}"#));
}

#[test]
fn what_is_lost_is_named() {
    let full = prices();
    let stored = full.create(1, parse(r#"{"price":1.999,"note":"n"}"#)).unwrap_or_else(|e| panic!("{e}"));
    let newer = full.migrate(&stored, 3).unwrap_or_else(|e| panic!("{e}"));
    let history = prices().retire(2);
    let gone = vec![lost("price@1#0", "price", 1), lost("note@1#0", "note", 1)];
    for stored in [&stored, &newer] {
        let (forgotten, mut lost) = forget(&history, stored);
        lost.sort_by(|a, b| b.path.cmp(&a.path));
        assert_eq!(lost, gone);
        assert_eq!(text(&forgotten), r#"{"price":200,"_coeval":{"version":3}}"#);
    }
    // What can be computed again is not lost.
    let plain = Stored::plain(1, parse(r#"{"price":1.5}"#));
    assert_eq!(forget(&history, &plain).1, []);
    // What lies at a version that lives stays there.
    let second = full.migrate(&stored, 2).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(forget(&history, &second).0.version, 2);
}

#[test]
fn a_record_that_nothing_is_kept_of_is_returned_as_it_is() {
    let history = prices().retire(2);
    // Edited from outside, and broken: there is nothing to forget, so nothing is judged.
    let stored = Stored::plain(3, parse(r#"{"price":"x"}"#));
    assert_eq!(history.forget(&stored, 3), Ok((stored.clone(), Vec::new())));
    let stored = Stored::plain(1, parse(r#"{"price":"x"}"#));
    assert!(matches!(history.forget(&stored, 3), Err(Unmoved::Broken { version: 1, .. })));
}

#[test]
fn beneath_lists_and_maps_it_is_the_same() {
    let properties = r#"{"l": {"type": "array", "items": {"type": "object", "properties": {"p": "integer", "q": "string",
        "m": {"type": "map", "values": {"type": "object", "properties": {"r": "string"}}}}}}}"#;
    let versions = [
        r#"[{"remove_property": {"path": "l[].q"}}, {"remove_property": {"path": "l[].m{}.r"}}]"#,
        r#"[{"rename_property": {"from": "l", "to": "list"}}, {"remove_property": {"path": "list[].p"}}]"#,
    ];
    let full = fold(properties, &versions);
    let document = parse(r#"{"l":[{"p":1},{"p":2,"q":"x","m":{"k":{"r":"y"},"j":{}}}]}"#);
    let stored = full.create(1, document).unwrap_or_else(|e| panic!("{e}"));
    let newer = full.migrate(&stored, 3).unwrap_or_else(|e| panic!("{e}"));
    let history = fold(properties, &versions).retire(2);
    let (forgotten, lost) = forget(&history, &newer);
    let paths: Vec<(&str, u32)> = lost.iter().map(|lost| (lost.path.as_str(), lost.version)).collect();
    assert_eq!(paths, [("l[1].m{k}.r", 1), ("l[1].q", 1)]);
    assert_eq!(history.read(&forgotten, 2), Ok(parse(r#"{"l":[{"p":1},{"p":2,"m":{"k":{},"j":{}}}]}"#)));
    assert!(!text(&forgotten).contains("\"x\"") && !text(&forgotten).contains("\"y\""), "{}", text(&forgotten));
}

#[test]
fn an_object_that_a_forgotten_property_implied_stays() {
    // Version 2 has no `o.x`, version 3 has what is left of `o` at its top.
    let fold = || {
        let properties = r#"{"o": {"type": "object", "properties": {"x": "string", "y": "string"}}}"#;
        let path = |text: &str| Path::parse(text).unwrap_or_else(|e| panic!("{e}"));
        let mut builder = Builder::start(1, model(properties));
        let mut version = |version, properties, edit| {
            *builder.model_mut() = model(properties);
            let edit = LensEdit::new(Path::root(), vec![edit]);
            builder.edit(version, 0, &edit).unwrap_or_else(|e| panic!("{e}"));
            builder.cut(&Release { version, operations: Vec::new(), order: None });
        };
        let second = r#"{"o": {"type": "object", "properties": {"y": "string"}}}"#;
        version(2, second, Edit::Remove { path: path("o.x"), value: OneWay::Initial });
        let dissolve = Edit::Dissolve { path: path("o"), children: vec![("y".to_owned(), path("y"))] };
        version(3, r#"{"y": "string"}"#, dissolve);
        builder.finish()
    };
    let full = fold();
    let stored = full.create(1, parse(r#"{"o":{"x":"a"}}"#)).unwrap_or_else(|e| panic!("{e}"));
    let newer = full.migrate(&stored, 3).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(full.read(&newer, 2), Ok(parse(r#"{"o":{}}"#)));
    let history = fold().retire(2);
    let (forgotten, gone) = forget(&history, &newer);
    assert_eq!(gone, [lost("o.x@1#0", "o.x", 1)]);
    assert!(forgotten.keep.get("o@1#0").is_some() && forgotten.keep.get("o.x@1#0").is_none(), "{}", text(&forgotten));
    assert_eq!(history.read(&forgotten, 2), Ok(parse(r#"{"o":{}}"#)));

    // Where a write takes away the last of it, nothing that is forgotten holds the object any more.
    let write = |history: &History, stored: &Stored, document: &str| {
        history.put(stored, 3, &parse(document)).unwrap_or_else(|e| panic!("{e}")).unwrap_or_else(|| panic!("it changes"))
    };
    let both = |history: &History, stored: &Stored| write(history, &write(history, stored, r#"{"y":"b"}"#), "{}");
    assert_eq!(full.read(&both(&full, &newer), 2), Ok(parse(r#"{"o":{}}"#)));
    assert_eq!(history.read(&both(&history, &forgotten), 2), Ok(parse("{}")));
}

#[test]
fn what_only_a_retired_version_could_not_show_is_admitted() {
    let versions = [r#"[{"retype_property": {"path": "a", "schema": "string", "up": "cast(a as string)",
                        "down": "cast(a as integer)"}}]"#];
    let stored = Stored::plain(2, parse(r#"{"a":"1"}"#));
    let document = parse(r#"{"a":"x"}"#);
    let full = fold(r#"{"a": "integer"}"#, &versions);
    assert!(matches!(full.put(&stored, 2, &document), Err(Refused::Rejected { version: 1, .. })));
    let history = fold(r#"{"a": "integer"}"#, &versions).retire(2);
    assert!(history.put(&stored, 2, &document).is_ok_and(|written| written.is_some()));
    assert!(history.create(2, document).is_ok());
}

#[test]
fn what_lies_between_versions_that_live_stays() {
    let hundred = |up: &str, down: &str| {
        format!(r#"{{"retype_property": {{"path": "a", "schema": "integer", "up": "{up}", "down": "{down}"}}}}"#)
    };
    let versions = ["[]", &format!("[{}, {}]", hundred("a / 10", "a * 10"), hundred("a / 10", "a * 10"))];
    let full = fold(r#"{"a": "integer"}"#, &versions);
    let stored = full.create(1, parse(r#"{"a":1234}"#)).unwrap_or_else(|e| panic!("{e}"));
    let newer = full.migrate(&stored, 3).unwrap_or_else(|e| panic!("{e}"));
    let history = fold(r#"{"a": "integer"}"#, &versions).retire(2);
    // Version 2 shows what version 1 showed, and what is in between belongs to it.
    let (forgotten, gone) = forget(&history, &newer);
    assert_eq!((gone, text(&forgotten)), (Vec::new(), text(&newer)));
    assert_eq!(forgotten.keep.entries.len(), 2);
    let history = fold(r#"{"a": "integer"}"#, &versions).retire(3);
    let (forgotten, gone) = forget(&history, &newer);
    // No version ever showed the one in between.
    assert_eq!(gone, [lost("a@1#0", "a", 2)]);
    assert_eq!(text(&forgotten), r#"{"a":12,"_coeval":{"version":3}}"#);
}

#[test]
fn layouts_and_undeclared_properties_go_with_what_they_belong_to() {
    let properties = r#"{"o": {"type": "object", "properties": {"x": "string"}}, "b": "string", "a": "string"}"#;
    let versions = [r#"[{"remove_property": {"path": "o"}}]"#, r#"[{"rename_property": {"from": "a", "to": "c"}}]"#];
    let bytes = br#"{ "a": "1", "o": {"z": 1}, "y": 2 }"#;
    let document = Document::read(bytes, &Format::default()).unwrap_or_else(|e| panic!("{e}"));
    let full = fold(properties, &versions);
    let second = full.migrate(&document.stored, 2).unwrap_or_else(|e| panic!("{e}"));
    let newer = full.migrate(&second, 3).unwrap_or_else(|e| panic!("{e}"));
    assert!(!newer.keep.layouts.is_empty() && !newer.keep.extras.is_empty(), "{}", text(&newer));
    let history = fold(properties, &versions).retire(2);
    let (forgotten, gone) = forget(&history, &newer);
    assert_eq!(text(&forgotten), r#"{"c":"1","y":2,"_coeval":{"version":3}}"#);
    // The object itself, and what lay in it without being declared.
    assert_eq!(gone, [lost("o@1#0", "o.z", 1), lost("o@1#0", "o", 1)]);
}

#[test]
fn versions_at_which_the_model_did_not_change_retire_too() {
    let full = fold(r#"{"a": "string", "b": "string"}"#, &[r#"[{"remove_property": {"path": "a"}}]"#]);
    let stored = Stored::plain(1, parse(r#"{"a":"x"}"#));
    let history = full.retire(7);
    assert!(history.is_retired(6) && !history.is_retired(7));
    assert_eq!(history.read(&stored, 2).err(), Some(Refused::Retired(2)));
    let (forgotten, _) = history.forget(&stored, 7).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(text(&forgotten), r#"{"_coeval":{"version":7}}"#);
    assert_eq!(history.read(&forgotten, 9), Ok(parse("{}")));
    // Nothing is undone by asking for less.
    assert_eq!(history.retire(3).oldest(), 7);
}
