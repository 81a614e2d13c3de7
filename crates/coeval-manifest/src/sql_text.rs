//! The SQL that people wrote into a manifest: standalone migrations and the raw `sql` of drafts, each with the way back to its
//! place in the file.

use std::ops::Range;

use crate::source::{Place, Source};
use crate::yaml::{self, Kind, Node};

/// A text of SQL in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SqlText {
    /// What it belongs to: the id of a migration, or the name of a model.
    pub owner: String,
    /// The backend it is for; the default one where `None`.
    pub backend: Option<String>,
    /// When it runs.
    pub purpose: Purpose,
    /// The SQL.
    pub text: String,
    source: Source,
    document: Range<usize>,
    pointer: String,
}

/// When a text runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// On the way up.
    Up,
    /// On the way down.
    Down,
    /// Afterwards, to see whether it succeeded.
    Check,
}

impl SqlText {
    /// Returns the place of some bytes of the text; the whole text where the way back is not exact.
    pub fn place(&self, span: &Range<usize>) -> Place {
        let whole = || self.source.place(self.document.clone());
        let Ok(node) = yaml::parse(&self.source.text, self.document.clone()) else { return whole() };
        self.source.place(yaml::locate(&node, &self.pointer, None, Some(span), &self.source.text))
    }

    /// Returns the path of the file.
    pub fn path(&self) -> &str {
        &self.source.path
    }
}

/// Returns the SQL of a file of standalone migrations, in the order written. What is no migration has none.
pub(crate) fn of_migrations(source: &Source) -> Vec<SqlText> {
    let mut out = Vec::new();
    for document in yaml::split(&source.text) {
        let Ok(node) = yaml::parse(&source.text, document.span.clone()) else { continue };
        let scalar = |key: &str| node.get(key).and_then(Node::scalar).map(str::to_owned);
        let Some(owner) = scalar("id").or_else(|| scalar("migrationId")) else { continue };
        let backend = scalar("backend");
        for (key, purpose) in [("up", Purpose::Up), ("down", Purpose::Down), ("validation", Purpose::Check)] {
            for (index, item) in items(node.get(key)).iter().enumerate() {
                let Some(text) = item.get("sql").and_then(Node::scalar) else { continue };
                out.push(SqlText {
                    owner: owner.clone(),
                    backend: backend.clone(),
                    purpose,
                    text: text.to_owned(),
                    source: source.clone(),
                    document: document.span.clone(),
                    pointer: format!("/{key}/{index}/sql"),
                });
            }
        }
    }
    out
}

/// Returns the raw SQL of a document of a model: of its operations `sql`.
pub(crate) fn of_model(source: &Source, document: Range<usize>, name: &str) -> Vec<SqlText> {
    let Ok(node) = yaml::parse(&source.text, document.clone()) else { return Vec::new() };
    let mut out = Vec::new();
    for (index, item) in items(node.get("operations")).iter().enumerate() {
        let Some(operation) = item.get("sql") else { continue };
        let backend = operation.get("backend").or_else(|| node.get("backend")).and_then(Node::scalar);
        for (key, purpose) in [("up", Purpose::Up), ("down", Purpose::Down)] {
            let Some(text) = operation.get(key).and_then(Node::scalar) else { continue };
            out.push(SqlText {
                owner: name.to_owned(),
                backend: backend.map(str::to_owned),
                purpose,
                text: text.to_owned(),
                source: source.clone(),
                document: document.clone(),
                pointer: format!("/operations/{index}/sql/{key}"),
            });
        }
    }
    out
}

fn items<'n, 'a>(node: Option<&'n Node<'a>>) -> &'n [Node<'a>] {
    match node.map(|node| &node.kind) {
        Some(Kind::List(items)) => items,
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_finds_its_place() {
        let file = "id: a\nbackend: main\nup:\n  - sql: |\n      ALTER TABLE users\n        DROP COLUMN fax;\n  - update: {model: m, set: {a: '1'}}\n\
                    down:\n  - {sql: \"DROP TABLE \\\"a b\\\"\"}\nvalidation:\n  - sql: SELECT 1\n---\nid: b\nup:\n  - sql: >\n      DROP\n      TABLE x\n";
        let texts = of_migrations(&Source::new("migrations/a.yaml", file));
        let shown: Vec<_> = texts.iter().map(|t| (t.owner.as_str(), t.backend.as_deref(), t.purpose, t.text.as_str())).collect();
        assert_eq!(
            shown,
            [
                ("a", Some("main"), Purpose::Up, "ALTER TABLE users\n  DROP COLUMN fax;\n"),
                ("a", Some("main"), Purpose::Down, "DROP TABLE \"a b\""),
                ("a", Some("main"), Purpose::Check, "SELECT 1"),
                ("b", None, Purpose::Up, "DROP TABLE x\n"),
            ]
        );
        for (text, word) in texts.iter().zip(["DROP COLUMN fax", "a b", "SELECT", "TABLE x"]) {
            let at = text.text.find(word).unwrap();
            let place = text.place(&(at..at + word.len()));
            assert_eq!(&file[place.span], word);
        }
    }

    #[test]
    fn raw_operations_have_texts_too() {
        let file = "type: model\nname: m\nbackend: main\noperations:\n  - sql: {up: ANALYZE m, down: '', backend: other}\n  - sql: {up: VACUUM}\n";
        let texts = of_model(&Source::new("models/m.yaml", file), 0..file.len(), "m");
        let shown: Vec<_> = texts.iter().map(|t| (t.backend.as_deref(), t.purpose, t.text.as_str())).collect();
        assert_eq!(
            shown,
            [
                (Some("other"), Purpose::Up, "ANALYZE m"),
                (Some("other"), Purpose::Down, ""),
                (Some("main"), Purpose::Up, "VACUUM"),
            ]
        );
        assert_eq!(&file[texts[2].place(&(0..6)).span], "VACUUM");
    }
}
