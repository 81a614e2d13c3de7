//! What is known of a database when a text is looked through: from the texts that came before it, and from its own statements.

use std::collections::{BTreeMap, BTreeSet};

use super::form::{Action, ActionKind, Column, ConstraintKind, Form, Type};
use super::script::Script;
use crate::sql::{SqlDialect, Token, pieces};

/// What is known before a text is looked through. The default knows nothing.
#[derive(Debug, Clone, Default)]
pub struct Context {
    /// Whether whoever runs the text bounds the waiting for locks.
    pub lock_timeout: bool,
    /// Whether whoever runs the text records that it did, and never runs it again.
    pub ledger: bool,
    pub(super) known: Known,
    undone: BTreeSet<(String, String)>,
}

impl Context {
    /// Takes note that what comes next undoes a text: to drop what that one added is what it is for.
    pub fn undo(&mut self, text: &str, dialect: SqlDialect) {
        let (pieces, _) = pieces(text, dialect);
        for statement in &Script::read(&pieces, dialect).statements {
            match &statement.form {
                Form::CreateTable(table) => drop(self.undone.insert(pair(&table.name.key, ""))),
                Form::AlterTable { table, actions, .. } => {
                    for action in actions {
                        if let ActionKind::AddColumn { column, .. } = &action.kind {
                            self.undone.insert(pair(&table.key, &column.name.key));
                        }
                    }
                }
                _ => {}
            }
        }
    }

    /// Returns whether the text that is undone created a table, or added a column of it.
    pub(super) fn added(&self, table: &str, column: &str) -> bool {
        self.undone.contains(&pair(table, column))
    }

    /// Takes note of what a text declares, for those that are run after it.
    pub fn learn(&mut self, text: &str, dialect: SqlDialect) {
        let (pieces, _) = pieces(text, dialect);
        for statement in &Script::read(&pieces, dialect).statements {
            self.known.learn(&statement.form);
        }
    }
}

/// Columns, keys and constraints, by the names of their tables.
#[derive(Debug, Clone, Default)]
pub(super) struct Known {
    types: BTreeMap<(String, String), Type>,
    keys: BTreeSet<(String, String)>,
    indexed: BTreeMap<(String, String), &'static str>,
    /// CHECKs that are not validated yet, by table and name, and the columns that they prove not to be NULL.
    pending: BTreeMap<(String, String), Vec<String>>,
    never_null: BTreeSet<(String, String)>,
    checked: BTreeSet<String>,
}

impl Known {
    pub(super) fn column_type(&self, table: &str, column: &str) -> Option<&Type> {
        self.types.get(&pair(table, column))
    }

    pub(super) fn is_key(&self, table: &str, column: &str) -> bool {
        self.keys.contains(&pair(table, column))
    }

    /// Returns what uses a column, so that it cannot be dropped.
    pub(super) fn user(&self, table: &str, column: &str) -> Option<&'static str> {
        self.indexed.get(&pair(table, column)).copied()
    }

    /// Returns whether a validated CHECK proves that a column is never NULL.
    pub(super) fn is_never_null(&self, table: &str, column: &str) -> bool {
        self.never_null.contains(&pair(table, column))
    }

    /// Returns whether a table has a validated CHECK.
    pub(super) fn is_checked(&self, table: &str) -> bool {
        self.checked.contains(table)
    }

    pub(super) fn learn(&mut self, form: &Form<'_, '_>) {
        match form {
            Form::CreateTable(table) => {
                for column in &table.columns {
                    self.column(&table.name.key, column);
                }
                for constraint in &table.constraints {
                    let (key, columns) = match &constraint.kind {
                        ConstraintKind::Primary(columns) => (true, columns),
                        ConstraintKind::Unique(columns) => (false, columns),
                        ConstraintKind::Foreign { .. }
                        | ConstraintKind::Check(_)
                        | ConstraintKind::Exclude
                        | ConstraintKind::NotNull(_) => continue,
                    };
                    for column in columns {
                        self.used(&table.name.key, column, key);
                    }
                }
            }
            Form::CreateIndex(index) => {
                for column in &index.columns {
                    self.indexed.entry(pair(&index.table.key, column)).or_insert("an index holds it");
                }
            }
            Form::AlterTable { table, actions, .. } => {
                for action in actions {
                    self.action(&table.key, action);
                }
            }
            _ => {}
        }
    }

    fn column(&mut self, table: &str, column: &Column<'_, '_>) {
        self.types.insert(pair(table, &column.name.key), column.ty.clone());
        if column.primary || column.unique {
            self.used(table, &column.name.key, column.primary);
        }
    }

    fn used(&mut self, table: &str, column: &str, key: bool) {
        let what = if key { "it belongs to the primary key" } else { "it is UNIQUE" };
        self.indexed.insert(pair(table, column), what);
        if key {
            self.keys.insert(pair(table, column));
        }
    }

    fn action(&mut self, table: &str, action: &Action<'_, '_>) {
        match &action.kind {
            ActionKind::AddColumn { column, .. } | ActionKind::Modify { column, .. } => self.column(table, column),
            ActionKind::SetType { column, ty, .. } => drop(self.types.insert(pair(table, &column.key), ty.clone())),
            ActionKind::RenameColumn { from, to: Some(to) } => {
                if let Some(ty) = self.types.remove(&pair(table, &from.key)) {
                    self.types.insert(pair(table, &to.key), ty);
                }
            }
            ActionKind::AddConstraint(constraint) => {
                let columns = match &constraint.kind {
                    ConstraintKind::Check(tokens) => never_null(tokens),
                    ConstraintKind::NotNull(column) => column.iter().map(|name| name.key.clone()).collect(),
                    ConstraintKind::Unique(_)
                    | ConstraintKind::Primary(_)
                    | ConstraintKind::Foreign { .. }
                    | ConstraintKind::Exclude => return,
                };
                match &constraint.name {
                    Some(name) if constraint.not_valid => drop(self.pending.insert(pair(table, &name.key), columns)),
                    _ => self.proved(table, &columns),
                }
            }
            ActionKind::Validate(name) => {
                if let Some(columns) = self.pending.remove(&pair(table, &name.key)) {
                    self.proved(table, &columns);
                }
            }
            _ => {}
        }
    }

    fn proved(&mut self, table: &str, columns: &[String]) {
        self.checked.insert(table.to_owned());
        self.never_null.extend(columns.iter().map(|column| pair(table, column)));
    }
}

fn pair(table: &str, column: &str) -> (String, String) {
    (table.to_owned(), column.to_owned())
}

/// The columns that a condition proves not to be NULL: `c IS NOT NULL`, alone or joined by AND.
fn never_null(tokens: &[Token<'_>]) -> Vec<String> {
    let mut out = Vec::new();
    if tokens.iter().any(|token| token.is("OR")) {
        return out;
    }
    for part in tokens.split(|token| token.is("AND")) {
        let part: Vec<&Token<'_>> = part.iter().filter(|token| !token.is_sign('(') && !token.is_sign(')')).collect();
        if let [column, is, not, null] = part[..]
            && is.is("IS")
            && not.is("NOT")
            && null.is("NULL")
        {
            out.extend(super::cursor::Cursor::new(&[*column]).ident().map(|name| name.key));
        }
    }
    out
}
