//! What copies or blocks a table in MySQL and MariaDB.

use super::super::cursor::{Name, shown};
use super::super::form::{Action, ActionKind, Column, ConstraintKind, CreateTable, Dropped, Form, Type};
use super::super::rules::{
    COPYING, DDL_IN_TRANSACTION, ENUM_CHANGE, EXPRESSION_DEFAULT, FOREIGN_KEY_COPIES, INLINE_REFERENCES, INPLACE_LAG,
    MYSQL_REQUIRED, NO_ALGORITHM, NO_WAIT_TIMEOUT, REBUILD, SEVERAL_STATEMENTS, VARCHAR_GROWS,
};
use super::super::script::Statement;
use super::Look;
use crate::sql::Kind;

/// How many characters of utf8mb4 fit into 255 bytes.
const SHORT: u64 = 63;

impl Look<'_, '_, '_> {
    pub(super) fn mysql(&mut self, index: usize, statement: &Statement<'_, '_>) {
        let span = || statement.span.clone();
        match &statement.form {
            Form::CreateTable(table) => self.inline_references(table),
            Form::AlterTable { table, actions, .. } if !self.is_new(table) => {
                let option = |wanted: &str| {
                    actions.iter().find_map(|action| match &action.kind {
                        ActionKind::Algorithm(value) if wanted == "ALGORITHM" => Some(value.clone()),
                        ActionKind::Lock(value) if wanted == "LOCK" => Some(value.clone()),
                        _ => None,
                    })
                };
                self.algorithm(table, option("ALGORITHM").as_deref(), option("LOCK").as_deref(), statement);
                for action in actions {
                    self.mysql_action(table, action);
                }
            }
            Form::CreateIndex(create) if !self.is_new(&create.table) => {
                let after = |word: &str| {
                    let at = create.tail.iter().position(|token| token.is(word))?;
                    let value = create.tail[at + 1..].iter().find(|token| token.kind == Kind::Word)?;
                    Some(value.text.to_ascii_uppercase())
                };
                self.algorithm(&create.table, after("ALGORITHM").as_deref(), after("LOCK").as_deref(), statement);
            }
            _ => {}
        }
        let Some(table) = defines(&statement.form) else { return };
        if statement.transaction.is_some() {
            self.report(&DDL_IN_TRANSACTION, span(), &[]);
        }
        let earlier = self.script.statements[..index]
            .iter()
            .any(|s| s.piece.part == statement.piece.part && defines(&s.form).is_some() && !repeatable(&s.form));
        if earlier {
            self.report_once(&SEVERAL_STATEMENTS, span(), &[]);
        }
        let set = ["lock_wait_timeout", "session.lock_wait_timeout"].iter().any(|name| self.setting(name).is_some());
        if !self.context.lock_timeout && !set && !self.is_new(table) && !matches!(statement.form, Form::CreateTable(_)) {
            let table = table.shown.clone();
            self.report_once(&NO_WAIT_TIMEOUT, span(), &[("table", &table)]);
        }
    }

    fn algorithm(&mut self, table: &Name, algorithm: Option<&str>, lock: Option<&str>, statement: &Statement<'_, '_>) {
        let span = statement.span.clone();
        let copying = algorithm.filter(|value| *value == "COPY").map(|value| format!("ALGORITHM={value}"));
        let locking = lock.filter(|value| ["SHARED", "EXCLUSIVE"].contains(value)).map(|value| format!("LOCK={value}"));
        if let Some(value) = copying.or(locking) {
            self.report(&COPYING, span, &[("table", &table.shown), ("value", &value)]);
        } else if algorithm == Some("INPLACE") {
            self.report(&INPLACE_LAG, span, &[("table", &table.shown)]);
        } else if algorithm.is_none_or(|value| value == "DEFAULT") && lock != Some("NONE") {
            self.report(&NO_ALGORITHM, span, &[("table", &table.shown)]);
        }
    }

    fn mysql_action(&mut self, table: &Name, action: &Action<'_, '_>) {
        let span = action.span.clone();
        let rebuild = |what: &str| [("table", table.shown.clone()), ("what", what.to_owned())];
        let told = match &action.kind {
            ActionKind::AddColumn { column, .. } => return self.mysql_adds(table, column, &span),
            ActionKind::Modify { from, column } => return self.modifies(table, from, column, &span),
            ActionKind::ConvertCharset => rebuild("changing the character set"),
            ActionKind::DropPrimaryKey => rebuild("dropping the primary key"),
            ActionKind::AddConstraint(constraint) => match &constraint.kind {
                ConstraintKind::Primary(_) => rebuild("adding a primary key"),
                ConstraintKind::Foreign { .. } => {
                    let off = self.setting("foreign_key_checks").is_some_and(|value| value == "0" || value == "off");
                    if !off {
                        self.report(&FOREIGN_KEY_COPIES, span, &[("table", &table.shown)]);
                    }
                    return;
                }
                ConstraintKind::Unique(_) | ConstraintKind::Check(_) | ConstraintKind::Exclude | ConstraintKind::NotNull(_) => {
                    return;
                }
            },
            _ => return,
        };
        self.report(&REBUILD, span, &[("table", &told[0].1), ("what", &told[1].1)]);
    }

    fn mysql_adds(&mut self, table: &Name, column: &Column<'_, '_>, span: &std::ops::Range<usize>) {
        let default = column.default.map(shown).unwrap_or_default();
        let names =
            [("table", table.shown.as_str()), ("column", &column.name.shown), ("type", &column.ty.shown), ("value", &default)];
        if column.default.is_some_and(|tokens| tokens.first().is_some_and(|token| token.is_sign('('))) {
            self.report(&EXPRESSION_DEFAULT, span.clone(), &names);
        }
        if column.not_null && column.default.is_none() && column.generated.is_none() {
            self.report(&MYSQL_REQUIRED, span.clone(), &names);
        }
        if let Some(other) = &column.references {
            self.report(&INLINE_REFERENCES, span.clone(), &[("column", &column.name.shown), ("other", &other.shown)]);
        }
    }

    fn inline_references(&mut self, table: &CreateTable<'_, '_>) {
        for column in &table.columns {
            if let Some(other) = &column.references {
                self.report(&INLINE_REFERENCES, column.span.clone(), &[("column", &column.name.shown), ("other", &other.shown)]);
            }
        }
    }

    fn modifies(&mut self, table: &Name, from: &Name, column: &Column<'_, '_>, span: &std::ops::Range<usize>) {
        let old = self.known.column_type(&table.key, &from.key).cloned();
        let names = [("table", table.shown.as_str()), ("column", &from.shown), ("value", "63")];
        let length = |ty: &Type| ty.arguments.first().and_then(|text| text.parse::<u64>().ok());
        match old {
            Some(old) if old.base == column.ty.base && old.arguments == column.ty.arguments => {}
            Some(old) if old.base == "varchar" && column.ty.base == "varchar" && length(&old) <= length(&column.ty) => {
                if length(&old) <= Some(SHORT) && length(&column.ty) > Some(SHORT) {
                    self.report(&VARCHAR_GROWS, span.clone(), &names);
                }
            }
            Some(old) if old.base == "enum" && column.ty.base == "enum" && column.ty.arguments.starts_with(&old.arguments) => {}
            _ if column.ty.base == "enum" => self.report(&ENUM_CHANGE, span.clone(), &names),
            _ => {
                let what = format!("changing `{}` to {}", from.shown, column.ty.shown);
                self.report(&REBUILD, span.clone(), &[("table", &table.shown), ("what", &what)]);
            }
        }
    }
}

/// The table or the like whose definition a statement changes, which commits at once.
fn defines<'f>(form: &'f Form<'_, '_>) -> Option<&'f Name> {
    match form {
        Form::CreateTable(table) => Some(&table.name),
        Form::CreateIndex(create) => Some(&create.table),
        Form::AlterTable { table, .. } | Form::Drop { what: Dropped::Index, on: Some(table), .. } => Some(table),
        Form::RenameTables(pairs) => pairs.first().map(|(from, _)| from),
        Form::Drop { what: Dropped::Table, names, .. } | Form::Truncate { tables: names, .. } => names.first(),
        Form::CreateTrigger { table, .. } => table.as_ref(),
        _ => None,
    }
}

/// Whether doing it again does no harm.
fn repeatable(form: &Form<'_, '_>) -> bool {
    match form {
        Form::CreateTable(table) => table.again,
        Form::CreateIndex(create) => create.again,
        Form::Drop { if_exists, .. } => *if_exists,
        Form::CreateTrigger { again, .. } => *again,
        Form::AlterTable { actions, .. } => actions.iter().all(|action| match &action.kind {
            ActionKind::AddColumn { again, .. }
            | ActionKind::DropColumn { again, .. }
            | ActionKind::DropConstraint { again, .. } => *again,
            ActionKind::Algorithm(_) | ActionKind::Lock(_) => true,
            _ => false,
        }),
        _ => false,
    }
}
