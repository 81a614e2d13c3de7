//! Where the values of nodes lie in a row, and how they get there.

use std::collections::BTreeMap;

use coeval_core::history::{LineageId, NodeId, Time};
use coeval_core::schema::Type;
use coeval_plan::table::{Held, Spot, Table, View, elements_signature};

use super::{Compute, Shape, Values, json};
use crate::dialect::Dialect;
use crate::expr::Local;
use crate::name::ident;
use crate::types::{from_json, to_json};

/// Who wrote a row: the version, and the names of the row as it is written and as it was.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Writer<'w> {
    pub(crate) view: &'w View,
    pub(crate) new: &'w str,
    pub(crate) old: Option<&'w str>,
    /// What was kept of the row when columns of it were dropped.
    pub(crate) kept: Option<&'w Archived>,
}

/// What was kept of a row beside the values of nodes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Archived {
    /// Of objects that lay in no column, by their lineages: a JSON object of what is not declared in them.
    pub(crate) extras: BTreeMap<LineageId, String>,
    /// Of lists and maps, by the column and the node: as it was then, in the shape of the writer's version and in that of the column.
    pub(crate) elements: BTreeMap<(usize, NodeId), (String, String)>,
}

/// An object in which things may lie that are not declared.
struct OpenObject<'t> {
    /// Where it lies in the column.
    own: &'t Spot,
    /// What the column's moment declares in it.
    here: Vec<String>,
    /// Where the writer has it, and what the writer's version declares in it.
    source: Option<(&'t Spot, Vec<String>)>,
}

/// Returns the column of a row (`NEW`, `OLD`, an alias).
pub(crate) fn column(table: &Table<'_>, at: usize, row: &str) -> String {
    format!("{row}.{}", ident(&table.columns[at].name))
}

impl Compute<'_, '_> {
    /// The column that alone holds a node, as it is computed with.
    pub(crate) fn direct(&self, node: NodeId) -> Option<usize> {
        match self.table.homes(node) {
            [spot] if spot.path.is_empty() => {
                let column = &self.table.columns[spot.column];
                let known = &self.scope().nodes[node];
                let whole = known.lineage.is_none();
                // A version that hides the node has it in the shape of its birth or of its end.
                let (held, first, last) = (self.held_shape(node, spot.column), known.born, known.nearest(Time::MAX));
                let same = held == self.shape_at(node, first) && held == self.shape_at(node, last);
                (whole && same && column.is_json() == self.is_json(node)).then_some(spot.column)
            }
            _ => None,
        }
    }

    /// What tells the shapes of a list or map from one another; `None` where it has one shape always.
    fn shape_at(&self, node: NodeId, time: Time) -> Option<String> {
        elements_signature(self.scope(), node, self.scope().nodes[node].nearest(time))
    }

    /// The shape of a list or map in a column.
    fn held_shape(&self, node: NodeId, column: usize) -> Option<String> {
        self.shape_at(node, self.table.time_of(column, node))
    }

    /// The places of a node in columns that have values.
    fn places(&self, node: NodeId) -> impl Iterator<Item = &Spot> {
        self.table.homes(node).iter().filter(|spot| self.present.is_none_or(|present| present.contains(&spot.column)))
    }

    /// The value of a node in a row, in the shape that it has for a version: what the version shows, or where it lies else; `None`
    /// where it lies nowhere.
    pub(crate) fn of_row(&self, node: NodeId, view: &View, row: &str) -> Result<Option<String>, Local> {
        let wanted = self.shape_at(node, view.time);
        let shown = self.table.spot(view, node);
        let fits = || self.places(node).find(|spot| self.held_shape(node, spot.column) == wanted);
        let Some(spot) = shown.or_else(fits).or_else(|| self.places(node).next()) else { return Ok(None) };
        let value = self.stored(node, spot.column, &spot.path, row);
        let from = self.scope().nodes[node].nearest(self.table.time_of(spot.column, node));
        self.reshaped(node, from, view.time, &value, None).map(Some)
    }

    /// A list or map in a row, in the shape of a moment, where a column has it so.
    pub(crate) fn in_shape(&self, node: NodeId, time: Time, row: &str) -> Option<String> {
        self.scope().nodes[node].elements.as_ref()?;
        let wanted = self.shape_at(node, time);
        let spot = self.places(node).find(|spot| self.held_shape(node, spot.column) == wanted)?;
        Some(self.stored(node, spot.column, &spot.path, row))
    }

    /// A node's value in a column of a row, as it is computed with.
    pub(crate) fn stored(&self, node: NodeId, at: usize, path: &[String], row: &str) -> String {
        let whole = column(self.table, at, row);
        let known = &self.table.columns[at];
        let value = if path.is_empty() {
            match (known.is_json(), self.is_json(node)) {
                (false, true) => self.lifted_as(&whole, &known.property.ty, known.property.nullable),
                (true, _) | (_, false) => whole,
            }
        } else {
            path.iter().fold(whole, |object, name| json::member(&object, name, self.dialect))
        };
        // Of an object only whether it is there; what lies in it has values of its own.
        if self.scope().nodes[node].lineage.is_none() {
            return value;
        }
        let (object, empty) = (json::is_object(&value, self.dialect), json::empty(self.dialect));
        format!("CASE WHEN {object} THEN {empty} ELSE {value} END")
    }

    /// A native value as JSON, NULL being absence, or null where the property admits that.
    pub(crate) fn lifted_as(&self, native: &str, ty: &Type, nullable: bool) -> String {
        let lifted = to_json(native, ty, self.dialect).unwrap_or_else(|| native.to_owned());
        let null = if nullable { json::null(self.dialect) } else { "NULL" };
        match (self.dialect, nullable) {
            (Dialect::Postgres, false) => lifted,
            (Dialect::Postgres | Dialect::Sqlite, _) => format!("CASE WHEN {native} IS NULL THEN {null} ELSE {lifted} END"),
        }
    }

    /// What a column holds when nodes have these values; `None` for a column that holds no node.
    pub(crate) fn kept(&self, at: usize, values: &dyn Values, writer: &Writer<'_>) -> Result<Option<String>, Local> {
        let column = &self.table.columns[at];
        Ok(match column.held {
            Held::Hidden { node, time, .. } => {
                let (ty, known) = (&column.property.ty, &self.scope().nodes[node]);
                let (before, from) = (self.before(writer, at, node)?, known.nearest(writer.view.time));
                let is_new = values.is_new(node);
                let value = self.continued_shape(node, (from, time), &values.value(node), before, is_new)?;
                Some(if self.is_json(node) { value } else { self.lifted_as(&value, ty, column.property.nullable) })
            }
            Held::Shown { node, time } => Some(if self.is_json(node) && !column.is_json() {
                let value = json::without_null(&values.value(node), self.dialect);
                // Every type that is native in a column has been made JSON by the same dialect before.
                from_json(&value, &column.property.ty, self.dialect).unwrap_or(value)
            } else {
                let undeclared = |node| self.undeclared(writer, at, node);
                let before = |node| self.before(writer, at, node).ok().flatten();
                let shape = Shape { from: writer.view.time, to: time, undeclared: &undeclared, before: &before };
                self.gather(&self.scope().tree(node, time), values, &shape)?
            }),
            Held::Failed { .. } | Held::Unfit { .. } | Held::Id => None,
        })
    }

    /// A list or map as it was, in the shape of the writer's version and in that of a column.
    fn before(&self, writer: &Writer<'_>, at: usize, node: NodeId) -> Result<Option<(String, String)>, Local> {
        if let Some(kept) = writer.kept {
            return Ok(kept.elements.get(&(at, node)).cloned());
        }
        let own = self.table.homes(node).iter().find(|spot| spot.column == at);
        let (Some(old), Some(own), true) = (writer.old, own, self.scope().nodes[node].elements.is_some()) else {
            return Ok(None);
        };
        let from = self.of_row(node, writer.view, old)?;
        let to = own.path.iter().fold(column(self.table, at, old), |object, name| json::member(&object, name, self.dialect));
        Ok(from.map(|from| (from, to)))
    }

    /// What the writer's version and the moment of a column have in an object of the column, where things may lie in it that
    /// neither declares: the names that the column's moment has, those that the writer's has, and where the writer has the object.
    fn open_object(&self, writer: &Writer<'_>, at: usize, node: NodeId) -> Option<OpenObject<'_>> {
        let scope = self.scope();
        let Held::Shown { time, .. } = self.table.columns[at].held else { return None };
        let Type::Object(properties) = &scope.nodes[node].property(time).ty else { return None };
        if !properties.additional {
            return None;
        }
        let names_in = |node: NodeId, time| -> Vec<String> {
            scope.children(Some(node), time).iter().map(|child| scope.nodes[*child].place(time).name.clone()).collect()
        };
        let lineage = scope.nodes[node].lineage;
        let order = self.table.order(writer.view);
        let source = order.shown.iter().copied().find(|shown| scope.nodes[*shown].lineage == lineage);
        let source = source.and_then(|source| Some((source, self.table.spot(writer.view, source)?)));
        let source = source.map(|(source, spot)| (spot, names_in(source, writer.view.time)));
        let own = self.table.homes(node).iter().find(|spot| spot.column == at)?;
        Some(OpenObject { own, here: names_in(node, time), source })
    }

    /// What lies at a place of a row, as JSON.
    fn place(&self, spot: &Spot, row: &str) -> String {
        let column = column(self.table, spot.column, row);
        spot.path.iter().fold(column, |object, name| json::member(&object, name, self.dialect))
    }

    /// What a writer's row has in an object of a column beside what is declared.
    pub(crate) fn written_undeclared(&self, writer: &Writer<'_>, at: usize, node: NodeId, row: &str) -> Option<String> {
        let OpenObject { here, source, .. } = self.open_object(writer, at, node)?;
        let (spot, there) = source?;
        let declared: Vec<String> = there.iter().chain(here.iter().filter(|name| !there.contains(name))).cloned().collect();
        Some(json::without(&self.place(spot, row), &declared, self.dialect))
    }

    /// What is not declared in an object of a column that the writer does not show: what it wrote beside what its version
    /// declares, and, where there was a row before, what it could not see.
    fn undeclared(&self, writer: &Writer<'_>, at: usize, node: NodeId) -> Option<String> {
        let lineage = self.scope().nodes[node].lineage;
        let kept = lineage.and_then(|lineage| writer.kept?.extras.get(&lineage));
        let kept = kept.zip(self.open_object(writer, at, node)).map(|(kept, open)| json::without(kept, &open.here, self.dialect));
        match (kept, self.undeclared_of_row(writer, at, node)) {
            (Some(kept), Some(own)) => Some(json::merge(&kept, &own, self.dialect)),
            (kept, own) => kept.or(own),
        }
    }

    /// What is not declared in an object of a column, as the row has it; `None` where nothing can be.
    pub(crate) fn undeclared_in_column(&self, at: usize, node: NodeId, row: &str) -> Option<String> {
        let Held::Shown { time, .. } = self.table.columns[at].held else { return None };
        let (scope, spot) = (self.scope(), self.table.homes(node).iter().find(|spot| spot.column == at)?);
        let Type::Object(properties) = &scope.nodes[node].property(time).ty else { return None };
        let declared = scope.children(Some(node), time);
        let declared: Vec<String> = declared.iter().map(|child| scope.nodes[*child].place(time).name.clone()).collect();
        properties.additional.then(|| json::without(&self.place(spot, row), &declared, self.dialect))
    }

    /// As [`Compute::undeclared`], of what the row tells.
    fn undeclared_of_row(&self, writer: &Writer<'_>, at: usize, node: NodeId) -> Option<String> {
        let OpenObject { own, here, source } = self.open_object(writer, at, node)?;
        let kept = writer.old.map(|old| json::without(&self.place(own, old), &here, self.dialect));
        let Some((spot, there)) = source else { return kept };
        let written = self.written_undeclared(writer, at, node, writer.new)?;
        let (Some(kept), Some(old)) = (kept, writer.old) else { return Some(written) };
        let seen = json::without(&self.place(spot, old), &there, self.dialect);
        let unseen = json::without_those_of(&kept, &seen, self.dialect);
        Some(json::merge(&unseen, &written, self.dialect))
    }
}
