//! Standalone migrations: files of `migrations/`, for several models at once, data repairs, raw SQL and code.
//!
//! They are read and put in order here; executing them is the stores'. The names that `ContractSpec` gives the keys are accepted.

use coeval_core::decode::{flag, found, known_keys, object, optional_string, required, string, strings};
use coeval_core::{Invalid, Object, Value};

use crate::decode;
use crate::diagnostic::Diagnostic;
use crate::source::{Place, Source};
use crate::yaml::{self, Kind, Node};

/// A standalone migration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Migration {
    /// Its id; unique.
    pub id: String,
    /// Orders migrations that do not depend on each other.
    pub version: Option<String>,
    /// The ids of the migrations that run before it.
    pub depends_on: Vec<String>,
    /// The version of the manifest that is migrated to before it.
    pub after: Option<u32>,
    /// The backend it runs on; the default one where `None`.
    pub backend: Option<String>,
    /// The way there.
    pub up: Vec<Action>,
    /// The way back.
    pub down: Vec<Action>,
    /// Whether there is a way back.
    pub reversible: bool,
    /// What must hold afterwards.
    pub validation: Vec<Check>,
    /// Where its id stands.
    pub place: Place,
    /// Where each of `depends_on` stands.
    pub dependency_places: Vec<Place>,
    /// The SHA-256 of its value: what a store records, so that an edited one is noticed.
    pub digest: String,
}

/// One thing that a migration does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Raw SQL.
    Sql(String),
    /// Operations on the records of a model.
    Operations {
        /// The model.
        model: String,
        /// The operations, one mapping each.
        operations: Vec<Value>,
    },
    /// A data repair.
    Update {
        /// The model.
        model: String,
        /// Which records; all where `None`.
        filter: Option<String>,
        /// The new values by path, as expressions.
        set: Vec<(String, String)>,
    },
    /// A program that reads a JSON record a line and writes one a line.
    Exec {
        /// The model whose records it reads.
        model: Option<String>,
        /// The program and its arguments.
        command: Vec<String>,
    },
}

/// A query that tells whether a migration succeeded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// The query.
    pub sql: String,
    /// Whether it must give no row, or one row holding one zero; else it must only run. Expected where nothing is said.
    pub expect_zero_rows: bool,
}

const KEYS: &[&str] = &[
    "type",
    "id",
    "migrationId",
    "version",
    "depends_on",
    "dependencies",
    "after",
    "backend",
    "model",
    "description",
    "up",
    "down",
    "reversible",
    "validation",
];

impl Migration {
    /// Reads the migrations of a file, one a document.
    ///
    /// # Errors
    /// What is wrong in each document.
    pub fn read(source: &Source) -> Result<Vec<Self>, Vec<Diagnostic>> {
        let mut migrations = Vec::new();
        let mut found = Vec::new();
        for document in yaml::split(&source.text) {
            match yaml::parse(&source.text, document.span) {
                Err(error) => found.push(error.diagnostic(source)),
                Ok(node) => match Self::from_node(source, &node) {
                    Ok(migration) => migrations.push(migration),
                    Err(invalid) => found.push(decode::place_in(source, &node, &invalid)),
                },
            }
        }
        if found.is_empty() { Ok(migrations) } else { Err(found) }
    }

    fn from_node(source: &Source, node: &Node<'_>) -> Result<Self, Invalid> {
        let value = as_texts(node);
        let object = object(&value, "a migration")?;
        known_keys(object, KEYS)?;
        if optional_string(object, "type")?.is_some_and(|ty| ty != "migration") {
            return Err(Invalid::new("a file in the folder of migrations says `type: migration`").beneath("type"));
        }
        let id_key = either(object, "id", "migrationId")?;
        let depends_key = either(object, "depends_on", "dependencies")?;
        let after = match object.get("after") {
            None => None,
            Some(value) => {
                let number = value.as_i64().and_then(|n| u32::try_from(n).ok());
                let fail = || Invalid::new(format!("expected the number of a version, found {}", found(value))).beneath("after");
                Some(number.ok_or_else(fail)?)
            }
        };
        let model = optional_string(object, "model")?;
        let (up, down) = (actions(object, "up", model)?, actions(object, "down", model)?);
        if up.is_empty() {
            return Err(Invalid::new("the migration does nothing: `up` is missing or empty"));
        }
        let reversible = if object.get("reversible").is_some() { flag(object, "reversible")? } else { true };
        if reversible && down.is_empty() {
            let invalid = Invalid::new("the migration has no `down`");
            return Err(invalid.help("say how to undo it, or say `reversible: false`"));
        }
        let checks = object.get("validation").map(|value| list(value, check).map_err(|e| e.beneath("validation"))).transpose()?;
        let span = |pointer: &str| yaml::locate(node, pointer, None, None, &source.text);
        let depends_on = strings(object, depends_key)?;
        let dependency_places = (0..depends_on.len()).map(|i| source.place(span(&format!("/{depends_key}/{i}")))).collect();
        Ok(Self {
            id: string(object, id_key)?.to_owned(),
            version: optional_string(object, "version")?.map(str::to_owned),
            depends_on,
            after,
            backend: optional_string(object, "backend")?.map(str::to_owned),
            up,
            down,
            reversible,
            validation: checks.unwrap_or_default(),
            place: source.place(span(&format!("/{id_key}"))),
            dependency_places,
            digest: value.digest(),
        })
    }
}

/// The document with ids and versions as the texts they are written as: `003` is not 3.
fn as_texts(node: &Node<'_>) -> Value {
    let Kind::Map(entries) = &node.kind else { return node.to_value() };
    let text = |node: &Node<'_>| match node.scalar() {
        Some(text) if node.to_value() != Value::Null => Value::from(text),
        _ => node.to_value(),
    };
    let entry = |key: &str, value: &Node<'_>| match (key, &value.kind) {
        ("id" | "migrationId" | "version", _) => text(value),
        ("depends_on" | "dependencies", Kind::List(items)) => Value::List(items.iter().map(text).collect()),
        _ => value.to_value(),
    };
    Value::Object(entries.iter().map(|e| ((&*e.key).into(), entry(&e.key, &e.value))).collect())
}

/// Which of two names for a key is used; the first where neither is.
fn either(object: &Object, name: &'static str, other: &'static str) -> Result<&'static str, Invalid> {
    match (object.get(name), object.get(other)) {
        (Some(_), Some(_)) => Err(Invalid::new(format!("`{name}` and `{other}` are two names for one key")).key(other)),
        (None, Some(_)) => Ok(other),
        _ => Ok(name),
    }
}

fn list<T>(value: &Value, read: impl Fn(&Value) -> Result<T, Invalid>) -> Result<Vec<T>, Invalid> {
    let items = value.as_list().ok_or_else(|| Invalid::new(format!("expected a list, found {}", found(value))))?;
    items.iter().enumerate().map(|(i, item)| read(item).map_err(|e| e.beneath(&i.to_string()))).collect()
}

fn actions(migration: &Object, key: &str, model: Option<&str>) -> Result<Vec<Action>, Invalid> {
    let Some(value) = migration.get(key) else { return Ok(Vec::new()) };
    list(value, |item| action(item, model)).map_err(|e| e.beneath(key))
}

fn action(value: &Value, model: Option<&str>) -> Result<Action, Invalid> {
    let entry = object(value, "something to do")?;
    let named = |entry: &Object| Ok(optional_string(entry, "model")?.or(model).map(str::to_owned));
    let need = |found: Option<String>| found.ok_or_else(|| Invalid::new("say on which `model`"));
    if entry.get("sql").is_some() {
        known_keys(entry, &["sql"])?;
        return Ok(Action::Sql(string(entry, "sql")?.to_owned()));
    }
    if let Some(operations) = entry.get("operations") {
        known_keys(entry, &["model", "operations"])?;
        let operations =
            list(operations, |v| object(v, "an operation").map(|_| v.clone())).map_err(|e| e.beneath("operations"))?;
        return Ok(Action::Operations { model: need(named(entry)?)?, operations });
    }
    if let Some(update) = entry.get("update") {
        known_keys(entry, &["update"])?;
        let read = || -> Result<Action, Invalid> {
            let update = object(update, "an update")?;
            known_keys(update, &["model", "where", "set"])?;
            let set = object(required(update, "set")?, "the new values").map_err(|e| e.beneath("set"))?;
            let set = set.iter().map(|(path, _)| Ok((path.to_string(), string(set, path)?.to_owned())));
            let set = set.collect::<Result<_, Invalid>>().map_err(|e| e.beneath("set"))?;
            let filter = optional_string(update, "where")?.map(str::to_owned);
            Ok(Action::Update { model: need(named(update)?)?, filter, set })
        };
        return read().map_err(|e| e.beneath("update"));
    }
    if entry.get("exec").is_some() {
        known_keys(entry, &["model", "exec"])?;
        let command = strings(entry, "exec")?;
        if command.is_empty() {
            return Err(Invalid::new("`exec` names a program and its arguments").beneath("exec"));
        }
        return Ok(Action::Exec { model: named(entry)?, command });
    }
    known_keys(entry, &["sql", "operations", "update", "exec", "model"])?;
    Err(Invalid::new("say one of `sql`, `operations`, `update` or `exec`"))
}

fn check(value: &Value) -> Result<Check, Invalid> {
    let entry = object(value, "a check")?;
    known_keys(entry, &["sql", "expect_zero_rows", "expectZeroRows"])?;
    let key = either(entry, "expect_zero_rows", "expectZeroRows")?;
    let expect_zero_rows = entry.get(key).is_none() || flag(entry, key)?;
    Ok(Check { sql: string(entry, "sql")?.to_owned(), expect_zero_rows })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of `ContractSpec`'s documentation on migrations (lssm.tech), with the indentation that its text lost.
    const CONTRACTSPEC: &str = "\
migrationId: add-email-verified
version: 2025-11-13-001
dependencies: []
up:
  - sql: |
      ALTER TABLE users
      ADD COLUMN email_verified BOOLEAN DEFAULT FALSE NOT NULL;
  - sql: |
      CREATE INDEX idx_users_email_verified
      ON users(email_verified);
down:
  - sql: |
      DROP INDEX idx_users_email_verified;
  - sql: |
      ALTER TABLE users
      DROP COLUMN email_verified;
validation:
  - sql: |
      SELECT COUNT(*) FROM users
      WHERE email_verified IS NULL;
    expectZeroRows: true
";

    fn read(text: &str) -> Vec<Migration> {
        Migration::read(&Source::new("migrations/m.yaml", text)).expect("it loads")
    }

    #[test]
    fn the_example_of_contractspec_loads() {
        let migration = &read(CONTRACTSPEC)[0];
        assert_eq!((migration.id.as_str(), migration.version.as_deref()), ("add-email-verified", Some("2025-11-13-001")));
        assert_eq!((migration.up.len(), migration.down.len(), migration.reversible), (2, 2, true));
        assert_eq!(migration.down[0], Action::Sql("DROP INDEX idx_users_email_verified;\n".to_owned()));
        assert!(migration.validation[0].expect_zero_rows);
    }

    #[test]
    fn what_cannot_be_undone_must_say_so() {
        let error = |text: &str| Migration::read(&Source::new("m.yaml", text)).expect_err(text)[0].message.clone();
        assert_eq!(error("id: a\nup: [{sql: x}]\n"), "the migration has no `down`");
        assert_eq!(error("id: a\nmigrationId: b\n"), "`id` and `migrationId` are two names for one key");
        assert_eq!(error("id: a\nup: [{sq: x}]\nreversible: false\n"), "unknown key `sq`");
        assert_eq!(error("id: a\nup: [{exec: []}]\nreversible: false\n"), "`exec` names a program and its arguments");
    }
}
