//! Rows as documents of a version, and documents as the values of columns.

use coeval_core::history::NodeId;
use coeval_core::lens::Refused;
use coeval_core::schema::Violation;
use coeval_core::{Model, Object, Property, Type, Value, json};
use coeval_plan::table::{Held, Table, View};
use coeval_sql::{Dialect, Guard, ident, literal, to_json};
use coeval_store::records::{Key, State};
use coeval_store::{Error, Result};

use crate::error::During;
use crate::layout::Layout;
use crate::policy::asked;
use crate::table::text as text_of;
use crate::walk::KeyColumns;

/// What a version shows of a table.
pub(crate) struct Lens<'l> {
    pub(crate) layout: Layout<'l>,
    pub(crate) table: Table<'l>,
    pub(crate) view: View,
    pub(crate) model: &'l Model,
    pub(crate) key: KeyColumns,
    pub(crate) at: u32,
    /// The version that gave the model the shape it has.
    pub(crate) shape: u32,
    /// What hides rows `t` that older versions wrote, and is refused of this one's own clients.
    pub(crate) guards: Vec<Guard>,
}

/// A row.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) key: Key,
    pub(crate) document: Value,
    pub(crate) state: State,
    /// Why the version cannot show the row, where it cannot.
    pub(crate) hidden: Vec<Violation>,
}

impl<'l> Lens<'l> {
    pub(crate) fn new(layout: Layout<'l>, newest: u32, at: u32) -> Result<Self> {
        let last = layout.era.end.map_or(newest, |end| newest.min(end.saturating_sub(1)));
        let table = layout.table(last.max(at))?;
        let unknown =
            || Error::Unknown { message: format!("the model `{}` is not in version {at}", layout.entry.name), help: None };
        let view = table.view(at).cloned().ok_or_else(unknown)?;
        let model = layout.era.history.model(at).ok_or_else(unknown)?.as_ref();
        let key = crate::table::key(&table, &layout);
        let shape = layout.era.shape(at).unwrap_or(at);
        let unsupported = |unfit: coeval_sql::Unfit| Error::Unsupported {
            what: format!("a condition of `{}`", layout.entry.name),
            reason: unfit.to_string(),
        };
        let guards = coeval_sql::guards(&table, &view, "t", Dialect::Postgres).map_err(unsupported)?;
        Ok(Self { layout, table, view, model, key, at, shape, guards })
    }

    /// The properties at the top, with their columns.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (&str, usize, &Property)> + '_ {
        self.view.entries.iter().filter_map(|(name, at)| Some((name.as_str(), *at, self.model.properties.get(name)?)))
    }

    /// Renders what is asked of a row of the base table, `t`.
    pub(crate) fn selected(&self) -> String {
        let mut out: Vec<String> = self.key.iter().map(|(column, _)| format!("t.{column}::text")).collect();
        for (_, at, _) in self.entries() {
            let column = &self.table.columns[at];
            let own = format!("t.{}", ident(&column.name));
            let json = if column.is_json() { Some(own.clone()) } else { to_json(&own, &column.property.ty, Dialect::Postgres) };
            out.push(format!("({})::text", json.unwrap_or(own)));
        }
        out.extend(self.view.hiding.iter().map(|at| format!("t.{} IS TRUE", ident(&self.table.columns[*at].name))));
        out.extend(asked(self));
        // Of the whole row, so that it is the same at every version.
        out.push("pg_catalog.md5(ROW(t.*)::text)".to_owned());
        out.join(", ")
    }

    /// Reads a row of what was selected.
    pub(crate) fn read(&self, row: &tokio_postgres::Row, what: &str) -> Result<Row> {
        let mut keys = Vec::new();
        for at in 0..self.key.len() {
            keys.push(row.try_get::<_, String>(at).during(what)?);
        }
        let mut document = Object::new();
        let mut place = self.key.len();
        for (name, at, property) in self.entries() {
            let said: Option<String> = row.try_get(place).during(what)?;
            place += 1;
            match said {
                Some(said) => {
                    let value =
                        json::parse(said.as_bytes()).map_err(|e| Error::BadRecord { key: keys.join("/"), reason: e.message })?;
                    document.insert(name, value);
                }
                None if property.required && property.nullable && !self.table.columns[at].is_json() => {
                    document.insert(name, Value::Null);
                }
                None => {}
            }
        }
        let mut hidden = Vec::new();
        for at in &self.view.hiding {
            if row.try_get(place).during(what)? {
                hidden.push(Violation { path: self.shown_as(*at), message: "it could not be converted".to_owned() });
            }
            place += 1;
        }
        for guard in &self.guards {
            if row.try_get(place).during(what)? {
                hidden.push(Violation { path: String::new(), message: guard.violation() });
            }
            place += 1;
        }
        let document = Value::from(document);
        let key = if self.model.key.is_empty() { None } else { Key::of(self.model, &document) };
        let state = State(row.try_get(place).during(what)?);
        Ok(Row { key: key.unwrap_or(Key(keys)), document, state, hidden })
    }

    /// The property whose value a column says to be missing.
    fn shown_as(&self, failed: usize) -> String {
        let (Held::Failed { node } | Held::Unfit { node, .. }) = self.table.columns[failed].held else { return String::new() };
        let holds = |at: usize| match self.table.columns[at].held {
            Held::Shown { node: own, time } => {
                let mut nodes: Vec<NodeId> = Vec::new();
                self.table.scope().tree(own, time).nodes(&mut nodes);
                nodes.contains(&node)
            }
            Held::Hidden { .. } | Held::Failed { .. } | Held::Unfit { .. } | Held::Id => false,
        };
        self.view.entries.iter().find(|(_, at)| holds(*at)).map(|(name, _)| name.clone()).unwrap_or_default()
    }

    /// Why a row cannot be shown.
    pub(crate) fn quarantined(&self, row: &Row) -> Refused {
        Refused::Quarantined { version: self.at, violations: row.hidden.clone() }
    }

    /// Refuses what was written at the version and breaks what its own clients are held to. From a place on, a row says of each
    /// condition whether it does.
    pub(crate) fn admit(&self, row: &tokio_postgres::Row, place: usize, what: &str) -> Result<()> {
        let mut violations = Vec::new();
        for (nth, guard) in self.guards.iter().enumerate() {
            if row.try_get(place + nth).during(what)? {
                violations.push(Violation { path: String::new(), message: guard.violation() });
            }
        }
        if violations.is_empty() { Ok(()) } else { Err(Error::Refused(Refused::Rejected { version: self.at, violations })) }
    }

    /// Renders a key as a row of the key's columns.
    pub(crate) fn key_values(&self, key: &Key) -> Result<String> {
        if key.0.len() != self.key.len() {
            let reason = format!("the key of `{}` has {} parts", self.layout.entry.name, self.key.len());
            return Err(Error::BadRecord { key: key.to_string(), reason });
        }
        let nul = key.0.iter().any(|part| part.contains('\0'));
        if nul {
            return Err(Error::BadRecord { key: key.to_string(), reason: "a key holds no character NUL".to_owned() });
        }
        Ok(key.0.iter().zip(&self.key).map(|(part, (_, ty))| format!("{}::{ty}", text_of(part))).collect::<Vec<_>>().join(", "))
    }

    /// Renders the condition that a row of `t` has a key.
    pub(crate) fn key_is(&self, key: &Key) -> Result<String> {
        let columns: Vec<String> = self.key.iter().map(|(column, _)| format!("t.{column}")).collect();
        Ok(format!("({}) = ({})", columns.join(", "), self.key_values(key)?))
    }

    /// Renders a value of a column; nothing where it is absent.
    pub(crate) fn value(&self, at: usize, value: Option<&Value>, name: &str) -> Result<String> {
        let column = &self.table.columns[at];
        let Some(value) = value else { return Ok("NULL".to_owned()) };
        let ty = if column.is_json() { &Type::Json } else { &column.property.ty };
        if column.is_json() && *value == Value::Null {
            return Ok("'null'::pg_catalog.jsonb".to_owned());
        }
        // A table that was there before may have a type of its own for an enumeration.
        if let (true, Type::Enum { .. }, Value::String(said)) = (self.layout.adopted.is_some() && ty.admits(value), ty, value) {
            return Ok(text_of(said.as_str()));
        }
        literal(value, ty, Dialect::Postgres).map_err(|unfit| self.refuse(name, unfit.to_string()))
    }

    /// Says that a property does not go into the table.
    pub(crate) fn refuse(&self, name: &str, message: String) -> Error {
        let violations = vec![Violation { path: name.to_owned(), message }];
        Error::Refused(Refused::Invalid { version: self.at, violations })
    }
}
