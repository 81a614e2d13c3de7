//! A long history of several models, made from a seed with the mixture of changes that real projects have: changes of type first,
//! then additions, then removals. For stores in which every version must stay live at once.

use std::collections::BTreeMap;

use coeval_core::history::{History, Release};
use coeval_core::json;
use coeval_core::op::{Context, Operation, Rewrites};
use coeval_core::schema::{Model, no_shared_types};
use coeval_core::table::Tables;
use coeval_core::{Type, Value};
use coeval_store::ledger::VersionId;
use coeval_store::{Catalog, Era, ModelEntry};

use crate::rng::Rng;

/// A property that operations go on from.
#[derive(Debug, Clone)]
struct Known {
    name: String,
    kind: Kind,
    required: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Whole,
    Number,
    Flag,
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::Text => "string",
            Self::Whole => "integer",
            Self::Number => "number",
            Self::Flag => "boolean",
        }
    }

    const fn constant(self) -> &'static str {
        match self {
            Self::Text => "'0'",
            Self::Whole => "0",
            Self::Number => "0.5",
            Self::Flag => "false",
        }
    }

    fn any(rng: &mut Rng) -> Self {
        rng.one([Self::Text, Self::Whole, Self::Number, Self::Flag])
    }
}

/// Returns a catalog of so many models over so many versions, every one of which changes one model.
///
/// # Panics
/// An operation that does not fit, which is a fault of this generator.
pub fn catalog(seed: u64, models: usize, versions: u32) -> Catalog {
    let mut rng = Rng::new(seed);
    let names: Vec<String> = (0..models).map(|n| format!("model_{n}")).collect();
    let mut known: Vec<Vec<Known>> = names.iter().map(|_| beginnings(&mut rng)).collect();
    let firsts: Vec<Model> = names.iter().zip(&known).map(|(name, known)| first(name, known)).collect();
    let mut releases: BTreeMap<usize, Vec<Release>> = BTreeMap::new();
    for version in 2..=versions {
        let at = rng.below(models);
        let operation = change(&mut rng, &mut known[at], version);
        releases.entry(at).or_default().push(Release { version, operations: vec![operation], order: None });
    }
    let context = Context { tables: &Tables::new(), rewrites: &Rewrites::new() };
    let entries = names.into_iter().zip(firsts).enumerate().map(|(at, (name, model))| {
        let releases = releases.get(&at).map_or(&[][..], Vec::as_slice);
        let history = History::new(1, model, releases, &context).unwrap_or_else(|fault| panic!("{name}: {fault}"));
        ModelEntry { name, eras: vec![Era { first: 1, end: None, history }] }
    });
    let id = |number: u32| VersionId { number, id: format!("0193c1a0-0000-7000-8000-{number:012}") };
    Catalog { models: entries.collect(), versions: (1..=versions).map(id).collect(), ..Catalog::default() }
}

/// Returns a document that fits a version of a model.
pub fn document(rng: &mut Rng, model: &Model, id: i64) -> Value {
    let mut out = coeval_core::Object::new();
    for (name, property) in model.properties.iter() {
        if name == "id" {
            out.insert(name, Value::from(id));
            continue;
        }
        if !property.required && rng.chance(25) {
            continue;
        }
        let small = i64::try_from(rng.below(1000)).unwrap_or_default();
        out.insert(
            name,
            match property.ty {
                Type::Integer => Value::from(small),
                Type::Number => json::parse(format!("{small}.25").as_bytes()).unwrap_or(Value::Null),
                Type::Boolean => Value::Bool(small % 2 == 0),
                // Texts that spell whole numbers, so that a change of type can take them.
                _ => Value::from(small.to_string().as_str()),
            },
        );
    }
    out.into()
}

fn beginnings(rng: &mut Rng) -> Vec<Known> {
    (0..4).map(|n| Known { name: format!("p{n}"), kind: Kind::any(rng), required: rng.chance(50) }).collect()
}

fn first(name: &str, known: &[Known]) -> Model {
    let properties: Vec<String> =
        known.iter().map(|p| format!(r#""{}": {{"type": "{}", "required": {}}}"#, p.name, p.kind.name(), p.required)).collect();
    let text = format!(
        r#"{{"type": "model", "name": "{name}", "key": ["id"], "additional": false, "properties": {{"id": {{"type": "integer", "required": true}}, {}}}}}"#,
        properties.join(", ")
    );
    let value = json::parse(text.as_bytes()).unwrap_or_else(|e| panic!("{text}: {}", e.message));
    Model::from_value(&value, &no_shared_types).unwrap_or_else(|e| panic!("{text}: {e}"))
}

/// One change: 40 % of type, 25 % additions, 15 % removals, 12 % renames, 8 % of what is required.
fn change(rng: &mut Rng, known: &mut Vec<Known>, version: u32) -> Operation {
    let at = rng.below(known.len());
    let text = match rng.below(100) {
        0..40 => retype(rng, &mut known[at]),
        40..65 => {
            let added = Known { name: format!("p{version}"), kind: Kind::any(rng), required: rng.chance(50) };
            let text = format!(
                r#"{{"add_property": {{"path": "{}", "schema": {{"type": "{}", "required": {}}}, "value": "{}"}}}}"#,
                added.name,
                added.kind.name(),
                added.required,
                added.kind.constant()
            );
            known.push(added);
            text
        }
        65..80 if known.len() > 2 => {
            let gone = known.remove(at);
            let value = if gone.required { format!(r#", "value": "{}""#, gone.kind.constant()) } else { String::new() };
            format!(r#"{{"remove_property": {{"path": "{}"{value}}}}}"#, gone.name)
        }
        80..92 => {
            let name = format!("n{version}");
            let from = std::mem::replace(&mut known[at].name, name.clone());
            format!(r#"{{"rename_property": {{"from": "{from}", "to": "{name}"}}}}"#)
        }
        _ => {
            let property = &mut known[at];
            property.required = !property.required;
            let operation = if property.required { "require_property" } else { "relax_property" };
            format!(r#"{{"{operation}": {{"path": "{}", "value": "{}"}}}}"#, property.name, property.kind.constant())
        }
    };
    let value = json::parse(text.as_bytes()).unwrap_or_else(|e| panic!("{text}: {}", e.message));
    Operation::from_value(&value).unwrap_or_else(|e| panic!("{text}: {e}"))
}

fn retype(rng: &mut Rng, property: &mut Known) -> String {
    let name = &property.name;
    let (kind, up, down) = match (property.kind, rng.below(3)) {
        (Kind::Whole, 0) => (Kind::Text, format!("cast({name} as string)"), format!("cast({name} as integer)")),
        (Kind::Whole, 1) => (Kind::Whole, format!("{name} * 10"), format!("{name} / 10")),
        (Kind::Whole, _) => {
            (Kind::Number, format!("cast({name} as number) / 100"), format!("cast(round({name} * 100) as integer)"))
        }
        (Kind::Text, _) => (Kind::Text, format!("{name} || '!'"), format!("replace({name}, '!', '')")),
        (Kind::Number, _) => {
            (Kind::Whole, format!("cast(round({name} * 100) as integer)"), format!("cast({name} as number) / 100"))
        }
        (Kind::Flag, _) => (Kind::Whole, format!("case when {name} then 1 else 0 end"), format!("{name} <> 0")),
    };
    property.kind = kind;
    format!(
        r#"{{"retype_property": {{"path": "{name}", "schema": {{"type": "{}", "required": {}}}, "up": "{up}", "down": "{down}"}}}}"#,
        kind.name(),
        property.required
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_read_at_every_version_of_a_hundred() {
        let catalog = catalog(7, 10, 100);
        let mut rng = Rng::new(1);
        let mut versions = 0;
        for entry in &catalog.models {
            let history = &entry.eras[0].history;
            versions += history.versions().count() - 1;
            for version in history.versions().collect::<Vec<_>>() {
                let model = history.model(version).expect("it is there");
                let stored = history.create(version, document(&mut rng, model, 1)).expect("it fits");
                assert!(history.versions().all(|at| history.read(&stored, at).is_ok()), "{} {version}", entry.name);
            }
        }
        assert_eq!(versions, 99);
    }
}
