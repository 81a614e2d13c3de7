//! How columns are declared in PostgreSQL, in new tables too: types that are regretted later, names that are cut.

use super::super::cursor::Name;
use super::super::form::{ActionKind, Column, ConstraintKind, CreateTable, Form, Type};
use super::super::rules::{CHAR_TYPE, INTEGER_KEY, JSON_COLUMN, LONG_NAME, NOT_IDEMPOTENT, SERIAL, TIMESTAMP, VARCHAR_LIMIT};
use super::super::script::Statement;
use super::Look;
use crate::sql::Kind;

impl Look<'_, '_, '_> {
    pub(super) fn declares(&mut self, statement: &Statement<'_, '_>) {
        match &statement.form {
            Form::CreateTable(table) => self.declares_table(table),
            Form::AlterTable { actions, .. } => {
                for action in actions {
                    match &action.kind {
                        ActionKind::AddColumn { column, .. } => self.style(&column.name, &column.ty),
                        ActionKind::SetType { column, ty, .. } => self.style(column, ty),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
        self.long_names(statement);
        self.repeatable(statement);
    }

    fn declares_table(&mut self, table: &CreateTable<'_, '_>) {
        for column in &table.columns {
            self.style(&column.name, &column.ty);
            let listed = table.constraints.iter().any(|constraint| {
                matches!(&constraint.kind, ConstraintKind::Primary(columns) if *columns == [column.name.key.clone()])
            });
            let small = ["integer", "smallint", "serial", "smallserial"].contains(&column.ty.base.as_str());
            // What refers to another table is as wide as that one's key.
            if (column.primary || listed) && small && column.references.is_none() {
                let names = [("column", column.name.shown.as_str()), ("table", &table.name.shown)];
                self.report(&INTEGER_KEY, place(column), &names);
            } else if column.ty.base.ends_with("serial") {
                let names = [("column", column.name.shown.as_str()), ("type", &column.ty.shown)];
                self.report(&SERIAL, place(column), &names);
            }
        }
    }

    fn style(&mut self, name: &Name, ty: &Type) {
        let span = name.span.start..ty.span.end.max(name.span.end);
        let rule = match ty.base.as_str() {
            "json" | "json[]" => &JSON_COLUMN,
            "char" => &CHAR_TYPE,
            "varchar" if !ty.arguments.is_empty() => &VARCHAR_LIMIT,
            "timestamp" => &TIMESTAMP,
            _ => return,
        };
        let limit = ty.arguments.first().map_or("", String::as_str);
        self.report(rule, span, &[("column", &name.shown), ("value", limit)]);
    }

    fn long_names(&mut self, statement: &Statement<'_, '_>) {
        if matches!(statement.form, Form::Code | Form::Client | Form::Set { .. }) {
            return;
        }
        for token in &statement.piece.tokens {
            let name = token.text.trim_matches('"');
            if matches!(token.kind, Kind::Word | Kind::Quoted) && name.len() > 63 {
                let names = [("name", name), ("value", &*name.len().to_string())];
                self.report(&LONG_NAME, token.start..token.end(), &names);
            }
        }
    }

    /// What fails when a file that stopped halfway is run again.
    fn repeatable(&mut self, statement: &Statement<'_, '_>) {
        if self.context.ledger || statement.transaction.is_some() {
            return;
        }
        let (name, instead) = match &statement.form {
            Form::CreateTable(table) if !table.again => (table.name.shown.clone(), "CREATE TABLE IF NOT EXISTS …"),
            Form::CreateIndex(index) if !index.again && index.name.is_some() => {
                (index.name.as_ref().map_or_else(String::new, |name| name.shown.clone()), "CREATE INDEX … IF NOT EXISTS …")
            }
            Form::Drop { names, if_exists: false, .. } => {
                (names.first().map_or_else(String::new, |name| name.shown.clone()), "DROP … IF EXISTS …")
            }
            Form::AlterTable { actions, .. } => {
                let once = actions.iter().find_map(|action| match &action.kind {
                    ActionKind::AddColumn { column, again: false } => {
                        Some((column.name.shown.clone(), "ADD COLUMN IF NOT EXISTS …"))
                    }
                    ActionKind::DropColumn { name, again: false, .. } => Some((name.shown.clone(), "DROP COLUMN IF EXISTS …")),
                    _ => None,
                });
                let Some(once) = once else { return };
                once
            }
            _ => return,
        };
        self.report(&NOT_IDEMPOTENT, statement.span.clone(), &[("name", &format!("`{name}`")), ("value", instead)]);
    }
}

/// The name and the type of a column.
fn place(column: &Column<'_, '_>) -> std::ops::Range<usize> {
    column.name.span.start..column.ty.span.end.max(column.name.span.end)
}
