//! Bad files end in a message with a place, never in a panic.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use coeval_core::{Object, Value, value};
use coeval_manifest::freeze::{Request, freeze};
use coeval_manifest::yaml::emit;
use coeval_manifest::{Diagnostic, Manifest, Source, frozen};

fn load(files: &[(&str, &[u8])]) -> Result<Manifest, Vec<Diagnostic>> {
    let files = files.iter().map(|(path, bytes)| ((*path).to_owned(), bytes.to_vec()));
    Manifest::load(&Source::new("coeval.yaml", "name: shop\n"), files, None)
}

/// A document as `freeze` would write it, with a digest that is right.
fn document(number: i64, changes: Value, operations: Value) -> String {
    let parents = if number > 1 { vec![Value::from(format!("v-{}", number - 1))] } else { Vec::new() };
    let header = Object::from_iter([
        ("id".into(), format!("v-{number}").into()),
        ("number".into(), number.into()),
        ("date".into(), "2026-11-21T10:00:00Z".into()),
        ("parents".into(), Value::List(parents)),
    ]);
    let mut object =
        Object::from_iter([("version".into(), header.into()), ("changes".into(), changes), ("operations".into(), operations)]);
    let digest = frozen::digest(&Value::Object(object.clone()));
    if let Some(Value::Object(header)) = object.get_mut("version") {
        header.insert("digest", digest.into());
    }
    format!("---\n{}", emit::document(&object, &["version"]))
}

fn first() -> String {
    let changes = value!([{"op": "add", "path": "/type", "value": "model"}, {"op": "add", "path": "/name", "value": "a"},
        {"op": "add", "path": "/properties", "value": {"x": {"type": "string"}}}]);
    format!("type: model\nname: a\nproperties:\n  x: string\n{}", document(1, changes, value!([{"add_model": {}}])))
}

fn found(text: &str) -> String {
    let wrong = match load(&[("models/a.yaml", text.as_bytes())]) {
        Err(wrong) => wrong,
        Ok(manifest) => manifest.check(),
    };
    wrong.iter().map(|d| d.render(false)).collect()
}

#[test]
fn bytes_that_are_no_text_are_refused() {
    let render = |bytes: &[u8]| load(&[("models/a.yaml", bytes)]).err().map(|w| w[0].render(false)).unwrap_or_default();
    insta::assert_snapshot!(render(b"\xef\xbb\xbftype: model\n"), @r"
    error[byte-order-mark]: the file starts with a byte-order mark
     --> models/a.yaml:1:1
      |
    1 | type: model
      | ^
      = help: save it as UTF-8 without one
    ");
    insta::assert_snapshot!(render(b"type: model\nname: caf\xe9 # x\n"), @r"
    error[not-utf-8]: the file is not valid UTF-8: byte 0xe9 at offset 21
     --> models/a.yaml:2:10
      |
    2 | name: caf� # x
      |          ^
      = help: save the file as UTF-8
    ");
}

#[test]
fn changes_that_contradict_operations_are_found() {
    let add = |name: &str| {
        Value::from(Object::from_iter([(
            "add_property".into(),
            Object::from_iter([("path".into(), name.into()), ("schema".into(), value!({"type": "string"}))]).into(),
        )]))
    };
    let changes = value!([{"op": "add", "path": "/properties/y", "value": {"type": "string"}}]);
    assert_eq!(found(&format!("{}{}", first(), document(2, changes.clone(), Value::List(vec![add("y")])))), "");
    insta::assert_snapshot!(found(&format!("{}{}", first(), document(2, changes.clone(), Value::List(vec![add("z")])))), @r"
    error[invalid]: `changes` and `operations` of this version disagree: `z` is there by the operations, not by the changes
      --> models/a.yaml:15:1
       |
    15 | changes:
       | ^^^^^^^
       = help: a frozen version never changes: take the document from your version control as it was
    ");
    let wrong = value!([{"op": "remove", "path": "/properties/q"}]);
    insta::assert_snapshot!(found(&format!("{}{}", first(), document(2, wrong, value!([])))), @r"
    error[invalid]: there is nothing at `/properties/q`: no `q`
      --> models/a.yaml:16:24
       |
    16 |   - {op: remove, path: /properties/q}
       |                        ^^^^^^^^^^^^^
    ");
    insta::assert_snapshot!(found(&format!("{}{}", first(), document(2, changes, value!([{"rename_property": {"from": "q", "to": "y"}}])))), @r"
    error[invalid]: a has no property `q`
      --> models/a.yaml:18:29
       |
    18 |   - rename_property: {from: q, to: y}
       |                             ^
       = help: did you mean `x`?
    ");
}

#[test]
fn versions_that_do_not_hang_together_are_found() {
    let changes = || value!([{"op": "add", "path": "/properties/y", "value": {"type": "string"}}]);
    let operations = || value!([{"add_property": {"path": "y", "schema": {"type": "string"}}}]);
    let text = format!("{}{}", first(), document(3, changes(), operations()));
    assert!(found(&text).starts_with("error[missing-parent]: version 3 follows v-2, which no file of the manifest has"));
    let text = format!("{}{}{}", first(), document(2, changes(), operations()), document(2, changes(), operations()));
    assert!(found(&text).starts_with("error[out-of-order]"), "{}", found(&text));
    let text = first().replace(", digest: \"sha256:", ", dig: \"sha256:");
    assert!(found(&text).contains("unknown key `dig`"), "{}", found(&text));
    let text = first();
    let (before, rest) = text.split_once(", digest: ").expect("a digest");
    let text = format!("{before}}}{}", &rest[rest.find('}').expect("an end") + 1..]);
    assert!(found(&text).contains("has no `digest`"), "{}", found(&text));
}

#[test]
fn an_error_in_an_expression_is_underlined_in_the_string() {
    let tables = coeval_core::table::Tables::new();
    let rewrites = coeval_core::op::Rewrites::new();
    let context = coeval_core::op::Context { tables: &tables, rewrites: &rewrites };
    let render = |value: &str| {
        let draft =
            format!("name: a\noperations:\n  - add_property:\n      path: y\n      value: {value}\n").replace('\t', "    ");
        let text = first().replacen("name: a\n", &draft, 1).replacen(
            "  x: string\n",
            "  x: string\n  y: {type: string, required: true}\n",
            1,
        );
        let manifest = load(&[("models/a.yaml", text.as_bytes())]).map_err(|w| w[0].render(false)).expect("it loads");
        let refusal = freeze(&manifest, &Request::new("2026-11-21T10:00:00Z", "v-2", context)).expect_err("it is refused");
        refusal.diagnostics().map(|d| d.render(false)).collect::<String>()
    };
    insta::assert_snapshot!(render("\"'it' || unknwon\""), @r#"
    error[invalid]: unknown property `unknwon`
     --> models/a.yaml:6:23
      |
    6 |       value: "'it' || unknwon"
      |                       ^^^^^^^
      = help: declared here: x
    "#);
    insta::assert_snapshot!(render("'upper(''a'') ||'"), @r"
    error[invalid]: expected an expression, found the end
     --> models/a.yaml:6:30
      |
    6 |       value: 'upper(''a'') ||'
      |                              ^
    ");
    insta::assert_snapshot!(render(">-\n        coalesce(x,\n          nope)"), @r"
    error[invalid]: unknown property `nope`
     --> models/a.yaml:8:11
      |
    8 |           nope)
      |           ^^^^
      = help: declared here: x
    ");
}

#[test]
fn what_a_cache_kept_is_what_folding_gives() {
    let text = format!(
        "{}{}",
        first(),
        document(
            2,
            value!([{"op": "add", "path": "/properties/y", "value": {"type": "string"}}]),
            value!([{"add_property": {"path": "y", "schema": {"type": "string"}}}])
        )
    );
    let kept: Arc<Mutex<HashMap<String, Vec<u8>>>> = Arc::default();
    let load = |text: &str| {
        let kept = Arc::clone(&kept);
        let get = move |key: &str| kept.lock().expect("whole").get(key).cloned();
        Manifest::load(
            &Source::new("coeval.yaml", "name: shop\n"),
            [("models/a.yaml".to_owned(), text.as_bytes().to_vec())],
            Some(Box::new(get)),
        )
        .map_err(|w| w[0].render(false))
        .expect("it loads")
    };
    let manifest = load(&text);
    assert!(manifest.check().is_empty());
    let fresh: Vec<(String, Vec<u8>)> = manifest.fresh().map(|(k, v)| (k.to_owned(), v.to_vec())).collect();
    assert_eq!(fresh.len(), 1);
    kept.lock().expect("whole").extend(fresh);
    // An edit of the draft keeps the key.
    let again = load(&text.replacen("x: string", "x: string # edited", 1));
    let (a, b) = (manifest.model("a").expect("folded"), again.model("a").expect("kept"));
    assert_eq!(again.fresh().count(), 0);
    assert_eq!((a.model(), &a.versions), (b.model(), &b.versions));
    assert_eq!(a.at(1), b.at(1));
    // What is broken in the cache is folded anew.
    kept.lock().expect("whole").values_mut().for_each(|v| v.truncate(20));
    let anew = load(&text);
    assert_eq!(anew.model("a").expect("folded").model(), a.model());
    assert_eq!(anew.fresh().count(), 1);
}

/// Cuts, repeats and replaces parts of a good file in many ways; nothing may panic, and every finding has a message.
#[test]
fn mutilated_files_never_panic() {
    let good = format!(
        "{}{}",
        first(),
        document(
            2,
            value!([{"op": "add", "path": "/properties/y", "value": {"type": "string"}}]),
            value!([{"add_property": {"path": "y", "schema": {"type": "string"}, "value": "'é'"}}])
        )
    );
    let tables = coeval_core::table::Tables::new();
    let rewrites = coeval_core::op::Rewrites::new();
    let context = coeval_core::op::Context { tables: &tables, rewrites: &rewrites };
    let pieces = [
        "\n",
        "---\n",
        "...\n",
        "{",
        "}",
        "[",
        "]",
        ": ",
        "- ",
        "#",
        "'",
        "\"",
        "|\n",
        ">-\n",
        "&a",
        "*a",
        "!",
        "é",
        "\t",
        "\r\n",
        "null",
        "~",
        "0",
        "operations:\n",
        "remove: true\n",
        "%",
        "\u{2028}",
        "? ",
    ];
    let mut seed = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = |bound: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        usize::try_from(seed % bound as u64).unwrap_or_default()
    };
    for _ in 0..4000 {
        let mut text = good.clone();
        for _ in 0..=next(3) {
            let mut at = [next(text.len() + 1), next(text.len() + 1)];
            at.sort_unstable();
            let [mut from, mut to] = at;
            to = to.min(from + next(12));
            while !text.is_char_boundary(from) {
                from -= 1;
            }
            while !text.is_char_boundary(to) {
                to += 1;
            }
            text.replace_range(from..to.max(from), pieces[next(pieces.len())]);
        }
        match load(&[("models/a.yaml", text.as_bytes())]) {
            Err(wrong) => assert!(wrong.iter().all(|d| !d.render(true).is_empty())),
            Ok(manifest) => {
                let wrong: Vec<_> = manifest.check().iter().map(|d| d.render(false)).collect();
                if wrong.is_empty()
                    && let Err(refusal) = freeze(&manifest, &Request::new("2026-11-21T10:00:00Z", "v-9", context))
                {
                    let internal = refusal.errors.iter().find(|d| d.code == "internal");
                    assert!(internal.is_none(), "{text}\n{}", internal.map(|d| d.render(false)).unwrap_or_default());
                }
            }
        }
    }
}
