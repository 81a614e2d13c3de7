//! What names stand for, what is read, and where NULL may occur.

use super::*;

#[test]
fn inputs_are_the_longest_declared_paths_each_once() {
    for (source, inputs) in [
        ("1 + 2", vec![]),
        ("n + n * maybe", vec!["n", "maybe"]),
        ("address.city || address.zip || address.city", vec!["address.city", "address.zip"]),
        ("cast(address as json)", vec!["address"]),
        ("address.geo.lat", vec!["address.geo.lat"]),
        ("doc.a.b", vec!["doc"]),
        ("lines[1].sku", vec!["lines"]),
        ("list_transform(tags, n -> n)", vec!["tags"]),
        ("names.de", vec!["names"]),
    ] {
        let compiled = compile(source).unwrap_or_else(|e| panic!("{source}: {e}"));
        let read: Vec<String> = compiled
            .inputs()
            .iter()
            .map(|input| match input {
                Input::Property(path) => path.to_string(),
                Input::Key => "key".to_owned(),
            })
            .collect();
        assert_eq!(read, inputs, "{source}");
        assert_eq!(compiled.is_constant(), inputs.is_empty());
    }
}

#[test]
fn elements_are_called_value_and_their_properties_by_name() {
    let (model, tables) = (model(), Tables::new());
    let lines = model.at(&Path::parse("lines[]").expect("a path")).expect("declared");
    let names = model.at(&Path::parse("names{}").expect("a path")).expect("declared");
    let scope = |element, key| Scope { names: Names::Element { element, key }, tables: &tables, absent_is_null: true };
    let list = scope(lines, KeyKind::Index);
    let compiled = Compiled::compile("sku || key || coalesce(value.count, 0)", &list).expect("valid");
    let read = [Input::Property(Path::name("sku")), Input::Key, Input::Property(Path::name("count"))];
    assert_eq!(compiled.inputs(), read);
    assert_eq!(compiled.eval(&[&"x".into(), &3.into(), &Value::Null]), Ok("x30".into()));

    let whole = Compiled::compile("{'key': key, 'all': value}", &list).expect("valid");
    assert_eq!(whole.inputs(), [Input::Key, Input::Property(Path::root())]);

    let map = scope(names, KeyKind::Name);
    let compiled = Compiled::compile("key || '=' || value", &map).expect("valid");
    assert_eq!(compiled.eval(&[&"en".into(), &"Tree".into()]), Ok("en=Tree".into()));
    assert_eq!(compiled.root().ty, ExprType::String);
    let outer = Compiled::compile("id", &map).err();
    assert_eq!(outer.map(|e| e.message), Some("unknown name `id`".to_owned()));
    let shadowed = Compiled::compile("list_transform([1], value -> value + 1)", &map).expect("valid");
    assert_eq!(shadowed.eval(&[]), Ok(value!([2])));
}

#[test]
fn nullability_follows_the_scope_and_the_conditions() {
    let (model, tables) = (model(), tables());
    let nullable = |source: &str, absent_is_null: bool| {
        let scope = Scope { names: Names::Record(&model.properties), tables: &tables, absent_is_null };
        Compiled::compile(source, &scope).unwrap_or_else(|e| panic!("{source}: {e}")).root().nullable
    };
    for (source, one, many) in [
        ("n", false, false),
        ("opt", false, true),
        ("maybe", true, true),
        ("doc", true, true),
        ("opt + 1", false, true),
        ("address.zip", false, true),
        ("address.city", false, false),
        ("address.geo.lat", false, true),
        ("coalesce(maybe, 0)", false, false),
        ("coalesce(maybe, opt)", false, true),
        ("nullif(n, 0)", true, true),
        ("maybe is null", false, false),
        ("maybe is distinct from 1", false, false),
        ("case when done then 1 end", true, true),
        ("case when done then 1 else 2 end", false, false),
        ("case when maybe is not null then maybe else 0 end", false, false),
        ("case when maybe is null then 0 else maybe + 1 end", false, false),
        ("case when maybe is not null and done then maybe else 0 end", false, false),
        ("case when maybe is not null or done then maybe else 0 end", true, true),
        ("case when maybe is null then maybe else 0 end", true, true),
        ("case when maybe is not null then 0 else maybe end", true, true),
        ("case done when maybe is not null then maybe else 0 end", true, true),
        ("tags[1]", true, true),
        ("concat_ws(' ', maybe)", false, false),
        ("lookup('country', id)", true, true),
        ("list_transform(lines, l -> l.count)", false, false),
        ("[maybe]", false, false),
        ("n in (1, maybe)", true, true),
    ] {
        assert_eq!((nullable(source, false), nullable(source, true)), (one, many), "{source}");
    }
}

#[test]
fn tables_know_their_columns() {
    let tables = tables();
    let table = tables.get("country").expect("there");
    let columns: Vec<String> =
        table.columns().iter().map(|(name, typed)| format!("{name} {} {}", typed.ty, typed.nullable)).collect();
    assert_eq!(columns, ["name string false", "code integer false", "note string true"]);
    assert_eq!(table.get("de").and_then(|row| row.get("code")), Some(&49.into()));
    assert_eq!(table.get("xx"), None);
    let other = Table::from_value(
        "x",
        &value!({"lt": {"code": 370, "note": "x", "name": "Lithuania"}, "de": {"name": "Germany", "code": 49}}),
    );
    assert_eq!(other.expect("valid").digest(), table.digest());
    let wrong = Table::from_value("x", &value!({"de": {"name": ["a"]}})).expect_err("a list is no column");
    assert_eq!(
        (wrong.at.as_str(), wrong.message.as_str()),
        ("/de/name", "expected a string, a number, true, false or null, found a list")
    );
}
