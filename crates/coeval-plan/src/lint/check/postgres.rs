//! What blocks or rewrites a table in PostgreSQL.

use super::super::Level;
use super::super::cursor::{Name, shown};
use super::super::form::{Action, ActionKind, Column, Constraint, ConstraintKind, Dropped, Form, Generated, Type};
use super::super::rules::{
    ADD_CHECK, ADD_FOREIGN, ADD_PRIMARY, ADD_UNIQUE, ALTER_DOMAIN, ATTACH, CLUSTER, CREATE_INDEX, DETACH, DOMAIN_CONSTRAINT,
    DROP_INDEX, DROP_NOT_NULL, ENUM_ORDER, EXCLUDE, INDEX_GAP, KEY_TYPE_CHANGE, REINDEX, RENAME_ENUM_VALUE, RENAME_SCHEMA,
    RENAME_TYPE, REQUIRED_COLUMN, SERIAL_ADDED, SET_NOT_NULL, STORED_GENERATED, TRUNCATE_CASCADE, TYPE_CHANGE, VACUUM_FULL,
    VALIDATE_TOO_SOON, VOLATILE_DEFAULT,
};
use super::super::script::Statement;
use super::Look;
use super::types::{is_volatile, is_wide, same_storage};

impl Look<'_, '_, '_> {
    pub(super) fn postgres(&mut self, index: usize, statement: &Statement<'_, '_>) {
        self.declares(statement);
        let span = || statement.span.clone();
        match &statement.form {
            Form::CreateIndex(create) if !self.is_new(&create.table) => {
                let name = create.name.as_ref();
                if !create.concurrently {
                    let unique = if create.unique { "UNIQUE " } else { "" };
                    let shown = name.map_or_else(String::new, |name| format!("{} ", name.shown));
                    self.report(
                        &CREATE_INDEX,
                        span(),
                        &[("table", &create.table.shown), ("unique", unique), ("name", &shown), ("on", &create.on)],
                    );
                }
                let dropped = |form: &Form<'_, '_>| match form {
                    Form::Drop { what: Dropped::Index, names, .. } => names.iter().any(|n| Some(&n.key) == name.map(|n| &n.key)),
                    _ => false,
                };
                if let Some(name) = name.filter(|_| self.script.statements[..index].iter().any(|s| dropped(&s.form))) {
                    self.report(&INDEX_GAP, span(), &[("name", &name.shown), ("table", &create.table.shown)]);
                }
            }
            Form::Drop { what: Dropped::Index, names, concurrently: false, .. } if !self.is_new_index(index, names) => {
                let names: Vec<&str> = names.iter().map(|name| name.shown.as_str()).collect();
                self.report(&DROP_INDEX, span(), &[("name", &names.join(", "))]);
            }
            Form::Reindex { name, concurrently: false } => self.report(&REINDEX, span(), &[("name", or_all(name.as_ref()))]),
            Form::AlterTable { table, actions, .. } if !self.is_new(table) => {
                for action in actions {
                    self.alters(index, table, action, statement);
                }
            }
            Form::CreateDomain { name: Some(name), constraint: Some(at) } => {
                self.report(&DOMAIN_CONSTRAINT, at.clone(), &[("name", &name.shown)]);
            }
            Form::AlterDomain { name, constraint: true, not_valid: false } => {
                self.report(&ALTER_DOMAIN, span(), &[("name", &name.shown)]);
            }
            Form::AddEnumValue { name, value, placed: false } => {
                self.report(&ENUM_ORDER, span(), &[("name", &name.shown), ("value", value)]);
            }
            Form::RenameEnumValue { name } => self.report(&RENAME_ENUM_VALUE, span(), &[("name", &name.shown)]),
            Form::RenameType { name } => self.report(&RENAME_TYPE, span(), &[("name", &name.shown)]),
            Form::RenameSchema { name } => self.report(&RENAME_SCHEMA, span(), &[("name", &name.shown)]),
            Form::Truncate { tables, cascade: Some(_) } => {
                let names: Vec<&str> = tables.iter().map(|name| name.shown.as_str()).collect();
                self.report(&TRUNCATE_CASCADE, span(), &[("name", &names.join(", "))]);
            }
            Form::VacuumFull { name } => self.report(&VACUUM_FULL, span(), &[("name", or_all(name.as_ref()))]),
            Form::Cluster { name } => self.report(&CLUSTER, span(), &[("name", or_all(name.as_ref()))]),
            _ => {}
        }
    }

    /// Whether all these indexes were created in this text, on tables that it created.
    fn is_new_index(&self, index: usize, names: &[Name]) -> bool {
        names.iter().all(|name| {
            self.script.statements[..index].iter().any(|s| match &s.form {
                Form::CreateIndex(create) => {
                    create.name.as_ref().is_some_and(|n| n.key == name.key) && self.is_new(&create.table)
                }
                _ => false,
            })
        })
    }

    fn alters(&mut self, index: usize, table: &Name, action: &Action<'_, '_>, statement: &Statement<'_, '_>) {
        let on = |column: &Name| {
            [
                ("table", table.shown.clone()),
                ("column", column.shown.clone()),
                ("bare", bare(table)),
                ("plain", column.key.clone()),
            ]
        };
        let span = action.span.clone();
        match &action.kind {
            ActionKind::AddColumn { column, .. } => self.adds_column(table, column, &span),
            ActionKind::AddConstraint(constraint) => self.adds_constraint(table, constraint),
            ActionKind::SetNotNull(column) if !self.known.is_never_null(&table.key, &column.key) => {
                self.report(&SET_NOT_NULL, span, &borrowed(&on(column)));
            }
            ActionKind::DropNotNull(column) => self.report(&DROP_NOT_NULL, span, &borrowed(&on(column))),
            ActionKind::SetType { column, ty, using } => self.changes_type(table, column, ty, *using, span),
            ActionKind::Validate(name) => {
                let added = |form: &Form<'_, '_>| {
                    match form {
                    Form::AlterTable { table: other, actions, .. } => {
                        other.key == table.key
                            && actions.iter().any(|a| matches!(&a.kind, ActionKind::AddConstraint(c) if c.name.as_ref().is_some_and(|n| n.key == name.key)))
                    }
                    _ => false,
                }
                };
                let before = &self.script.statements[..index];
                let together = before.iter().any(|s| s.transaction == statement.transaction && added(&s.form));
                if statement.transaction.is_some() && together {
                    self.report(&VALIDATE_TOO_SOON, span, &[("name", &name.shown), ("table", &table.shown)]);
                }
            }
            ActionKind::Detach { partition, concurrently: false } => {
                self.report(&DETACH, span, &[("name", &partition.shown), ("table", &table.shown)]);
            }
            ActionKind::Attach { partition } if !self.is_new(partition) && !self.known.is_checked(&partition.key) => {
                let names = [("name", partition.shown.as_str()), ("bare", &bare(partition))];
                self.report(&ATTACH, span, &names);
            }
            _ => {}
        }
    }

    fn adds_column(&mut self, table: &Name, column: &Column<'_, '_>, span: &std::ops::Range<usize>) {
        let default = column.default.map(shown).unwrap_or_default();
        let bare_table = bare(table);
        let named = format!("{bare_table}_{}_key", column.name.key);
        let base = [
            ("table", table.shown.as_str()),
            ("column", &column.name.shown),
            ("columns", &column.name.shown),
            ("type", &column.ty.shown),
            ("value", &default),
            ("bare", &bare_table),
            ("plain", &column.name.key),
        ];
        let with = |name: &'static str, value: &str| -> Vec<(&str, String)> {
            base.iter().map(|(k, v)| (*k, (*v).to_owned())).chain([(name, value.to_owned())]).collect()
        };
        let numbered = column.ty.base.ends_with("serial") || column.generated == Some(Generated::Identity);
        if numbered {
            self.report(&SERIAL_ADDED, span.clone(), &base);
        } else if column.generated == Some(Generated::Stored) {
            self.report(&STORED_GENERATED, span.clone(), &base);
        } else if column.default.is_some_and(is_volatile) {
            self.report(&VOLATILE_DEFAULT, span.clone(), &base);
        }
        let null = column.default.is_none_or(|tokens| tokens.first().is_some_and(|token| token.is("NULL")));
        if (column.not_null || column.primary) && null && !numbered && column.generated.is_none() {
            self.report(&REQUIRED_COLUMN, span.clone(), &base);
        }
        if column.primary {
            self.report(&ADD_PRIMARY, span.clone(), &borrowed(&with("name", &format!("{bare_table}_pkey"))));
        } else if column.unique {
            self.report(&ADD_UNIQUE, span.clone(), &borrowed(&with("name", &named)));
        }
        if let (Some(other), false) = (&column.references, null) {
            let names = with("other", &other.shown);
            let names: Vec<(&str, String)> =
                names.into_iter().chain([("name", format!("{bare_table}_{}_fkey", column.name.key))]).collect();
            self.report(&ADD_FOREIGN, span.clone(), &borrowed(&names));
        }
        if column.checked {
            self.report(&ADD_CHECK, span.clone(), &borrowed(&with("name", &format!("{bare_table}_{}_check", column.name.key))));
        }
    }

    fn adds_constraint(&mut self, table: &Name, constraint: &Constraint<'_, '_>) {
        let bare_table = bare(table);
        let name =
            |suffix: &str| constraint.name.as_ref().map_or_else(|| format!("{bare_table}_{suffix}"), |name| name.shown.clone());
        let span = constraint.span.clone();
        match &constraint.kind {
            ConstraintKind::Unique(columns) | ConstraintKind::Primary(columns) if !constraint.using_index => {
                let unique = matches!(constraint.kind, ConstraintKind::Unique(_));
                let (rule, suffix) = if unique { (&ADD_UNIQUE, "key") } else { (&ADD_PRIMARY, "pkey") };
                self.report(rule, span, &[("table", &table.shown), ("name", &name(suffix)), ("columns", &columns.join(", "))]);
            }
            ConstraintKind::Foreign { columns, references } if !constraint.not_valid => {
                let other = references.as_ref().map_or("the other table", |name| name.shown.as_str());
                let names = [("table", table.shown.as_str()), ("other", other), ("name", &name("fkey")), ("columns", columns)];
                self.report(&ADD_FOREIGN, span, &names);
            }
            ConstraintKind::Check(_) if !constraint.not_valid => {
                self.report(&ADD_CHECK, span, &[("table", &table.shown), ("name", &name("check"))]);
            }
            ConstraintKind::NotNull(Some(column))
                if !constraint.not_valid && !self.known.is_never_null(&table.key, &column.key) =>
            {
                self.report(
                    &SET_NOT_NULL,
                    span,
                    &[("table", &table.shown), ("column", &column.shown), ("bare", &bare_table), ("plain", &column.key)],
                );
            }
            ConstraintKind::Exclude => self.report(&EXCLUDE, span, &[("table", &table.shown)]),
            ConstraintKind::Unique(_)
            | ConstraintKind::Primary(_)
            | ConstraintKind::Foreign { .. }
            | ConstraintKind::Check(_)
            | ConstraintKind::NotNull(_) => {}
        }
    }

    fn changes_type(&mut self, table: &Name, column: &Name, ty: &Type, using: bool, span: std::ops::Range<usize>) {
        let names = [("table", table.shown.as_str()), ("column", &column.shown), ("type", &ty.shown)];
        let utc = self.setting("timezone").is_some_and(|zone| zone == "utc");
        let old = self.known.column_type(&table.key, &column.key);
        if old.is_some_and(|old| same_storage(old, ty, utc)) {
            return;
        }
        let unknown = old.is_none();
        if ty.base == "bigint" {
            self.report(&KEY_TYPE_CHANGE, span, &names);
        } else if unknown && is_wide(ty) && !using {
            // From `varchar(n)`, as it most often is, nothing is written anew.
            self.report_at(Level::Note, &TYPE_CHANGE, span, &names);
        } else {
            self.report(&TYPE_CHANGE, span, &names);
        }
    }
}

/// The name without its schema and quotes, for names made of it.
pub(super) fn bare(name: &Name) -> String {
    name.key.rsplit('.').next().unwrap_or_default().to_owned()
}

fn or_all(name: Option<&Name>) -> &str {
    name.map_or("every table", |name| name.shown.as_str())
}

fn borrowed<'n>(names: &'n [(&'n str, String)]) -> Vec<(&'n str, &'n str)> {
    names.iter().map(|(name, value)| (*name, value.as_str())).collect()
}
