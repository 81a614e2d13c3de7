//! INSTEAD OF triggers on the view of a version: rules R1 and R2 for that version, statement by statement.
//!
//! A trigger of SQLite has no variables, and a statement in it no common table expression. So the row is calculated in a table of
//! its own, in which a write has two rows: what the record was (`o`) and what becomes of it (`n`). There is one writer at a time, and
//! the table is empty again when a trigger ends. Hidden nodes are computed one after the other, each from those before it.

mod guard;
mod put;
mod write;

use std::collections::{BTreeMap, BTreeSet};

use coeval_core::Value;
use coeval_core::history::{Gate, Hidden, NodeId, Order, Time};
use coeval_core::schema::Type;
use coeval_plan::table::{Demand, Held, Table, View};

use super::Names;
use crate::compute::{Compute, Computed, Values, is_json, json};
use crate::dialect::Dialect;
use crate::expr::Local;
use crate::expr::sqlite::fits;
use crate::literal::{Unfit, literal};
use crate::name::{ident, string};
use crate::types::{KeyType, column_type, facet_check};

/// What writes through the view of a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Writing {
    /// Tables that the triggers look things up in, complete statements that change nothing where they were run before.
    pub lookups: Vec<String>,
    /// The triggers, complete statements.
    pub statements: Vec<String>,
    /// The columns that the calculation needs beside those of the base table, as they are; none where nothing is calculated.
    pub scratch: BTreeSet<String>,
    /// What the database cannot compute: the node, and why. A write that would need it is refused.
    pub local: Vec<(NodeId, Local)>,
    /// What it can compute for some values only; a write of others is refused.
    pub partly: BTreeSet<NodeId>,
}

/// Renders the triggers of a version's view. `present` are the columns that the base table has.
///
/// # Errors
/// A default that no column can hold.
pub fn triggers(
    table: &Table<'_>,
    view: &View,
    present: &BTreeSet<usize>,
    names: &Names,
    keys: KeyType<'_>,
) -> Result<Writing, Unfit> {
    let compute = Compute::new(table, Dialect::Sqlite, names, keys).among(present).partly();
    let lookups = compute.lookups().map_err(|local| Unfit(local.reason))?;
    let mut writer = Writer::new(compute, view, present, names);
    let insert = writer.insert()?;
    let update = writer.update()?;
    let key = writer.key();
    let delete = format!("  DELETE FROM {} WHERE {key};\n{}", names.table(), writer.forget(None));
    let trigger = |event: &str, body: &str| {
        let (name, of) = (ident(&Names::trigger(view, &event.to_lowercase())), ident(&Names::view(view)));
        format!("CREATE TRIGGER {name} INSTEAD OF {event} ON {of} BEGIN\n{body}END")
    };
    let statements = vec![
        trigger("INSERT", &(writer.carried(false) + &insert)),
        trigger("UPDATE", &(writer.carried(true) + &update)),
        trigger("DELETE", &delete),
    ];
    Ok(Writing { lookups, statements, scratch: writer.slots, local: writer.local, partly: writer.partly })
}

/// Returns the definitions of the columns of the table in which the triggers of several views calculate; the first is its key.
pub fn scratch_columns(table: &Table<'_>, present: &BTreeSet<usize>, slots: &BTreeSet<String>, keys: KeyType<'_>) -> Vec<String> {
    let mut out = vec![format!("{} INTEGER PRIMARY KEY", ident(&format!("{}side", prefix(table))))];
    for at in present {
        let column = &table.columns[*at];
        // Of the same type as in the base table, so that what is written is compared as it will lie there.
        let kind = match column.held {
            Held::Hidden { .. } => "TEXT".to_owned(),
            Held::Shown { .. } | Held::Failed { .. } | Held::Unfit { .. } | Held::Id => {
                column_type(&column.property.ty, keys, Dialect::Sqlite)
            }
        };
        out.push(format!("{} {kind}", ident(&column.name)));
    }
    out.extend(slots.iter().map(|slot| ident(slot)));
    out
}

/// What names of the calculation begin with, and no column does.
fn prefix(table: &Table<'_>) -> String {
    let mut prefix = String::from("~");
    while table.columns.iter().any(|column| column.name.starts_with(&prefix)) {
        prefix.push('~');
    }
    prefix
}

/// Which of the two rows: what the record was, or what becomes of it; or each for itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Row {
    Old,
    New,
    Own,
}

/// The triggers of one view.
struct Writer<'c, 'h> {
    compute: Compute<'c, 'h>,
    view: &'c View,
    present: &'c BTreeSet<usize>,
    names: &'c Names,
    prefix: String,
    order: std::sync::Arc<Order>,
    /// The nodes that the columns which the version does not show follow from.
    wanted: BTreeSet<NodeId>,
    /// Whether there is a row that was there before.
    is_update: bool,
    /// The conditions on which a write changes a node, or computes it anew.
    dirty: BTreeMap<NodeId, BTreeSet<String>>,
    slots: BTreeSet<String>,
    /// The nodes whose values the database cannot tell from the columns.
    blind: BTreeMap<NodeId, Local>,
    local: Vec<(NodeId, Local)>,
    partly: BTreeSet<NodeId>,
}

/// The values of a row.
struct At<'w, 'c, 'h>(&'w Writer<'c, 'h>, Row);

impl Values for At<'_, '_, '_> {
    fn value(&self, node: NodeId) -> String {
        self.0.value(node, self.1)
    }

    fn failed(&self, node: NodeId) -> Option<String> {
        let column = self.0.failed_column(node).filter(|_| self.0.order.index[node].is_some())?;
        Some(format!("({}.{column} IS 1)", self.0.scratch()))
    }

    fn before(&self, node: NodeId, to: Time) -> Option<(String, String)> {
        let (scratch, side) = (self.0.scratch(), self.0.side());
        let was = |value: String| format!("(SELECT {value} FROM {scratch} AS o WHERE o.{side} = 0)");
        let shaped = self.0.compute.in_shape(node, to, "o").filter(|_| self.1 == Row::Own && self.0.is_update)?;
        Some((was(self.0.value(node, Row::Old)), was(shaped)))
    }

    fn is_new(&self, node: NodeId) -> Option<String> {
        self.0.order.index[node]?;
        let Some(flags) = self.0.dirty.get(&node).filter(|flags| !flags.is_empty()) else { return Some("0".to_owned()) };
        let flags: Vec<String> = flags.iter().cloned().collect();
        let row = match self.1 {
            Row::Own => self.0.scratch(),
            Row::New => "n".to_owned(),
            Row::Old => return None,
        };
        Some(format!("({})", flags.join(" OR ").replace(&format!("{}.", self.0.scratch()), &format!("{row}."))))
    }
}

impl<'c, 'h> Writer<'c, 'h> {
    fn new(compute: Compute<'c, 'h>, view: &'c View, present: &'c BTreeSet<usize>, names: &'c Names) -> Self {
        let table = compute.table;
        let order = table.order(view);
        let mut writer = Self {
            prefix: prefix(table),
            compute,
            view,
            present,
            names,
            wanted: BTreeSet::new(),
            order,
            is_update: false,
            dirty: BTreeMap::new(),
            slots: BTreeSet::new(),
            blind: BTreeMap::new(),
            local: Vec::new(),
            partly: BTreeSet::new(),
        };
        writer.wanted = writer.wanted();
        writer
    }

    fn table(&self) -> &'c Table<'h> {
        self.compute.table
    }

    fn is_shown(&self, at: usize) -> bool {
        self.view.entries.iter().any(|(_, column)| *column == at)
    }

    /// The columns that the base table has and the version does not show.
    fn unseen(&self) -> Vec<usize> {
        self.present.iter().copied().filter(|at| !self.is_shown(*at)).collect()
    }

    fn wanted(&self) -> BTreeSet<NodeId> {
        let mut open: Vec<NodeId> = Vec::new();
        for at in self.unseen() {
            match self.table().columns[at].held {
                Held::Shown { node, time } => self.table().scope().tree(node, time).nodes(&mut open),
                Held::Hidden { node, .. } | Held::Failed { node } => open.push(node),
                Held::Unfit { node, time } => {
                    open.push(node);
                    open.extend(Demand::of(self.table().scope(), node, time).within);
                }
                Held::Id => {}
            }
        }
        let mut wanted = BTreeSet::new();
        while let Some(node) = open.pop() {
            if wanted.insert(node)
                && let Some(at) = self.order.index[node]
            {
                let hidden = &self.order.hidden[at];
                open.extend(&hidden.deps);
                open.extend(hidden.gate.iter().flat_map(Gate::deps));
            }
        }
        wanted
    }

    /// The hidden nodes that are computed, each after those that it is computed from.
    fn computed(&self) -> Vec<usize> {
        (0..self.order.hidden.len()).filter(|at| self.wanted.contains(&self.order.hidden[*at].node)).collect()
    }

    fn direct(&self, node: NodeId) -> Option<usize> {
        self.compute.direct(node).filter(|at| self.present.contains(at))
    }

    fn slot_name(&self, node: NodeId) -> String {
        format!("{}n{node}", self.prefix)
    }

    /// The column of the calculation that holds a node.
    fn slot(&mut self, node: NodeId) -> String {
        if let Some(at) = self.direct(node) {
            ident(&self.table().columns[at].name)
        } else {
            let name = self.slot_name(node);
            self.slots.insert(name.clone());
            ident(&name)
        }
    }

    fn value(&self, node: NodeId, row: Row) -> String {
        let column = self.direct(node).map_or_else(|| self.slot_name(node), |at| self.table().columns[at].name.clone());
        self.at(row, &column)
    }

    /// A column of a row of the calculation.
    fn at(&self, row: Row, column: &str) -> String {
        let row = match row {
            Row::Old => "o".to_owned(),
            Row::New => "n".to_owned(),
            Row::Own => self.scratch(),
        };
        format!("{row}.{}", ident(column))
    }

    /// A column of the calculation beside those of nodes, such as a flag.
    fn extra(&mut self, kind: char, node: NodeId) -> String {
        let name = format!("{}{kind}{node}", self.prefix);
        self.slots.insert(name.clone());
        name
    }

    /// Where a node's value lies before anything is computed.
    fn home(&self, node: NodeId) -> Option<(usize, Vec<String>)> {
        let shown = self.table().spot(self.view, node);
        let spot = shown.or_else(|| self.table().homes(node).iter().find(|spot| self.present.contains(&spot.column)))?;
        Some((spot.column, spot.path.clone()))
    }

    fn scratch(&self) -> String {
        ident(&self.names.scratch())
    }

    fn side(&self) -> String {
        ident(&format!("{}side", self.prefix))
    }

    /// The condition that a row of the base table is the one that is written.
    fn key(&self) -> String {
        let name_of = |at: usize| self.view.entries.iter().find(|(_, column)| *column == at).map(|(name, _)| name.as_str());
        let part = |at: usize| {
            let column = &self.table().columns[at].name;
            format!("{} = OLD.{}", ident(column), ident(name_of(at).unwrap_or(column)))
        };
        let parts: Vec<String> = self.table().key().into_iter().map(part).collect();
        if parts.is_empty() { "0".to_owned() } else { parts.join(" AND ") }
    }

    /// Forgets what the archive has of a record that goes, or gets another key: nothing of it comes back with a new one.
    fn forget(&self, changed: Option<&str>) -> String {
        let of = |at: usize| {
            let name = self.view.entries.iter().find(|(_, column)| *column == at).map(|(name, _)| name.as_str());
            format!("OLD.{}", ident(name.unwrap_or(&self.table().columns[at].name)))
        };
        let key: Vec<String> = self.table().key().into_iter().map(|at| format!("CAST({} AS TEXT)", of(at))).collect();
        let condition = changed.map(|changed| format!(" AND ({changed})")).unwrap_or_default();
        format!(
            "  DELETE FROM {ARCHIVE} WHERE base = {} AND key = json_array({}){condition};\n",
            text(self.names.base()),
            key.join(", ")
        )
    }

    /// What a column is given by an INSERT: its default where it is left out, or NULL, which looks the same.
    fn given(&self, name: &str, at: usize, insert: bool) -> Result<String, Unfit> {
        let column = &self.table().columns[at];
        let new = format!("NEW.{}", ident(name));
        let new = if column.is_json() { format!("iif(json_valid({new}), json({new}), {new})") } else { new };
        if !insert {
            return Ok(new);
        }
        if column.held == Held::Id {
            return Ok(format!("coalesce({new}, {UUID})"));
        }
        let property = self.table().model(self.view).and_then(|model| model.properties.get(name));
        match property.and_then(|property| property.default.as_ref()) {
            Some(Value::Null) if column.is_json() => Ok(format!("coalesce({new}, {})", json::null(Dialect::Sqlite))),
            None | Some(Value::Null) => Ok(new),
            Some(default) => {
                let ty = if column.is_json() { &Type::Json } else { &column.property.ty };
                Ok(format!("coalesce({new}, {})", literal(default, ty, Dialect::Sqlite)?))
            }
        }
    }

    /// Refuses what the version does not admit, with the name of the property.
    fn refusals(&self, insert: bool) -> String {
        let mut cases = Vec::new();
        let Some(model) = self.table().model(self.view) else { return String::new() };
        for (name, at) in &self.view.entries {
            let column = &self.table().columns[*at];
            let own = format!("n.{}", ident(&column.name));
            let Some(property) = model.properties.get(name) else { continue };
            let called = format!("{}.{name}", Names::view(self.view));
            let is_json = is_json(&property.ty);
            let numbered = insert && self.names.numbers(&column.name);
            if property.required && (!property.nullable || is_json) && !numbered {
                let what = if insert { "is required" } else { "must not be NULL" };
                cases.push(format!("WHEN {own} IS NULL THEN RAISE(ABORT, {})", text(&format!("{called} {what}"))));
            }
            if let Some(check) = facet_check(&own, property, Dialect::Sqlite) {
                let check = if is_json && property.nullable && property.ty != Type::Json {
                    format!("({own} IS {} OR {check})", json::null(Dialect::Sqlite))
                } else {
                    check
                };
                let message = format!("{called} must be {}", kind(&property.ty));
                cases.push(format!("WHEN NOT {check} THEN RAISE(ABORT, {})", text(&message)));
            }
        }
        if cases.is_empty() {
            return String::new();
        }
        format!("  SELECT CASE {} END FROM {} AS n WHERE n.{} = 1;\n", cases.join(" "), self.scratch(), self.side())
    }

    /// Sets a column of one row, from that row alone. No parenthesis more than needed: older parsers have little room.
    fn set(&self, new: bool, column: &str, value: &str, condition: Option<&str>) -> String {
        let and = condition.map(|condition| format!(" AND ({condition})")).unwrap_or_default();
        let (scratch, side) = (self.scratch(), self.side());
        format!("  UPDATE {scratch} SET {column} = {value} WHERE {side} = {}{and};\n", u8::from(new))
    }

    /// Sets columns of the new row by looking at both.
    fn compare(&self, sets: &[(String, String)]) -> String {
        if sets.is_empty() {
            return String::new();
        }
        let (names, values): (Vec<&str>, Vec<&str>) = sets.iter().map(|(name, value)| (name.as_str(), value.as_str())).unzip();
        format!(
            "  UPDATE {0} SET ({1}) = (SELECT {2} FROM {3}) WHERE {4} = 1;\n",
            self.scratch(),
            names.join(", "),
            values.join(", "),
            self.rows(),
            self.side()
        )
    }

    /// Both rows; at a birth there is no old one.
    fn rows(&self) -> String {
        let (scratch, side) = (self.scratch(), self.side());
        format!("{scratch} AS n LEFT JOIN {scratch} AS o ON o.{side} = 0 WHERE n.{side} = 1")
    }

    /// Puts the nodes that have no column of their own into theirs, in both rows.
    fn take(&mut self) -> String {
        let is_read = |node: &NodeId| self.is_update || self.order.index[*node].is_none();
        let nodes: Vec<NodeId> =
            self.wanted.iter().copied().filter(|node| self.direct(*node).is_none() && is_read(node)).collect();
        let (scratch, mut sets) = (self.scratch(), Vec::new());
        for node in nodes {
            match self.compute.of_row(node, self.view, &scratch) {
                Ok(Some(value)) if !fits(&value) => drop(self.blind.insert(node, too_deep())),
                Ok(Some(value)) => sets.push(format!("{} = {value}", self.slot(node))),
                Ok(None) => {}
                Err(local) => drop(self.blind.insert(node, local)),
            }
        }
        if sets.is_empty() { String::new() } else { format!("  UPDATE {scratch} SET {};\n", sets.join(", ")) }
    }

    /// Computes a node from the row that it lies in.
    fn calc(&mut self, hidden: &Hidden) -> Result<Computed, Local> {
        let mut sources = hidden.deps.iter().copied().chain(hidden.gate.iter().flat_map(Gate::deps));
        if let Some(local) = sources.find_map(|source| self.blind.get(&source)) {
            return Err(local.clone());
        }
        let computed = self.compute.calc(&self.order, hidden, &At(self, Row::Own))?;
        if !fits(&computed.sql) || !computed.failed.iter().all(|failed| fits(failed)) {
            return Err(too_deep());
        }
        if computed.sql.contains(LOCAL) {
            self.partly.insert(hidden.node);
        }
        Ok(computed)
    }

    /// The condition that one holds of the new row, for statements on the old one.
    fn where_new(&self, condition: &str) -> String {
        let (scratch, side) = (self.scratch(), self.side());
        let condition = condition.replace(&format!("{scratch}."), "x.");
        format!("EXISTS (SELECT 1 FROM {scratch} AS x WHERE x.{side} = 1 AND ({condition}))")
    }

    fn failed_column(&self, node: NodeId) -> Option<String> {
        let at = self.present.iter().find(|at| self.table().columns[**at].held == Held::Failed { node })?;
        Some(ident(&self.table().columns[*at].name))
    }

    fn column_list(&self, columns: impl Iterator<Item = usize>) -> String {
        columns.map(|at| ident(&self.table().columns[at].name)).collect::<Vec<_>>().join(", ")
    }
}

/// What a view says that refuses a write since the database cannot compute what follows from it.
pub const LOCAL: &str = "SQLite cannot compute";

/// What SQLite says where it has no room for a number that is computed with.
pub const NO_ROOM: &str = "the number has too many digits for SQLite";

/// The table in which is kept what dropped columns held.
const ARCHIVE: &str = "coeval_keep";

/// Why a text is left to the engine that older releases could not read.
fn too_deep() -> Local {
    Local::new("it is nested too deeply for older releases of SQLite", &(0..0))
}

/// A random UUID.
const UUID: &str = "lower(hex(randomblob(4)) || '-' || hex(randomblob(2)) || '-4' || substr(hex(randomblob(2)), 2) || '-' || \
     substr('89ab', 1 + (random() & 3), 1) || substr(hex(randomblob(2)), 2) || '-' || hex(randomblob(6)))";

fn text(value: &str) -> String {
    string(value, Dialect::Sqlite)
}

/// What values of a type are, as people call them.
fn kind(ty: &Type) -> String {
    match ty {
        Type::Enum { values } => format!("one of {}", values.join(", ")),
        Type::Object(_) | Type::Map { .. } => "a JSON object".to_owned(),
        Type::Array { .. } => "a JSON list".to_owned(),
        Type::Json => "JSON text".to_owned(),
        Type::Number | Type::Decimal { .. } => format!("a {} as text, without trailing zeros", ty.name()),
        Type::Datetime => "a datetime as text, in UTC with `Z`".to_owned(),
        Type::String
        | Type::Integer
        | Type::Float
        | Type::Boolean
        | Type::Date
        | Type::Time
        | Type::Uuid
        | Type::Bytes
        | Type::Ref { .. }
        | Type::Union { .. } => format!("of type {}", ty.name()),
    }
}
