//! What a statement does to the transaction it stands in, in PostgreSQL: locks, how long they are waited for and held.

use super::super::cursor::Name;
use super::super::form::{ActionKind, Dropped, Form};
use super::super::rules::{
    CONCURRENTLY_IN_TRANSACTION, ENUM_IN_TRANSACTION, ENUM_WITH_OTHERS, LEFT_OPEN, LONG_LOCK_TIMEOUT, MIXED, NO_LOCK_TIMEOUT,
    SEVERAL_LOCKS, TRIGGER,
};
use super::super::script::Statement;
use super::Look;
use crate::sql::Kind;

impl Look<'_, '_, '_> {
    pub(super) fn transactions(&mut self, index: usize, statement: &Statement<'_, '_>) {
        let span = || statement.span.clone();
        if let Form::Begin { .. } = statement.form
            && !self.script.is_ended(index)
        {
            self.report(&LEFT_OPEN, span(), &[]);
        }
        self.timeouts(statement);
        self.triggers(statement);
        let Some(transaction) = statement.transaction else { return };
        if let Some(what) = fails_in_transaction(&statement.form) {
            self.report(&CONCURRENTLY_IN_TRANSACTION, span(), &[("name", what)]);
        }
        self.enum_values(index, transaction, statement);
        let before: Vec<&Statement<'_, '_>> =
            self.script.of_transaction(transaction).filter(|(i, _)| *i < index).map(|(_, statement)| statement).collect();
        // Tables that the text creates before this point are nobody's yet.
        let held: Vec<&Name> = before.iter().flat_map(|s| locked(&s.form)).filter(|name| !self.new.contains(&name.key)).collect();
        let mine = locked(&statement.form).into_iter().find(|name| !self.new.contains(&name.key));
        if let Some(mine) = mine
            && let Some(other) = held.iter().find(|name| name.key != mine.key)
            && !held.iter().any(|name| name.key == mine.key)
        {
            let names = [("table", mine.shown.as_str()), ("other", &other.shown)];
            self.report(&SEVERAL_LOCKS, span(), &names);
        }
        let writes = match &statement.form {
            Form::Change(change) => Some(&change.table),
            Form::Insert { table: Some(table) } => Some(table),
            _ => None,
        };
        if let (Some(written), Some(changed)) = (writes, held.first())
            && !self.new.contains(&written.key)
        {
            let changed = changed.shown.clone();
            self.report(&MIXED, span(), &[("table", &changed)]);
        }
    }

    fn timeouts(&mut self, statement: &Statement<'_, '_>) {
        if let Form::Set { name, value, .. } = &statement.form
            && name == "lock_timeout"
            && milliseconds(&value.concat()).is_some_and(|wait| wait > 1000)
        {
            let shown = value.concat();
            self.report(&LONG_LOCK_TIMEOUT, statement.span.clone(), &[("value", shown.trim_matches('\''))]);
        }
        let set = self.setting("lock_timeout").is_some_and(|value| milliseconds(value) != Some(0) && value != "default");
        if self.context.lock_timeout || set {
            return;
        }
        let table = locked(&statement.form).into_iter().find(|name| !self.new.contains(&name.key)).map(|name| name.shown.clone());
        if let Some(table) = table {
            self.report_once(&NO_LOCK_TIMEOUT, statement.span.clone(), &[("table", &table)]);
        }
    }

    fn triggers(&mut self, statement: &Statement<'_, '_>) {
        let (what, table) = match &statement.form {
            Form::CreateTrigger { table: Some(table), .. } => ("creating", table),
            Form::Drop { what: Dropped::Trigger, on: Some(table), .. } => ("dropping", table),
            _ => return,
        };
        let changes = |s: &Statement<'_, '_>| match &s.form {
            Form::AlterTable { table: other, actions, .. } => {
                let column = |kind: &ActionKind<'_, '_>| {
                    matches!(
                        kind,
                        ActionKind::AddColumn { .. }
                            | ActionKind::DropColumn { .. }
                            | ActionKind::RenameColumn { .. }
                            | ActionKind::SetType { .. }
                            | ActionKind::RenameTo(_)
                    )
                };
                other.key == table.key && actions.iter().any(|action| column(&action.kind))
            }
            _ => false,
        };
        let together = statement.transaction.is_some_and(|t| self.script.of_transaction(t).any(|(_, s)| changes(s)));
        if !together && !self.is_new(table) {
            self.report(&TRIGGER, statement.span.clone(), &[("what", what), ("table", &table.shown)]);
        }
    }

    fn enum_values(&mut self, index: usize, transaction: usize, statement: &Statement<'_, '_>) {
        let Form::AddEnumValue { name, value, .. } = &statement.form else { return };
        let mut others = self.script.of_transaction(transaction).filter(|(i, _)| *i != index).peekable();
        let alone = others.peek().is_none();
        let used = others.any(|(i, s)| i > index && s.piece.tokens.iter().any(|t| t.kind == Kind::String && t.text == value));
        let names = [("name", name.shown.as_str()), ("value", value)];
        if used {
            self.report(&ENUM_IN_TRANSACTION, statement.span.clone(), &names);
        } else if !alone {
            self.report(&ENUM_WITH_OTHERS, statement.span.clone(), &names);
        }
    }
}

/// What fails inside of a transaction.
pub(in crate::lint) fn fails_in_transaction(form: &Form<'_, '_>) -> Option<&'static str> {
    match form {
        Form::CreateIndex(create) if create.concurrently => Some("CREATE INDEX CONCURRENTLY"),
        Form::Drop { what: Dropped::Index, concurrently: true, .. } => Some("DROP INDEX CONCURRENTLY"),
        Form::Reindex { concurrently: true, .. } => Some("REINDEX CONCURRENTLY"),
        Form::Vacuum | Form::VacuumFull { .. } => Some("VACUUM"),
        Form::AlterTable { actions, .. } => {
            let detach = |kind: &ActionKind<'_, '_>| matches!(kind, ActionKind::Detach { concurrently: true, .. });
            actions.iter().any(|action| detach(&action.kind)).then_some("DETACH PARTITION … CONCURRENTLY")
        }
        Form::Drop { what: Dropped::Database, .. } => Some("DROP DATABASE"),
        _ => None,
    }
}

/// The tables that a statement locks so that writes or reads stand still.
fn locked<'f>(form: &'f Form<'_, '_>) -> Vec<&'f Name> {
    match form {
        Form::CreateIndex(create) if !create.concurrently => vec![&create.table],
        Form::AlterTable { table, actions, .. } => {
            let light = |kind: &ActionKind<'_, '_>| {
                matches!(kind, ActionKind::Validate(_) | ActionKind::Light | ActionKind::Detach { concurrently: true, .. })
            };
            let strong = actions.iter().any(|action| !light(&action.kind));
            let referred = actions.iter().filter_map(|action| match &action.kind {
                ActionKind::AddConstraint(constraint) => match &constraint.kind {
                    super::super::form::ConstraintKind::Foreign { references, .. } => references.as_ref(),
                    _ => None,
                },
                ActionKind::AddColumn { column, .. } => column.references.as_ref(),
                _ => None,
            });
            if strong { std::iter::once(table).chain(referred).collect() } else { Vec::new() }
        }
        Form::Drop { what: Dropped::Table | Dropped::Index, names, concurrently: false, .. } => names.iter().collect(),
        Form::Drop { what: Dropped::Trigger, on: Some(table), .. } | Form::CreateTrigger { table: Some(table), .. } => {
            vec![table]
        }
        Form::Truncate { tables, .. } | Form::Lock(tables) => tables.iter().collect(),
        Form::VacuumFull { name: Some(name) }
        | Form::Cluster { name: Some(name) }
        | Form::Reindex { name: Some(name), concurrently: false } => {
            vec![name]
        }
        _ => Vec::new(),
    }
}

/// How long a setting is, in milliseconds: `200ms`, `'5s'`, `1min`, a number of milliseconds.
fn milliseconds(value: &str) -> Option<u64> {
    let value = value.trim_matches('\'').trim();
    let digits = value.find(|c: char| !c.is_ascii_digit()).unwrap_or(value.len());
    let number: u64 = value[..digits].parse().ok()?;
    let unit = match value[digits..].trim() {
        "" | "ms" => 1,
        "s" => 1000,
        "min" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    number.checked_mul(unit)
}
