//! Steps as values: how they stand in frozen documents and in a store's history.

use coeval_core::decode::{flag, known_keys, object, optional_string, string};
use coeval_core::invalid::nearest;
use coeval_core::schema::{Policy, Property};
use coeval_core::value::Object;
use coeval_core::{Invalid, Value};

use super::{ColumnSpec, Holds, Step};
use crate::standalone::Act;

const NAMES: &[&str] = &[
    "move_records",
    "forget_records",
    "create_table",
    "set_table_aside",
    "add_column",
    "drop_column",
    "rebuild_triggers",
    "backfill",
    "archive",
    "add_check",
    "drop_check",
    "set_not_null",
    "drop_not_null",
    "create_index",
    "drop_index",
    "add_foreign_key",
    "drop_foreign_key",
    "add_condition",
    "drop_condition",
    "watch_columns",
    "create_views",
    "drop_views",
    "retire_views",
    "forget_column",
    "forget_table",
    "sql",
    "standalone",
];

/// A mapping that is put together.
struct Made(Object);

impl Made {
    fn new() -> Self {
        Self(Object::new())
    }

    fn text(mut self, name: &str, value: &str) -> Self {
        self.0.insert(name, value.into());
        self
    }

    fn number(mut self, name: &str, value: u32) -> Self {
        self.0.insert(name, Value::from(i64::from(value)));
        self
    }

    fn flag(mut self, name: &str, value: bool) -> Self {
        if value {
            self.0.insert(name, Value::Bool(true));
        }
        self
    }

    fn texts(mut self, name: &str, values: &[String]) -> Self {
        self.0.insert(name, Value::List(values.iter().map(|value| value.as_str().into()).collect()));
        self
    }

    fn value(mut self, name: &str, value: Value) -> Self {
        self.0.insert(name, value);
        self
    }

    fn policy(self, policy: &Policy) -> Self {
        if *policy == Policy::Reject { self } else { self.value("policy", policy.to_value()) }
    }

    fn step(self, name: &str) -> Value {
        let mut out = Object::new();
        out.insert(name, Value::Object(self.0));
        Value::Object(out)
    }
}

impl Step {
    /// Returns the step as a mapping of its name to its fields.
    pub fn to_value(&self) -> Value {
        let made = Made::new();
        let of = |model: &str| Made::new().text("model", model);
        match self {
            Self::MoveRecords { model, from, to } => of(model).number("from", *from).number("to", *to).step("move_records"),
            Self::ForgetRecords { model, before, to } => {
                of(model).number("before", *before).number("to", *to).step("forget_records")
            }
            Self::CreateTable { model, table, columns, key } => {
                of(model).text("table", table).value("columns", specs(columns)).texts("key", key).step("create_table")
            }
            Self::SetTableAside { model, table, columns, key } => {
                of(model).text("table", table).value("columns", specs(columns)).texts("key", key).step("set_table_aside")
            }
            Self::AddColumn { model, column } => of(model).value("column", column.to_value()).step("add_column"),
            Self::DropColumn { model, column } => of(model).value("column", column.to_value()).step("drop_column"),
            Self::RebuildTriggers { model, from, to } => {
                of(model).number("from", *from).number("to", *to).step("rebuild_triggers")
            }
            Self::Backfill { model, from, to, columns } => {
                of(model).number("from", *from).number("to", *to).texts("columns", columns).step("backfill")
            }
            Self::Archive { model, from, to, columns } => {
                of(model).number("from", *from).number("to", *to).texts("columns", columns).step("archive")
            }
            Self::AddCheck { model, column } => of(model).value("column", column.to_value()).step("add_check"),
            Self::DropCheck { model, column } => of(model).value("column", column.to_value()).step("drop_check"),
            Self::SetNotNull { model, column } => of(model).text("column", column).step("set_not_null"),
            Self::DropNotNull { model, column } => of(model).text("column", column).step("drop_not_null"),
            Self::CreateIndex { model, name, columns, unique } => {
                of(model).text("name", name).texts("columns", columns).flag("unique", *unique).step("create_index")
            }
            Self::DropIndex { model, name, columns, unique } => {
                of(model).text("name", name).texts("columns", columns).flag("unique", *unique).step("drop_index")
            }
            Self::AddForeignKey { model, name, column, references } => {
                of(model).text("name", name).text("column", column).text("references", references).step("add_foreign_key")
            }
            Self::DropForeignKey { model, name, column, references } => {
                of(model).text("name", name).text("column", column).text("references", references).step("drop_foreign_key")
            }
            Self::AddCondition { model, name, expr, at, policy } => {
                of(model).text("name", name).text("expr", expr).number("at", *at).policy(policy).step("add_condition")
            }
            Self::DropCondition { model, name, expr, at, policy } => {
                of(model).text("name", name).text("expr", expr).number("at", *at).policy(policy).step("drop_condition")
            }
            Self::WatchColumns { model, from, to } => of(model).number("from", *from).number("to", *to).step("watch_columns"),
            Self::CreateViews { from, to } => made.number("from", *from).number("to", *to).step("create_views"),
            Self::DropViews { from, to } => made.number("from", *from).number("to", *to).step("drop_views"),
            Self::RetireViews { before } => made.number("before", *before).step("retire_views"),
            Self::ForgetColumn { model, column } => of(model).text("column", column).step("forget_column"),
            Self::ForgetTable { model, table } => of(model).text("table", table).step("forget_table"),
            Self::Sql { model, up, down } => {
                let made = of(model).text("up", up);
                down.as_ref().map_or(Made(made.0.clone()), |down| Made(made.0.clone()).text("down", down)).step("sql")
            }
            Self::Standalone { id, digest, up, down, back } => {
                let mut made = Made::new().text("id", id).text("digest", digest).flag("back", *back).value("up", acts(up));
                if let Some(down) = down {
                    made = made.value("down", acts(down));
                }
                made.step("standalone")
            }
        }
    }

    /// Reads a step.
    ///
    /// # Errors
    /// An unknown step or field, a missing one, a value of the wrong kind.
    pub fn from_value(value: &Value) -> Result<Self, Invalid> {
        let entry = object(value, "a step")?;
        let mut entries = entry.iter();
        let (Some((name, inner)), None) = (entries.next(), entries.next()) else {
            return Err(Invalid::new("a step is one name with its fields"));
        };
        let name = name.as_str();
        Self::from_fields(name, object(inner, "a step").map_err(|e| e.beneath(name))?).map_err(|e: Invalid| e.beneath(name))
    }

    fn from_fields(name: &str, fields: &Object) -> Result<Self, Invalid> {
        let text = |name: &str| string(fields, name).map(str::to_owned);
        let known = |keys: &[&str]| known_keys(fields, keys);
        let column = || ColumnSpec::from_value(fields.get("column").ok_or_else(|| Invalid::new("missing `column`"))?);
        Ok(match name {
            "move_records" => {
                known(&["model", "from", "to"])?;
                Self::MoveRecords { model: text("model")?, from: version(fields, "from")?, to: version(fields, "to")? }
            }
            "forget_records" => {
                known(&["model", "before", "to"])?;
                Self::ForgetRecords { model: text("model")?, before: version(fields, "before")?, to: version(fields, "to")? }
            }
            "create_table" | "set_table_aside" => {
                known(&["model", "table", "columns", "key"])?;
                let columns = list(fields, "columns")?.iter().map(ColumnSpec::from_value).collect::<Result<_, _>>()?;
                let (model, table, key) = (text("model")?, text("table")?, texts(fields, "key")?);
                if name == "create_table" {
                    Self::CreateTable { model, table, columns, key }
                } else {
                    Self::SetTableAside { model, table, columns, key }
                }
            }
            "add_column" | "drop_column" | "add_check" | "drop_check" => {
                known(&["model", "column"])?;
                let (model, column) = (text("model")?, column().map_err(|e| e.beneath("column"))?);
                match name {
                    "add_column" => Self::AddColumn { model, column },
                    "drop_column" => Self::DropColumn { model, column },
                    "add_check" => Self::AddCheck { model, column },
                    _ => Self::DropCheck { model, column },
                }
            }
            "rebuild_triggers" | "watch_columns" => {
                known(&["model", "from", "to"])?;
                let (model, from, to) = (text("model")?, version(fields, "from")?, version(fields, "to")?);
                if name == "watch_columns" {
                    Self::WatchColumns { model, from, to }
                } else {
                    Self::RebuildTriggers { model, from, to }
                }
            }
            "backfill" | "archive" => {
                known(&["model", "from", "to", "columns"])?;
                let (model, columns) = (text("model")?, texts(fields, "columns")?);
                let (from, to) = (version(fields, "from")?, version(fields, "to")?);
                if name == "backfill" {
                    Self::Backfill { model, from, to, columns }
                } else {
                    Self::Archive { model, from, to, columns }
                }
            }
            "set_not_null" | "drop_not_null" | "forget_column" => {
                known(&["model", "column"])?;
                let (model, column) = (text("model")?, text("column")?);
                match name {
                    "set_not_null" => Self::SetNotNull { model, column },
                    "drop_not_null" => Self::DropNotNull { model, column },
                    _ => Self::ForgetColumn { model, column },
                }
            }
            "create_index" | "drop_index" => {
                known(&["model", "name", "columns", "unique"])?;
                let (model, index, columns) = (text("model")?, text("name")?, texts(fields, "columns")?);
                let unique = fields.get("unique").is_some_and(|value| *value == Value::Bool(true));
                if name == "create_index" {
                    Self::CreateIndex { model, name: index, columns, unique }
                } else {
                    Self::DropIndex { model, name: index, columns, unique }
                }
            }
            "add_foreign_key" | "drop_foreign_key" => {
                known(&["model", "name", "column", "references"])?;
                let (model, key, column, references) = (text("model")?, text("name")?, text("column")?, text("references")?);
                if name == "add_foreign_key" {
                    Self::AddForeignKey { model, name: key, column, references }
                } else {
                    Self::DropForeignKey { model, name: key, column, references }
                }
            }
            "add_condition" | "drop_condition" => {
                known(&["model", "name", "expr", "at", "policy"])?;
                let (model, rule, expr, at) = (text("model")?, text("name")?, text("expr")?, version(fields, "at")?);
                let policy = fields.get("policy").map(Policy::from_value).transpose().map_err(|e| e.beneath("policy"))?;
                let policy = policy.unwrap_or_default();
                if name == "add_condition" {
                    Self::AddCondition { model, name: rule, expr, at, policy }
                } else {
                    Self::DropCondition { model, name: rule, expr, at, policy }
                }
            }
            "create_views" | "drop_views" => {
                known(&["from", "to"])?;
                let (from, to) = (version(fields, "from")?, version(fields, "to")?);
                if name == "create_views" { Self::CreateViews { from, to } } else { Self::DropViews { from, to } }
            }
            "retire_views" => {
                known(&["before"])?;
                Self::RetireViews { before: version(fields, "before")? }
            }
            "forget_table" => {
                known(&["model", "table"])?;
                Self::ForgetTable { model: text("model")?, table: text("table")? }
            }
            "sql" => {
                known(&["model", "up", "down"])?;
                Self::Sql { model: text("model")?, up: text("up")?, down: optional_string(fields, "down")?.map(str::to_owned) }
            }
            "standalone" => {
                known(&["id", "digest", "back", "up", "down"])?;
                let read = |name: &str| -> Result<Vec<Act>, Invalid> {
                    list(fields, name)?.iter().map(|act| Act::from_value(act).map_err(|e| e.beneath(name))).collect()
                };
                let down = fields.get("down").map(|_| read("down")).transpose()?;
                let back = flag(fields, "back")?;
                Self::Standalone { id: text("id")?, digest: text("digest")?, up: read("up")?, down, back }
            }
            other => {
                let invalid = Invalid::new(format!("unknown step `{other}`"));
                return Err(match nearest(other, NAMES.iter().copied()) {
                    Some(near) => invalid.help(format!("did you mean `{near}`?")),
                    None => invalid.help(format!("known steps: {}", NAMES.join(", "))),
                });
            }
        })
    }
}

impl ColumnSpec {
    /// Returns the column as a mapping.
    pub fn to_value(&self) -> Value {
        let mut made = Made::new().text("name", &self.name);
        if self.holds != Holds::Value {
            made = made.text("holds", self.holds.name());
        }
        made = made.value("schema", self.property.to_value());
        if let Some(default) = &self.default {
            made = made.value("default", default.clone());
        }
        Value::Object(made.0)
    }

    /// Reads a column.
    ///
    /// # Errors
    /// As [`Step::from_value`].
    pub fn from_value(value: &Value) -> Result<Self, Invalid> {
        let fields = object(value, "a column")?;
        known_keys(fields, &["name", "holds", "schema", "default"])?;
        let holds = match optional_string(fields, "holds")? {
            None => Holds::Value,
            Some(name) => {
                Holds::named(name).ok_or_else(|| Invalid::new(format!("a column cannot hold `{name}`")).beneath("holds"))?
            }
        };
        let schema = fields.get("schema").ok_or_else(|| Invalid::new("missing `schema`"))?;
        let property = Property::from_value(schema).map_err(|e| e.beneath("schema"))?;
        Ok(Self { name: string(fields, "name")?.to_owned(), holds, property, default: fields.get("default").cloned() })
    }
}

fn acts(acts: &[Act]) -> Value {
    Value::List(acts.iter().map(Act::to_value).collect())
}

fn specs(columns: &[ColumnSpec]) -> Value {
    Value::List(columns.iter().map(ColumnSpec::to_value).collect())
}

fn list<'v>(fields: &'v Object, name: &str) -> Result<&'v [Value], Invalid> {
    let value = fields.get(name).ok_or_else(|| Invalid::new(format!("missing `{name}`")))?;
    value.as_list().ok_or_else(|| Invalid::new("expected a list").beneath(name))
}

fn texts(fields: &Object, name: &str) -> Result<Vec<String>, Invalid> {
    let text =
        |value: &Value| value.as_str().map(str::to_owned).ok_or_else(|| Invalid::new("expected a list of strings").beneath(name));
    list(fields, name)?.iter().map(text).collect()
}

fn version(fields: &Object, name: &str) -> Result<u32, Invalid> {
    let value = fields.get(name).ok_or_else(|| Invalid::new(format!("missing `{name}`")))?;
    value
        .as_i64()
        .and_then(|number| u32::try_from(number).ok())
        .ok_or_else(|| Invalid::new(format!("expected the number of a version, found {value}")).beneath(name))
}
