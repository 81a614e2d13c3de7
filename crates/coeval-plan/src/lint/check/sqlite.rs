//! What SQLite refuses, and how its tables are rebuilt.

use super::super::cursor::{Name, shown};
use super::super::form::{Action, ActionKind, Column, Dropped, Form, Generated};
use super::super::rules::{
    DEFERRED, DROP_COLUMN_IN_USE, DROP_COLUMN_REWRITES, KEYS_IN_TRANSACTION, NO_BUSY_TIMEOUT, NOT_IN_ALTER, OLD_RENAMED,
    REBUILD_KEYS_ON, REBUILD_OUTSIDE, REBUILD_UNCHECKED, SQLITE_DEFAULT, SQLITE_REQUIRED,
};
use super::super::script::Statement;
use super::Look;
use super::remove::renamed;
use crate::sql::{Kind, Token};

impl Look<'_, '_, '_> {
    pub(super) fn sqlite(&mut self, index: usize, statement: &Statement<'_, '_>) {
        let span = || statement.span.clone();
        match &statement.form {
            Form::AlterTable { table, actions, .. } => {
                for action in actions {
                    self.sqlite_action(index, table, action, statement);
                }
            }
            Form::Pragma { name, .. } if name == "foreign_keys" && statement.transaction.is_some() => {
                self.report(&KEYS_IN_TRANSACTION, span(), &[]);
            }
            Form::Begin { immediate: false } if self.reads_first(index) => {
                self.report(&DEFERRED, span(), &[]);
            }
            Form::Drop { what: Dropped::Table, names, .. } => self.rebuilds(index, names, statement),
            _ => {}
        }
        let waits = self.context.lock_timeout || self.setting("busy_timeout").is_some_and(|value| value != "0");
        let begins =
            matches!(statement.form, Form::Begin { .. }) && self.script.of_transaction(index).any(|(_, s)| writes(&s.form));
        if (writes(&statement.form) || begins) && !waits {
            self.report_once(&NO_BUSY_TIMEOUT, span(), &[]);
        }
    }

    /// Whether a transaction reads, and writes later: only then its write does not wait for others.
    fn reads_first(&self, begin: usize) -> bool {
        let mut inside =
            self.script.of_transaction(begin).skip_while(|(_, s)| !matches!(s.form, Form::Select) && !writes(&s.form));
        inside.next().is_some_and(|(_, s)| matches!(s.form, Form::Select)) && inside.any(|(_, s)| writes(&s.form))
    }

    fn sqlite_action(&mut self, index: usize, table: &Name, action: &Action<'_, '_>, statement: &Statement<'_, '_>) {
        let span = action.span.clone();
        let cannot = match &action.kind {
            ActionKind::AddColumn { column, .. } => return self.sqlite_adds(table, column, &span),
            ActionKind::DropColumn { name, .. } => {
                let names = [("table", table.shown.as_str()), ("column", &name.shown)];
                match self.known.user(&table.key, &name.key) {
                    Some(what) => self.report(&DROP_COLUMN_IN_USE, span, &[names[0], names[1], ("what", what)]),
                    None => self.report(&DROP_COLUMN_REWRITES, span, &names),
                }
                return;
            }
            ActionKind::RenameTo(to) => {
                let created = |form: &Form<'_, '_>| matches!(form, Form::CreateTable(t) if t.name.key == table.key);
                let anew = self.script.statements[index + 1..]
                    .iter()
                    .any(|s| created(&s.form) || renamed(&s.form).any(|(_, to)| to.key == table.key));
                if anew && !self.is_new(table) {
                    self.report(&OLD_RENAMED, statement.span.clone(), &[("table", &table.shown), ("other", &to.shown)]);
                }
                return;
            }
            ActionKind::SetType { .. } | ActionKind::Modify { .. } => "change the type of a column",
            ActionKind::SetNotNull(_) | ActionKind::DropNotNull(_) => "change whether a column accepts NULL",
            ActionKind::SetDefault => "change a default",
            ActionKind::AddConstraint(_) | ActionKind::Validate(_) | ActionKind::AddIndex => "add a constraint or index",
            ActionKind::DropConstraint { .. } | ActionKind::DropPrimaryKey => "drop a constraint or key",
            ActionKind::RenameColumn { .. } => return,
            ActionKind::RenameConstraint
            | ActionKind::Attach { .. }
            | ActionKind::Detach { .. }
            | ActionKind::ConvertCharset
            | ActionKind::Algorithm(_)
            | ActionKind::Lock(_)
            | ActionKind::Light
            | ActionKind::Other => "do this",
        };
        self.report(&NOT_IN_ALTER, span, &[("what", cannot), ("table", &table.shown)]);
    }

    fn sqlite_adds(&mut self, table: &Name, column: &Column<'_, '_>, span: &std::ops::Range<usize>) {
        let default = column.default.map(shown).unwrap_or_default();
        let names = [("table", table.shown.as_str()), ("column", &column.name.shown), ("value", &default)];
        let null = column.default.is_none_or(|tokens| tokens.first().is_some_and(|token| token.is("NULL")));
        let cannot = if column.primary || column.unique {
            Some("add a column of a key")
        } else if column.generated == Some(Generated::Stored) {
            Some("add a stored generated column")
        } else {
            None
        };
        if let Some(what) = cannot {
            self.report(&NOT_IN_ALTER, span.clone(), &[names[0], ("what", what)]);
        } else if column.not_null && null && column.generated.is_none() {
            self.report(&SQLITE_REQUIRED, span.clone(), &names);
        } else if column.default.is_some_and(|tokens| !is_constant(tokens)) {
            self.report(&SQLITE_DEFAULT, span.clone(), &names);
        }
    }

    /// A table that is dropped, whose name a copy then gets.
    fn rebuilds(&mut self, index: usize, names: &[Name], statement: &Statement<'_, '_>) {
        let later = &self.script.statements[index + 1..];
        for name in names {
            if self.is_new(name) || !later.iter().any(|s| renamed(&s.form).any(|(_, to)| to.key == name.key)) {
                continue;
            }
            let span = statement.span.clone();
            let named = [("table", name.shown.as_str())];
            if !self.setting("foreign_keys").is_some_and(|value| ["off", "0", "false", "no"].contains(&value)) {
                self.report(&REBUILD_KEYS_ON, span.clone(), &named);
            }
            let checks = |form: &Form<'_, '_>| matches!(form, Form::Pragma { name, .. } if name == "foreign_key_check");
            if !later.iter().any(|s| checks(&s.form)) {
                self.report(&REBUILD_UNCHECKED, span.clone(), &named);
            }
            if statement.transaction.is_none() {
                self.report(&REBUILD_OUTSIDE, span, &named);
            }
        }
    }
}

/// Whether a default is the same for every row, as SQLite sees it: no expression in parentheses, no current time.
fn is_constant(default: &[Token<'_>]) -> bool {
    let inside = match default {
        [first, inside @ .., last] if first.is_sign('(') && last.is_sign(')') => inside,
        other => other,
    };
    let current = ["CURRENT_TIMESTAMP", "CURRENT_DATE", "CURRENT_TIME"];
    !inside.iter().any(|token| token.is_sign('(') || current.iter().any(|word| token.is(word)) || token.kind == Kind::Quoted)
}

/// Whether a statement writes to the database.
fn writes(form: &Form<'_, '_>) -> bool {
    match form {
        Form::CreateTable(_)
        | Form::CreateIndex(_)
        | Form::CreateOther { .. }
        | Form::CreateTrigger { .. }
        | Form::AlterTable { .. }
        | Form::Drop { .. }
        | Form::Change(_)
        | Form::Insert { .. }
        | Form::Vacuum
        | Form::VacuumFull { .. }
        | Form::Reindex { .. } => true,
        Form::CreateDomain { .. }
        | Form::AlterDomain { .. }
        | Form::AddEnumValue { .. }
        | Form::RenameEnumValue { .. }
        | Form::RenameType { .. }
        | Form::RenameSchema { .. }
        | Form::AlterIndexRename
        | Form::RenameTables(_)
        | Form::Truncate { .. }
        | Form::Lock(_)
        | Form::Cluster { .. }
        | Form::Set { .. }
        | Form::Pragma { .. }
        | Form::Begin { .. }
        | Form::Commit
        | Form::Rollback
        | Form::Grant { .. }
        | Form::Code
        | Form::Client
        | Form::Select
        | Form::Other => false,
    }
}
