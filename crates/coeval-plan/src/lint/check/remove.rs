//! What takes something away from those who use it: drops, renames, and changes of all rows at once.

use super::super::cursor::{Cursor, Name};
use super::super::form::{ActionKind, Change, Dropped, Form};
use super::super::rules::{
    CASCADE, DROP_COLUMN, DROP_DATABASE, DROP_SCHEMA, DROP_TABLE, RENAME_COLUMN, RENAME_TABLE, SWAP, UPDATE_ALL,
};
use super::super::script::Statement;
use super::Look;
use crate::sql::{Kind, SqlDialect, Token};

impl Look<'_, '_, '_> {
    pub(super) fn removes(&mut self, index: usize, statement: &Statement<'_, '_>) {
        let span = || statement.span.clone();
        match &statement.form {
            Form::AlterTable { table, actions, .. } if !self.is_new(table) || self.was_swapped(table) => {
                for action in actions {
                    match &action.kind {
                        ActionKind::DropColumn { name, cascade, .. } => {
                            let names = [("table", table.shown.as_str()), ("column", &name.shown)];
                            if !self.context.added(&table.key, &name.key) {
                                self.report(&DROP_COLUMN, action.span.clone(), &names);
                            }
                            self.cascades(cascade.as_ref(), &name.shown);
                        }
                        ActionKind::DropConstraint { name, cascade, .. } => self.cascades(cascade.as_ref(), &name.shown),
                        ActionKind::RenameColumn { from, to: Some(to) } => {
                            let names = [("table", table.shown.as_str()), ("column", &from.shown), ("other", &to.shown)];
                            self.report(&RENAME_COLUMN, action.span.clone(), &names);
                        }
                        ActionKind::RenameTo(to) => self.renames(index, table, to, statement),
                        _ => {}
                    }
                }
            }
            Form::AlterTable { table, actions, .. } => {
                for action in actions {
                    if let ActionKind::RenameTo(to) = &action.kind {
                        self.swaps(index, table, to, statement);
                    }
                }
            }
            Form::RenameTables(pairs) => {
                for (from, to) in pairs {
                    self.renames(index, from, to, statement);
                }
            }
            Form::Drop { what, names, cascade, .. } => {
                let all: Vec<&str> = names.iter().map(|name| name.shown.as_str()).collect();
                let name = all.join(", ");
                match what {
                    Dropped::Table if self.is_rebuilt(index, names) => {}
                    Dropped::Table => {
                        for name in names {
                            if !self.is_new(name) && !self.context.added(&name.key, "") {
                                let place = if names.len() == 1 { span() } else { name.span.clone() };
                                self.report(&DROP_TABLE, place, &[("name", &name.shown)]);
                            }
                        }
                    }
                    Dropped::Schema if self.dialect() == SqlDialect::MySql => {
                        self.report(&DROP_DATABASE, span(), &[("name", &name)]);
                    }
                    Dropped::Schema => self.report(&DROP_SCHEMA, span(), &[("name", &name)]),
                    Dropped::Database => self.report(&DROP_DATABASE, span(), &[("name", &name)]),
                    Dropped::Index | Dropped::Trigger | Dropped::Other(_) => {}
                }
                self.cascades(cascade.as_ref(), &name);
            }
            Form::Change(change) if !self.is_new(&change.table) && !self.is_bounded(change) => {
                let names = [("word", change.word), ("table", change.table.shown.as_str())];
                self.report(&UPDATE_ALL, statement.span.clone(), &names);
            }
            _ => {}
        }
    }

    fn cascades(&mut self, cascade: Option<&std::ops::Range<usize>>, name: &str) {
        if self.dialect() == SqlDialect::Postgres
            && let Some(span) = cascade
        {
            self.report(&CASCADE, span.clone(), &[("name", &format!("`{name}`"))]);
        }
    }

    fn renames(&mut self, index: usize, table: &Name, to: &Name, statement: &Statement<'_, '_>) {
        let rest = &self.script.statements[index + 1..];
        // A view of the old name keeps programs going; in a swap, the new table takes the name.
        let view = rest.iter().any(
            |s| matches!(&s.form, Form::CreateOther { what, name: Some(name), .. } if what == "VIEW" && name.key == table.key),
        );
        if !view && !self.is_taken_over(table) {
            let names = [("table", table.shown.as_str()), ("other", &to.shown)];
            self.report(&RENAME_TABLE, statement.span.clone(), &names);
        }
        self.swaps(index, table, to, statement);
    }

    /// Tells of a table that takes the place of another one without what belongs to it.
    fn swaps(&mut self, index: usize, table: &Name, to: &Name, statement: &Statement<'_, '_>) {
        if self.dialect() != SqlDialect::Postgres || !self.is_renamed_away(index, to) {
            return;
        }
        let granted = self.script.statements.iter().any(|s| {
            let on = |name: &Name| name.key == to.key || name.key == table.key;
            matches!(&s.form, Form::Grant { on: Some(name) } if on(name))
        });
        if !granted {
            self.report(&SWAP, statement.span.clone(), &[("table", &to.shown), ("other", &table.shown)]);
        }
    }

    /// Whether an earlier statement took the name away from another table.
    fn is_renamed_away(&self, index: usize, name: &Name) -> bool {
        self.script.statements[..index].iter().any(|s| renamed(&s.form).any(|(from, _)| from.key == name.key))
    }

    /// Whether another table is renamed to this name somewhere in the text.
    fn is_taken_over(&self, name: &Name) -> bool {
        self.script.statements.iter().any(|s| renamed(&s.form).any(|(_, to)| to.key == name.key))
    }

    fn was_swapped(&self, table: &Name) -> bool {
        self.is_new(table) && self.is_taken_over(table) && self.script.dialect != SqlDialect::Sqlite
    }

    /// Whether these tables are dropped to make place for a copy: `SQLite`'s rebuild.
    fn is_rebuilt(&self, index: usize, names: &[Name]) -> bool {
        let rest = &self.script.statements[index + 1..];
        self.dialect() == SqlDialect::Sqlite
            && names.iter().all(|name| rest.iter().any(|s| renamed(&s.form).any(|(_, to)| to.key == name.key)))
    }

    /// Whether a change takes few rows: a limit, or a key compared with something that is no column.
    fn is_bounded(&self, change: &Change<'_, '_>) -> bool {
        let Some(condition) = change.condition else { return change.limited };
        change.limited
            || (0..condition.len())
                .any(|at| self.bounds(&change.table, &condition[at..], at.checked_sub(1).map(|b| &condition[b])))
    }

    fn bounds(&self, table: &Name, tokens: &[Token<'_>], before: Option<&Token<'_>>) -> bool {
        let mut cursor = Cursor::new(tokens);
        if before.is_some_and(|token| token.is_sign('.')) {
            return false;
        }
        let Some(name) = cursor.name() else { return false };
        let column = name.key.rsplit('.').next().unwrap_or_default();
        let like_key = ["id", "key", "pk", "ctid", "rowid", "uuid", "_rowid_"].contains(&column)
            || column.ends_with("_id")
            || column.ends_with("_key")
            || self.known.is_key(&table.key, column);
        if !like_key {
            return false;
        }
        if cursor.eat("IN") || cursor.eat("BETWEEN") {
            return !cursor.parens().is_some_and(|inside| inside.iter().any(|token| token.is("SELECT")));
        }
        let mut compared = false;
        while cursor.eat_sign('=') || cursor.eat_sign('<') || cursor.eat_sign('>') {
            compared = true;
        }
        compared && cursor.peek().is_some_and(|token| !matches!(token.kind, Kind::Word | Kind::Quoted))
    }
}

/// The tables that a statement renames.
pub(super) fn renamed<'f>(form: &'f Form<'_, '_>) -> Box<dyn Iterator<Item = (&'f Name, &'f Name)> + 'f> {
    match form {
        Form::AlterTable { table, actions, .. } => Box::new(actions.iter().filter_map(move |action| match &action.kind {
            ActionKind::RenameTo(to) => Some((table, to)),
            _ => None,
        })),
        Form::RenameTables(pairs) => Box::new(pairs.iter().map(|(from, to)| (from, to))),
        _ => Box::new(std::iter::empty()),
    }
}
