//! Models whose names, values, defaults, literals and tables are what an attacker or an unlucky person would choose. Each is
//! renamed, mapped, converted and split, so that its names stand in everything that a store makes of it.

use std::sync::Arc;

use coeval_core::history::{History, Release};
use coeval_core::json;
use coeval_core::lens::Stored;
use coeval_core::op::{Context, Operation, Rewrites};
use coeval_core::path::Path;
use coeval_core::schema::{Model, no_shared_types};
use coeval_core::table::{Table, Tables};
use coeval_core::{Object, Value};
use coeval_store::ledger::VersionId;
use coeval_store::{Catalog, Era, ModelEntry};

/// Names that break what is put together carelessly.
pub const NAMES: &[&str] = &[
    // What ends a name, a text or a statement, and what begins a comment.
    "quote\"d",
    "\"",
    "it's",
    "`tick`",
    "[bracket]",
    "a;b",
    "x--y",
    "/* c */",
    "back\\slash",
    "\\",
    "$$",
    "$coeval$",
    "$1",
    "%s %I {0}",
    "a.b",
    "{braces}",
    "two\nlines",
    "tab\there",
    " spaces ",
    "\u{1}",
    "?",
    ":name @name",
    "\"; DROP TABLE \"other\"; --",
    "'); DROP TABLE \"other\"; --",
    // Letters of all kinds.
    "cafe\u{301}",
    "café",
    "👩\u{200d}🚀",
    "שלום",
    "\u{202e}drawkcab",
    "ſK",
    "ıİ",
    // Words of SQL.
    "select",
    "SELECT",
    "user",
    "order",
    "table",
    "group",
    "primary",
    "check",
    "end",
    "null",
    "true",
    "default",
    "values",
    "begin",
    "current_user",
    "row",
    "all",
    // Names that coeval, or a database, uses itself.
    "coeval",
    "archive",
    "id",
    "new",
    "old",
    "NEW",
    "OLD",
    "n",
    "o",
    "t",
    "a",
    "e0",
    "side",
    "~side",
    "~~n1",
    "rowid",
    "oid",
    "ctid",
    "xmin",
    "tableoid",
    "key",
    "value",
    "keep",
    "excluded",
    "ok_w",
    "x_insert",
    "x_v1_copy",
    "x_failed",
    "x~0123456789abcdef",
];

/// How many parts [`part`] makes of the names.
pub const PARTS: usize = 4;

/// Returns a part of the names, of all kinds.
pub fn part(n: usize) -> Vec<&'static str> {
    NAMES.iter().copied().skip(n).step_by(PARTS).collect()
}

/// Values that break what is put together carelessly; three characters at least.
pub const VALUES: &[&str] = &[
    "'); DROP TABLE \"other\"; --",
    "'''",
    "\\'; --",
    "$$ $coeval$ $1",
    "a\nb\tc",
    "\"q\" `r`",
    "NULL",
    "👩\u{200d}🚀\u{301}שלום",
    "\u{1}\u{7f}\u{80}",
    "%s%n{}",
    "/* */ --",
    "   ",
    "{\"a\": null}",
];

fn value(n: usize) -> &'static str {
    VALUES[n % VALUES.len()]
}

/// A model over three versions: its names, and what is done to it.
#[derive(Debug)]
pub struct Hostile {
    /// The name of the model, and what all its other names begin with or are.
    pub name: String,
    n: usize,
}

impl Hostile {
    /// Makes a model of a name.
    pub fn new(n: usize, name: &str) -> Self {
        Self { name: name.to_owned(), n }
    }

    /// Returns the name of a property: the model's, and something that tells it from the others.
    fn own(&self, what: &str) -> String {
        format!("{}{what}", self.name)
    }

    /// Returns the name of the key.
    pub fn key(&self) -> String {
        self.own(" k")
    }

    /// Returns the property that is renamed by version 2, at a version before 3.
    pub fn main(&self, version: u32) -> String {
        if version == 1 { self.name.clone() } else { self.own("'2") }
    }

    /// The column of the table. SQLite has no path for some names in expressions, and leaves those to coeval.
    fn column(&self) -> String {
        self.own(" c").replace(['"', '\\'], "'").replace(char::is_control, "^")
    }

    fn table(&self) -> Table {
        let mut rows = Object::new();
        for text in VALUES.iter().copied().chain([self.name.as_str()]) {
            let row = Object::from_iter([(self.column().as_str().into(), Value::from(format!("{text}{}", self.name).as_str()))]);
            rows.insert(text, row.into());
        }
        Table::from_value(&self.own(" t"), &rows.into()).unwrap_or_else(|e| panic!("{:?}: {e}", self.name))
    }

    fn model(&self) -> Model {
        let (name, text) = (&self.name, value(self.n));
        let inner =
            format!(r#"{{{}: {{"type": "string", "required": true}}, {}: "integer"}}"#, quote(name), quote(&self.own(" i")));
        let text = format!(
            r#"{{"type": "model", "name": {}, "key": [{key}], "properties": {{
                {key}: {{"type": "string", "required": true}},
                {main}: {{"type": "string", "required": true, "index": true}},
                {object}: {{"type": "object", "required": true, "properties": {inner}}},
                {kind}: {{"type": "enum", "values": [{main}, {value}], "required": true}},
                {default}: {{"type": "string", "required": true, "default": {value}}},
                {number}: {{"type": "string", "required": true}}}}}}"#,
            quote(name),
            key = quote(&self.key()),
            main = quote(name),
            object = quote(&self.own(".o")),
            kind = quote(&self.own(" e")),
            default = quote(&self.own(" d")),
            number = quote(&self.own(" q")),
            value = quote(text),
        );
        let value = json::parse(text.as_bytes()).unwrap_or_else(|e| panic!("{text}: {}", e.message));
        Model::from_value(&value, &no_shared_types).unwrap_or_else(|e| panic!("{text}: {e}"))
    }

    /// Version 2 renames, at the top and beneath it, and maps values; version 3 splits, looks up, converts and moves.
    fn releases(&self) -> Vec<Release> {
        let (path, ident) = (|name: &str| quote(&Path::name(name).to_string()), |name: &str| ident(name));
        let object = self.own(".o");
        let inner = |name: &str| Path::name(&object).join(name).to_string();
        let (main, number, text) = (self.main(2), self.own(" q"), value(self.n));
        let (first, rest, looked) = (self.own(" f"), self.own(" r"), self.own(" l"));
        let schema = r#"{"type": "string", "required": true}"#;
        let end = value(self.n + 1);
        let operations = [
            vec![
                format!(r#"{{"rename_property": {{"from": {}, "to": {}}}}}"#, path(&self.name), path(&main)),
                format!(
                    r#"{{"rename_property": {{"from": {}, "to": {}}}}}"#,
                    quote(&inner(&self.name)),
                    quote(&inner(&self.own("'n")))
                ),
                format!(
                    r#"{{"map_enum": {{"path": {}, "values": [{text}, {new}], "up": {{{}: {new}}}, "down": {{{new}: {}}}}}}}"#,
                    path(&self.own(" e")),
                    quote(&self.name),
                    quote(&self.name),
                    text = quote(text),
                    new = quote(&self.own("!")),
                ),
            ],
            vec![
                format!(
                    r#"{{"add_property": {{"path": {}, "schema": {schema}, "value": {}}}}}"#,
                    path(&looked),
                    quote(&format!(
                        "coalesce(lookup({}, {}).{}, {})",
                        literal(&self.own(" t")),
                        ident(&main),
                        ident(&self.column()),
                        literal(end)
                    ))
                ),
                format!(
                    r#"{{"transform": {{"up": {{{first}: {}, {rest}: {}}}, "down": {{{main}: {}}}, "schemas": {{{first}: {schema}, {rest}: {schema}}}}}}}"#,
                    quote(&format!("substring({}, 1, 2)", ident(&main))),
                    quote(&format!("substring({}, 3) || {}", ident(&main), literal(end))),
                    quote(&format!("{} || replace({}, {}, '')", ident(&first), ident(&rest), literal(end))),
                    first = path(&first),
                    rest = path(&rest),
                    main = path(&main),
                ),
                format!(
                    r#"{{"retype_property": {{"path": {}, "schema": {{"type": "integer", "required": true}}, "up": {}, "down": {}}}}}"#,
                    path(&number),
                    quote(&format!("cast({} as integer)", ident(&number))),
                    quote(&format!("cast({} as string)", ident(&number)))
                ),
                format!(
                    r#"{{"move_property": {{"from": {}, "to": {}}}}}"#,
                    quote(&inner(&self.own(" i"))),
                    path(&self.own("'i"))
                ),
            ],
        ];
        let operation = |text: &String| {
            let value = json::parse(text.as_bytes()).unwrap_or_else(|e| panic!("{text}: {}", e.message));
            Operation::from_value(&value).unwrap_or_else(|e| panic!("{text}: {e}"))
        };
        let release = |(version, operations): (u32, &Vec<String>)| Release {
            version,
            operations: operations.iter().map(operation).collect(),
            order: None,
        };
        (2..).zip(&operations).map(release).collect()
    }

    fn entry(&self) -> ModelEntry {
        let tables: Tables = [self.table()].into_iter().collect();
        let context = Context { tables: &tables, rewrites: &Rewrites::new() };
        let history = History::new(1, self.model(), &self.releases(), &context);
        let history = history.unwrap_or_else(|e| panic!("{:?}: {e}", self.name));
        ModelEntry { name: self.name.clone(), eras: vec![Era { first: 1, end: None, history }] }
    }

    /// Returns a document of a version; of the same version and number it is always the same.
    pub fn document(&self, version: u32, n: usize) -> Value {
        let mut inner = Object::from_iter([(
            if version == 1 { self.name.clone() } else { self.own("'n") }.as_str().into(),
            Value::from(value(n + 2)),
        )]);
        let mut out = Object::from_iter([(self.key().as_str().into(), Value::from(format!("{}{n}", value(n + 3)).as_str()))]);
        if version < 3 {
            inner.insert(self.own(" i").as_str(), Value::from(7));
            out.insert(self.main(version).as_str(), value(n).into());
            out.insert(self.own(" q").as_str(), n.to_string().as_str().into());
        } else {
            out.insert(self.own(" f").as_str(), "ab".into());
            out.insert(self.own(" r").as_str(), format!("{}{}", value(n), value(self.n + 1)).as_str().into());
            out.insert(self.own(" l").as_str(), value(n + 4).into());
            out.insert(self.own(" q").as_str(), Value::from(i64::try_from(n).unwrap_or_default()));
            out.insert(self.own("'i").as_str(), Value::from(8));
        }
        out.insert(self.own(".o").as_str(), inner.into());
        let kind = match (version, n % 2) {
            (_, 0) => value(self.n).to_owned(),
            (1, _) => self.name.clone(),
            (_, _) => self.own("!"),
        };
        out.insert(self.own(" e").as_str(), kind.as_str().into());
        out.insert(self.own(" d").as_str(), value(n + 5).into());
        out.into()
    }
}

/// Returns a catalog of a model for each name, over three versions.
///
/// # Panics
/// A name that the core refuses.
pub fn catalog(models: &[Hostile]) -> Arc<Catalog> {
    let versions = (1..=3).map(|number| VersionId { number, id: format!("0193c1a0-0000-7000-8000-{number:012}") }).collect();
    Arc::new(Catalog { versions, models: models.iter().map(Hostile::entry).collect(), ..Catalog::default() })
}

/// Records of a hostile model as the core has them.
#[derive(Debug)]
pub struct Records<'c> {
    /// The model over its versions.
    pub history: &'c History,
    /// The records.
    pub all: Vec<Stored>,
}

impl Records<'_> {
    /// Adds a record.
    ///
    /// # Panics
    /// A document that does not fit.
    pub fn insert(&mut self, version: u32, document: &Value) {
        self.all.push(self.history.create(version, document.clone()).unwrap_or_else(|e| panic!("{document}: {e}")));
    }

    /// Sets a property of a record.
    ///
    /// # Panics
    /// A value that does not fit.
    pub fn set(&mut self, at: usize, version: u32, name: &str, value: &Value) {
        let mut document = self.history.read(&self.all[at], version).unwrap_or_else(|e| panic!("{name}: {e}"));
        if let Value::Object(object) = &mut document {
            object.insert(name, value.clone());
        }
        let put = self.history.put(&self.all[at], version, &document).unwrap_or_else(|e| panic!("{name}: {e}"));
        if let Some(stored) = put {
            self.all[at] = stored;
        }
    }

    /// Returns what a version shows, in the order of the documents' texts.
    ///
    /// # Panics
    /// A version that cannot show a record.
    pub fn read(&self, version: u32) -> Vec<Value> {
        let read = |stored: &Stored| self.history.read(stored, version).unwrap_or_else(|e| panic!("{version}: {e}"));
        sorted(self.all.iter().map(read).collect())
    }
}

/// Returns documents in the order of their canonical texts.
pub fn sorted(mut documents: Vec<Value>) -> Vec<Value> {
    documents.sort_by_cached_key(Value::digest);
    documents
}

fn quote(text: &str) -> String {
    Value::from(text).to_string()
}

/// A name in an expression.
fn ident(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_core_takes_all_of_it() {
        for (n, name) in NAMES.iter().enumerate() {
            let model = Hostile::new(n, name);
            let catalog = catalog(std::slice::from_ref(&model));
            let mut records = Records { history: &catalog.models[0].eras[0].history, all: Vec::new() };
            for version in 1..=3 {
                records.insert(version, &model.document(version, version as usize));
            }
            for version in 1..=3 {
                assert_eq!(records.read(version).len(), 3, "{name:?}");
            }
        }
    }
}
