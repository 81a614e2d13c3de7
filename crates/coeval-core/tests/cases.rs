//! Cases on which other systems lose data, through the public functions: each a model, operations, and what every version shows.

use coeval_core::history::{History, Release};
use coeval_core::json;
use coeval_core::lens::{Refused, Stored};
use coeval_core::op::{Context, Operation, Rewrites};
use coeval_core::schema::{Model, no_shared_types};
use coeval_core::table::Tables;
use coeval_core::value::{Object, Value};

fn parse(text: &str) -> Value {
    json::parse(text.as_bytes()).unwrap_or_else(|e| panic!("{text}: {e}"))
}

/// Folds a model's properties and, for each version from 2 on, a list of operations.
fn fold(properties: &str, versions: &[&str]) -> Result<History, String> {
    let mut document = Object::new();
    document.insert("name", "thing".into());
    document.insert("properties", parse(properties));
    let model = Model::from_value(&document.into(), &no_shared_types).map_err(|e| e.to_string())?;
    let releases: Result<Vec<Release>, String> = (2..)
        .zip(versions)
        .map(|(version, operations)| {
            let operations = parse(operations);
            let list = operations.as_list().unwrap_or_default().iter().map(Operation::from_value);
            let operations = list.collect::<Result<_, _>>().map_err(|e| format!("{}: {e}", e.at))?;
            Ok(Release { version, operations, order: None })
        })
        .collect();
    let (tables, rewrites) = (Tables::new(), Rewrites::new());
    History::new(1, model, &releases?, &Context { tables: &tables, rewrites: &rewrites }).map_err(|e| e.to_string())
}

/// A record, and what each version shows of it; it comes back to the version it was written at as it was.
struct Case {
    name: &'static str,
    properties: &'static str,
    versions: &'static [&'static str],
    /// The version at which the record is written.
    at: u32,
    /// What version 1, 2, … shows.
    shows: &'static [&'static str],
}

const CASES: &[Case] = &[
    Case {
        // An expression gives a number in its shortest form.
        name: "two additions",
        properties: r#"{"name": "string", "price": "integer"}"#,
        versions: &[
            r#"[{"add_property": {"path": "currency", "schema": "string", "value": "'USD'"}}]"#,
            r#"[{"add_property": {"path": "discount", "schema": "number", "value": "0.0"}}]"#,
        ],
        at: 1,
        shows: &[
            r#"{"name":"widget","price":100}"#,
            r#"{"name":"widget","price":100,"currency":"USD"}"#,
            r#"{"name":"widget","price":100,"currency":"USD","discount":0.0}"#,
        ],
    },
    Case {
        name: "a rename keeps its value",
        properties: r#"{"old_name": "string", "other": "string"}"#,
        versions: &[r#"[{"rename_property": {"from": "old_name", "to": "new_name"}}]"#],
        at: 1,
        shows: &[r#"{"old_name":"v","other":"d"}"#, r#"{"new_name":"v","other":"d"}"#],
    },
    Case {
        name: "a rename of what is absent does nothing",
        properties: r#"{"old_name": "string", "other": "string"}"#,
        versions: &[r#"[{"rename_property": {"from": "old_name", "to": "new_name"}}]"#],
        at: 1,
        shows: &[r#"{"other":"d"}"#, r#"{"other":"d"}"#],
    },
    Case {
        name: "a split",
        properties: r#"{"name": {"type": "string", "required": true}}"#,
        versions: &[SPLIT],
        at: 1,
        shows: &[r#"{"name":"Ada Lovelace"}"#, r#"{"first":"Ada","last":"Lovelace"}"#],
    },
    Case {
        name: "a split of one word",
        properties: r#"{"name": {"type": "string", "required": true}}"#,
        versions: &[SPLIT],
        at: 1,
        shows: &[r#"{"name":"Cher"}"#, r#"{"first":"Cher","last":""}"#],
    },
    Case { name: "1.5 to cents", properties: PRICE, versions: &[CENTS], at: 1, shows: &[r#"{"price":1.5}"#, r#"{"price":150}"#] },
    Case {
        name: "19.99 to cents",
        properties: PRICE,
        versions: &[CENTS],
        at: 1,
        shows: &[r#"{"price":19.99}"#, r#"{"price":1999}"#],
    },
    Case { name: "0.1 to cents", properties: PRICE, versions: &[CENTS], at: 1, shows: &[r#"{"price":0.1}"#, r#"{"price":10}"#] },
    Case {
        name: "100.0 to cents",
        properties: PRICE,
        versions: &[CENTS],
        at: 1,
        shows: &[r#"{"price":100.0}"#, r#"{"price":10000}"#],
    },
    Case {
        name: "an address flattened, but for one",
        properties: r#"{"address": {"type": "object", "required": true, "properties":
            {"street": "string", "city": "string", "zip": "string", "extra": "string"}}}"#,
        versions: &[r#"[{"move_property": {"from": "address.street", "to": "street"}},
                        {"move_property": {"from": "address.city", "to": "city"}},
                        {"move_property": {"from": "address.zip", "to": "zip"}}]"#],
        at: 1,
        shows: &[
            r#"{"address":{"street":"s","city":"c","zip":"z","extra":"e"}}"#,
            r#"{"address":{"extra":"e"},"street":"s","city":"c","zip":"z"}"#,
        ],
    },
    Case { name: "absence stays absence", properties: STATUS, versions: &[EVERYTHING], at: 1, shows: &["{}", "{}"] },
    Case {
        name: "null stays null",
        properties: STATUS,
        versions: &[EVERYTHING],
        at: 1,
        shows: &[r#"{"status":null}"#, r#"{"box":{"state":null}}"#],
    },
    Case {
        name: "a value stays itself",
        properties: STATUS,
        versions: &[EVERYTHING],
        at: 1,
        shows: &[r#"{"status":"active"}"#, r#"{"box":{"state":"active"}}"#],
    },
    Case {
        name: "a removed property is hidden",
        properties: r#"{"name": "string", "note": "string"}"#,
        versions: &[r#"[{"remove_property": {"path": "note"}}]"#],
        at: 1,
        shows: &[r#"{"name":"Ada","note":"first"}"#, r#"{"name":"Ada"}"#],
    },
    Case {
        name: "a swap",
        properties: r#"{"a": "string", "b": "string", "ab": "string"}"#,
        versions: &[r#"[{"rename_property": {"from": "a", "to": "t"}}, {"rename_property": {"from": "b", "to": "a"}},
                        {"rename_property": {"from": "t", "to": "b"}}]"#],
        at: 1,
        shows: &[r#"{"a":"1","b":"2","ab":"3"}"#, r#"{"b":"1","a":"2","ab":"3"}"#],
    },
    Case {
        name: "a chain of names that uses a removed one again",
        properties: r#"{"a": "string", "b": "string"}"#,
        versions: &[
            r#"[{"remove_property": {"path": "a"}}, {"rename_property": {"from": "b", "to": "a"}}]"#,
            r#"[{"rename_property": {"from": "a", "to": "c"}},
                {"add_property": {"path": "a", "schema": "integer", "value": "length(c)"}}]"#,
        ],
        at: 1,
        shows: &[r#"{"a":"1","b":"22"}"#, r#"{"a":"22"}"#, r#"{"c":"22","a":2}"#],
    },
    Case {
        name: "text is copied byte for byte",
        properties: r#"{"b": "number", "a": "number", "big": "number", "s": "string", "o": "json"}"#,
        versions: &[r#"[{"rename_property": {"from": "a", "to": "ab"}}]"#],
        at: 1,
        shows: &[
            r#"{"b":1.10,"a":12345678901234567890,"big":1e400,"s":"\u00e9\/","o":{"z":-0.0,"a":[1E+2]}}"#,
            r#"{"b":1.10,"ab":12345678901234567890,"big":1e400,"s":"\u00e9\/","o":{"z":-0.0,"a":[1E+2]}}"#,
        ],
    },
];

const PRICE: &str = r#"{"price": {"type": "number", "required": true}}"#;
const CENTS: &str = r#"[{"retype_property": {"path": "price", "schema": {"type": "integer", "required": true},
    "up": "cast(round(price * 100) as integer)", "down": "price / 100.0"}}]"#;
const SPLIT: &str = r#"[{"transform": {
    "up": {"first": "split_part(name, ' ', 1)", "last": "substring(name from length(split_part(name, ' ', 1)) + 2)"},
    "down": {"name": "case when last = '' then first else first || ' ' || last end"},
    "schemas": {"first": {"type": "string", "required": true}, "last": {"type": "string", "required": true}}}}]"#;
const STATUS: &str = r#"{"status": {"type": "string", "nullable": true}}"#;
const EVERYTHING: &str = r#"[{"rename_property": {"from": "status", "to": "state"}}]"#;

#[test]
fn every_version_shows_the_record_and_it_comes_back() {
    for case in CASES.iter().filter(|case| case.properties != STATUS) {
        check(case, case.versions);
    }
}

/// Absence, null and a value through a rename, a group and a change of place.
#[test]
fn absent_null_and_values_stay_apart() {
    let versions: &[(&[&str], [&str; 3])] = &[
        (&[EVERYTHING], ["{}", r#"{"state":null}"#, r#"{"state":"active"}"#]),
        (
            &[r#"[{"retype_property": {"path": "status", "schema": {"type": "string", "nullable": true}, "up": "upper(status)",
                   "down": "lower(status)"}}]"#],
            ["{}", r#"{"status":null}"#, r#"{"status":"ACTIVE"}"#],
        ),
        (&[r#"[{"wrap_list": {"path": "status"}}]"#], ["{}", r#"{"status":null}"#, r#"{"status":["active"]}"#]),
        (
            &[r#"[{"move_property": {"from": "status", "to": "box.status"}}]"#],
            [r#"{"box":{}}"#, r#"{"box":{"status":null}}"#, r#"{"box":{"status":"active"}}"#],
        ),
        (
            &[r#"[{"require_property": {"path": "status", "value": "'open'"}}]"#],
            [r#"{"status":"open"}"#, r#"{"status":null}"#, r#"{"status":"active"}"#],
        ),
    ];
    for (operations, shown) in versions {
        let history = fold(STATUS, operations).unwrap_or_else(|e| panic!("{operations:?}: {e}"));
        for (older, newer) in ["{}", r#"{"status":null}"#, r#"{"status":"active"}"#].into_iter().zip(shown) {
            let stored = history.create(1, parse(older)).unwrap_or_else(|e| panic!("{older}: {e}"));
            let moved = history.migrate(&stored, 2).unwrap_or_else(|e| panic!("{older}: {e}"));
            assert_eq!(moved.document.to_string(), *newer, "{operations:?}");
            let back = history.migrate(&moved, 1).unwrap_or_else(|e| panic!("{older}: {e}"));
            assert_eq!(back.document.to_string(), older, "{operations:?}");
        }
    }
}

fn check(case: &Case, versions: &[&str]) {
    let name = case.name;
    let history = fold(case.properties, versions).unwrap_or_else(|e| panic!("{name}: {e}"));
    let written = case.shows[case.at as usize - 1];
    let stored = Stored::plain(case.at, parse(written));
    for (version, shown) in (1..).zip(case.shows) {
        let read = history.read(&stored, version).map(|document| document.to_string());
        assert_eq!(read.as_deref(), Ok(*shown), "{name}, read at {version}");
        let there = history.migrate(&stored, version).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(there.document.to_string(), *shown, "{name}, stored at {version}");
        // In another process: from the text.
        let text = there.to_value(true).to_string();
        let there = Stored::from_value(parse(&text), 1).unwrap_or_else(|e| panic!("{name}: {e}"));
        let back = history.migrate(&there, case.at).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(back.to_value(false).to_string(), written, "{name}, by way of {version}");
        let again = history.migrate(&there, version).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(again.to_value(true).to_string(), text, "{name}: what is at {version} already is unchanged");
    }
}

/// A record stored at version 2 of 3 takes only the second step; what it has is kept.
#[test]
fn only_the_missing_steps_are_taken() {
    let history = fold(CASES[0].properties, CASES[0].versions).unwrap();
    let stored = Stored::plain(2, parse(r#"{"name":"widget","price":100,"currency":"EUR"}"#));
    let newest = history.read(&stored, 3).map(|document| document.to_string());
    assert_eq!(newest.as_deref(), Ok(r#"{"name":"widget","price":100,"currency":"EUR","discount":0.0}"#));
    let stored = Stored::plain(3, parse(r#"{"name":"widget","price":100,"currency":"EUR","discount":5}"#));
    assert_eq!(
        history.migrate(&stored, 3).map(|stored| stored.document.to_string()).as_deref(),
        Ok(&*stored.document.to_string())
    );
}

/// A value that a newer client wrote is no matter of a default, and stays when an older client writes something else.
#[test]
fn a_default_never_resets_what_was_written() {
    let history = fold(CASES[0].properties, CASES[0].versions).unwrap();
    let stored = history.create(2, parse(r#"{"name":"widget","price":100,"currency":"EUR"}"#)).unwrap();
    let stored = history.put(&stored, 1, &parse(r#"{"name":"gadget","price":7}"#)).unwrap().unwrap();
    assert_eq!(stored.version, 1);
    let read = history.read(&stored, 2).map(|document| document.to_string());
    assert_eq!(read.as_deref(), Ok(r#"{"name":"gadget","price":7,"currency":"EUR"}"#));
}

/// What cannot be told from the schema alone is refused when the history is folded, and the message says what to do.
#[test]
fn operations_that_would_lose_data_are_refused() {
    let name = r#"{"name": {"type": "string", "required": true}, "existing": "string", "kind": {"type": "enum", "values": ["a", "b"]},
                   "box": {"type": "object", "properties": {"n": "integer", "m": "string"}}}"#;
    for (operation, message) in [
        (r#"{"rename_property": {"from": "name", "to": "existing"}}"#, "has a property `existing` already"),
        (r#"{"rename_property": {"from": "nome", "to": "other"}}"#, "has no property `nome`"),
        (r#"{"add_property": {"path": "existing", "schema": "string"}}"#, "has a property `existing` already"),
        (r#"{"add_property": {"path": "n", "schema": {"type": "integer", "required": true}}}"#, "no older version can supply"),
        (r#"{"require_property": {"path": "existing"}}"#, "no older version can supply"),
        (r#"{"remove_property": {"path": "name"}}"#, "older versions require `name`"),
        (
            r#"{"retype_property": {"path": "existing", "schema": "integer", "up": "existing", "down": "cast(existing as string)"}}"#,
            "",
        ),
        (r#"{"map_enum": {"path": "kind", "values": ["a"]}}"#, "the older value `b` has no newer one"),
        (r#"{"move_property": {"from": "box.n", "to": "n"}}"#, "may be missing or null"),
        (
            r#"{"transform": {"up": {"n": "box.n"}, "down": {"box.n": "n"}, "schemas": {"n": {"type": "integer"}}}}"#,
            "may be missing or null",
        ),
        (
            r#"{"add_property": {"path": "box.o", "schema": "boolean", "value": "box is null"}}"#,
            "the object that `box.o` lies in",
        ),
    ] {
        let error = fold(name, &[&format!("[{operation}]")]).map(|_| ()).unwrap_err();
        assert!(error.contains(message), "{operation}: {error}");
    }
}

/// A text that is no number is refused, or hidden where the operation says so, and named; the record stays readable where it is valid.
#[test]
fn what_does_not_convert_is_refused_or_quarantined() {
    let retype = |policy: &str| {
        format!(
            r#"[{{"retype_property": {{"path": "n", "schema": "integer", "up": "cast(n as integer)", "down": "cast(n as string)"{policy}}}}}]"#
        )
    };
    let strict = fold(r#"{"n": "string"}"#, &[&retype("")]).unwrap();
    match strict.create(1, parse(r#"{"n":"abc"}"#)) {
        Err(Refused::Rejected { version: 2, violations }) => assert_eq!(violations[0].path, "n"),
        other => panic!("{other:?}"),
    }
    // A record that was there before, or edited from outside.
    let stored = Stored::plain(1, parse(r#"{"n":"abc"}"#));
    assert!(matches!(strict.migrate(&stored, 2), Err(Refused::Quarantined { version: 2, .. })));
    assert_eq!(strict.read(&stored, 1).as_ref(), Ok(&stored.document));
    let lenient = fold(r#"{"n": "string"}"#, &[&retype(r#", "on_fail": "quarantine""#)]).unwrap();
    let stored = lenient.create(1, parse(r#"{"n":"abc"}"#)).unwrap();
    assert!(matches!(lenient.read(&stored, 2), Err(Refused::Quarantined { version: 2, .. })));
    let healed = lenient.put(&stored, 2, &parse(r#"{"n":5}"#)).unwrap().unwrap();
    assert_eq!(lenient.read(&healed, 1).map(|document| document.to_string()).as_deref(), Ok(r#"{"n":"5"}"#));
    let fallback = fold(r#"{"n": "string"}"#, &[&retype(r#", "on_fail": {"fallback": 0}"#)]).unwrap();
    let stored = fallback.create(1, parse(r#"{"n":"abc"}"#)).unwrap();
    let moved = fallback.migrate(&stored, 2).unwrap();
    assert_eq!(moved.document.to_string(), r#"{"n":0}"#);
    assert_eq!(fallback.read(&moved, 1).map(|document| document.to_string()).as_deref(), Ok(r#"{"n":"abc"}"#));
}

/// A value that was kept with another one is not restored over a newer edit, by whatever way that came.
#[test]
fn a_stale_value_never_comes_back() {
    let history = fold(PRICE, &[CENTS]).unwrap();
    let stored = history.migrate(&history.create(1, parse(r#"{"price":19.990}"#)).unwrap(), 2).unwrap();
    let read = |stored: &Stored, version| history.read(stored, version).map(|document| document.to_string());
    assert_eq!(read(&stored, 1).as_deref(), Ok(r#"{"price":19.990}"#));
    let edited = history.edit_outside(&stored, parse(r#"{"price":2500}"#));
    assert_eq!(read(&edited, 1).as_deref(), Ok(r#"{"price":25}"#));
    let changed = history.put(&stored, 2, &parse(r#"{"price":2000}"#)).unwrap().unwrap();
    let again = history.put(&changed, 2, &parse(r#"{"price":1999}"#)).unwrap().unwrap();
    assert_eq!(read(&again, 1).as_deref(), Ok(r#"{"price":19.99}"#));
}

/// Spaces, line breaks and escapes that no style explains come back with the document, and not with another one.
#[test]
fn the_text_comes_back_as_it_was_written() {
    let history = fold(r#"{"a": "number", "b": "json"}"#, &[r#"[{"rename_property": {"from": "a", "to": "c"}}]"#]).unwrap();
    let text = "{ \"b\":[1.10,  {\"z\" : null}],\n\"\\u0061\":100.0 }";
    let stored = Stored { text: Some(text.into()), ..Stored::plain(1, parse(text)) };
    let moved = history.migrate(&stored, 2).unwrap();
    assert_eq!(moved.document.to_string(), r#"{"c":100.0,"b":[1.10,{"z":null}]}"#);
    let moved = Stored::from_value(parse(&moved.to_value(true).to_string()), 1).unwrap();
    let back = history.migrate(&moved, 1).unwrap();
    assert_eq!(back.to_text(&json::Style::Compact, false), text);
    let changed = history.put(&moved, 2, &parse(r#"{"c":5,"b":[1.10,{"z":null}]}"#)).unwrap().unwrap();
    let back = history.migrate(&changed, 1).unwrap();
    assert_eq!(back.to_text(&json::Style::Compact, false), r#"{"b":[1.10,{"z":null}],"\u0061":5}"#);
}
