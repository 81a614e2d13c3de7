//! What s3verless notes about the migrations it applied: `_system/migration_history.json`.

use coeval_core::{Value, json};

/// A model's migrations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Applied {
    /// The model, as s3verless calls it.
    pub(super) model: String,
    /// The versions of the migrations, in the order in which they stand.
    pub(super) migrations: Vec<String>,
}

impl Applied {
    /// Returns a migration that is noted twice: two runners were at it, or it was applied again after a crash.
    pub(super) fn twice(&self) -> Option<&str> {
        let mut each = self.migrations.iter().enumerate();
        each.find_map(|(at, migration)| self.migrations[..at].contains(migration).then_some(migration.as_str()))
    }
}

/// Reads a history.
///
/// # Errors
/// What is not as expected, for people.
pub(super) fn read(bytes: &[u8]) -> Result<Vec<Applied>, String> {
    let value = json::parse(bytes).map_err(|error| error.to_string())?;
    let records = value.as_object().and_then(|object| object.get("records"));
    let records = records.and_then(Value::as_list).ok_or("it has no list `records`")?;
    let mut out: Vec<Applied> = Vec::new();
    for (at, record) in records.iter().enumerate() {
        let text = |name: &str| match record.as_object().and_then(|record| record.get(name)).and_then(Value::as_str) {
            Some(text) if !text.is_empty() => Ok(text.to_owned()),
            _ => Err(format!("`records[{at}]` has no text `{name}`")),
        };
        let (model, migration) = (text("model_name")?, text("version")?);
        match out.iter_mut().find(|known| known.model == model) {
            Some(known) => known.migrations.push(migration),
            None => out.push(Applied { model, migrations: vec![migration] }),
        }
    }
    Ok(out)
}

/// Returns whether two names are the same but for case and separators: `OrderLine`, `order_line`, `order-line`.
pub(super) fn is_same_name(a: &str, b: &str) -> bool {
    let bare = |name: &str| -> String { name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect() };
    bare(a) == bare(b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_history_is_read() {
        let text = br#"{"records": [{"version": "0001", "model_name": "Product", "objects_transformed": 3},
            {"version": "0002", "model_name": "User"}, {"version": "0003", "model_name": "Product"}], "other": 1}"#;
        let read = read(text).expect("a history");
        let shown: Vec<String> = read.iter().map(|a| format!("{} {}", a.model, a.migrations.join(" "))).collect();
        assert_eq!(shown, ["Product 0001 0003", "User 0002"]);
        assert_eq!(super::read(b"{\"records\": []}"), Ok(vec![]));
    }

    #[test]
    fn what_is_no_history_is_said() {
        for (text, said) in [
            ("{}", "it has no list `records`"),
            ("[]", "it has no list `records`"),
            (r#"{"records": {}}"#, "it has no list `records`"),
            (r#"{"records": [1]}"#, "`records[0]` has no text `model_name`"),
            (r#"{"records": [{"model_name": "A", "version": 1}]}"#, "`records[0]` has no text `version`"),
        ] {
            assert_eq!(read(text.as_bytes()), Err(said.to_owned()), "{text}");
        }
        assert!(read(b"{\"records\": [").is_err());
    }

    #[test]
    fn names_are_compared_as_people_do() {
        assert!(is_same_name("OrderLine", "order_line") && is_same_name("Product", "product"));
        assert!(!is_same_name("Product", "products"));
    }

    #[test]
    fn a_migration_that_is_noted_twice_is_found() {
        let applied = |migrations: &[&str]| Applied {
            model: "A".to_owned(),
            migrations: migrations.iter().map(|migration| (*migration).to_owned()).collect(),
        };
        assert_eq!(applied(&["1", "2", "1"]).twice(), Some("1"));
        assert_eq!(applied(&["1", "2"]).twice(), None);
    }
}
