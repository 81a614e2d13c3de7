//! Steps in words.

use std::fmt;

use coeval_core::schema::Policy;

use super::Step;

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MoveRecords { model, to, .. } => write!(f, "store every record of `{model}` at version {to}"),
            Self::ForgetRecords { model, before, .. } => {
                write!(f, "drop from every record of `{model}` what only versions before {before} could see")
            }
            Self::CreateTable { table, .. } => write!(f, "create table `{table}`"),
            Self::SetTableAside { table, .. } => write!(f, "set table `{table}` aside, with its rows"),
            Self::AddColumn { model, column } => write!(f, "add column `{}` to `{model}`", column.name),
            Self::DropColumn { model, column } => write!(f, "drop column `{}` of `{model}`", column.name),
            Self::RebuildTriggers { model, to, .. } => write!(f, "rebuild the triggers of `{model}` up to version {to}"),
            Self::Backfill { model, columns, .. } => write!(f, "backfill {} of `{model}`", quoted(columns)),
            Self::Archive { model, columns, .. } => write!(f, "archive {} of `{model}`", quoted(columns)),
            Self::AddCheck { model, column } => write!(f, "check the values of `{}` of `{model}`", column.name),
            Self::DropCheck { model, column } => write!(f, "no more check the values of `{}` of `{model}`", column.name),
            Self::SetNotNull { model, column } => write!(f, "require `{column}` of `{model}`"),
            Self::DropNotNull { model, column } => write!(f, "no more require `{column}` of `{model}`"),
            Self::CreateIndex { model, name, columns, unique } => {
                let kind = if *unique { "unique index" } else { "index" };
                write!(f, "build {kind} `{name}` on {} of `{model}`", quoted(columns))
            }
            Self::DropIndex { model, name, .. } => write!(f, "drop index `{name}` of `{model}`"),
            Self::AddForeignKey { model, column, references, .. } => {
                write!(f, "let `{column}` of `{model}` refer to `{references}`")
            }
            Self::DropForeignKey { model, column, references, .. } => {
                write!(f, "no more let `{column}` of `{model}` refer to `{references}`")
            }
            Self::AddCondition { model, name, expr, policy: Policy::Reject, .. } => {
                write!(f, "require `{name}` of `{model}`: {expr}")
            }
            Self::AddCondition { model, name, expr, policy: Policy::Quarantine, .. } => {
                write!(f, "hide what breaks `{name}` of `{model}`: {expr}")
            }
            Self::AddCondition { model, name, expr, policy: Policy::Repair(with), .. } => {
                write!(f, "repair what breaks `{name}` of `{model}`: {expr}, else {with}")
            }
            Self::DropCondition { model, name, policy: Policy::Quarantine, .. } => {
                write!(f, "no more hide what breaks `{name}` of `{model}`")
            }
            Self::DropCondition { model, name, policy: Policy::Repair(_), .. } => {
                write!(f, "no more repair what breaks `{name}` of `{model}`")
            }
            Self::DropCondition { model, name, .. } => write!(f, "no more require `{name}` of `{model}`"),
            Self::WatchColumns { model, to, .. } => write!(f, "let the triggers of `{model}` follow writes up to version {to}"),
            Self::CreateViews { from, to } if *to == from + 1 => write!(f, "offer version {to}"),
            Self::CreateViews { from, to } => write!(f, "offer versions {} to {to}", from + 1),
            Self::DropViews { from, to } if *from == to + 1 => write!(f, "take version {from} away"),
            Self::DropViews { from, to } => write!(f, "take versions {} to {from} away", to + 1),
            Self::RetireViews { before } => write!(f, "take the versions before {before} away, for good"),
            Self::ForgetColumn { model, column } => write!(f, "drop column `{column}` of `{model}`, for good"),
            Self::ForgetTable { table, .. } => write!(f, "drop table `{table}`, for good"),
            Self::Sql { model, .. } => write!(f, "run the SQL that was written for `{model}`"),
            Self::Standalone { id, back: true, .. } => write!(f, "take back the migration `{id}`"),
            Self::Standalone { id, .. } => write!(f, "execute the migration `{id}`"),
        }
    }
}

fn quoted(names: &[String]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}
