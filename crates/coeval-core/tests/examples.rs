//! Every operation's example: the record of the older version becomes the one of the newer, and comes back as it was.

use std::sync::Arc;

use coeval_core::history::{History, Release};
use coeval_core::json;
use coeval_core::lens::Stored;
use coeval_core::op::{Context, Operation, Rewrites};
use coeval_core::schema::{Model, no_shared_types};
use coeval_core::table::Tables;
use coeval_core::value::{Object, Value};

fn parse(text: &str) -> Value {
    json::parse(text.as_bytes()).unwrap_or_else(|e| panic!("{text}: {e}"))
}

fn rewrites() -> Rewrites {
    let reverse = |inputs: &[Option<&Value>]| {
        let reversed = inputs[0].and_then(Value::as_str).map(|text| text.chars().rev().collect::<String>().into());
        Ok(vec![reversed])
    };
    Rewrites::from([("reverse".to_owned(), (Arc::new(reverse) as _, Arc::new(reverse) as _))])
}

#[test]
fn examples_convert_and_come_back() {
    let (tables, rewrites) = (Tables::new(), rewrites());
    let context = Context { tables: &tables, rewrites: &rewrites };
    for (name, example) in Operation::ALL {
        let mut document = Object::new();
        document.insert("name", "example".into());
        document.insert("properties", parse(example.properties));
        if *name == "remove_index" {
            document.insert("constraints", parse(r#"[{"index": ["email"]}]"#));
        }
        let model = Model::from_value(&document.into(), &no_shared_types).unwrap_or_else(|e| panic!("{name}: {e} {}", e.at));
        let fields = Object::from_iter([((*name).into(), parse(example.operation))]);
        let operation = Operation::from_value(&fields.into()).unwrap_or_else(|e| panic!("{name}: {e} at {}", e.at));
        assert_eq!(Operation::from_value(&operation.to_value()).as_ref(), Ok(&operation), "{name} reads what it writes");
        let release = Release { version: 2, operations: vec![operation.clone()], order: None };
        let history =
            History::new(1, model.clone(), &[release], &context).unwrap_or_else(|e| panic!("{name}: {e} at {}", e.invalid.at));
        let older = Stored::plain(1, parse(example.older));
        let newer = history.migrate(&older, 2).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(newer.document.to_string(), example.newer, "{name}, up");
        let back = history.migrate(&newer, 1).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(back.to_value(false).to_string(), example.older, "{name}, down");
        assert!(!operation.describe().is_empty());
        if let Some(inverse) = operation.inverse(&model) {
            let mut there = model.clone();
            operation.apply(&mut there);
            assert_eq!(inverse.check(&there), Ok(()), "the inverse of {name} fits");
            let mut back = there.clone();
            inverse.apply(&mut back);
            if *name != "add_model" && *name != "relax_property" && *name != "wrap_list" {
                let order = |m: &Model| {
                    let mut m = m.clone();
                    let mut names: Vec<String> = m.properties.names().map(str::to_owned).collect();
                    names.sort();
                    m.properties.reorder(&names);
                    m
                };
                assert_eq!(order(&back), order(&model), "the inverse of {name} leads back");
            }
        }
    }
}
