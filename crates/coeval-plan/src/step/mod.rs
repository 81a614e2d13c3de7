//! The physical acts of a backend.

mod effect;
mod record;
mod told;
mod value;

use coeval_core::Value;
use coeval_core::schema::{Policy, Property};

use crate::standalone::Act;

pub use effect::{Effect, LockLevel, WriteLock};
pub use record::RecordStep;

/// What a store can do, as data: a plan looks at it, nobody asks what a store is called.
#[allow(clippy::struct_excessive_bools, reason = "independent abilities of a store")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities {
    /// Whether the store has a schema of its own (tables and columns), which steps must change.
    pub schema: bool,
    /// Whether several changes become visible at once or not at all.
    pub transactions: bool,
    /// Whether deleting a record can depend on the record being unchanged.
    pub conditional_delete: bool,
    /// Whether every state of a record can be kept.
    pub revisions: bool,
    /// Whether something beside a record's bytes can say at which version it is.
    pub metadata: bool,
    /// Whether the store tells at which version a record is updated; see [`crate::table::Ability`].
    pub knows_writer: bool,
    /// Whether there is one lock for all writes of the whole store, as in a file, instead of one for each table.
    pub one_writer: bool,
    /// Whether what is kept of a record when versions are taken back is kept as one, so that several versions can come back at one go;
    /// instead of column by column, as of the version before.
    pub archives_records: bool,
}

/// When in a run a step is done. Phases follow one another in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// What newer versions need is added beside what there is.
    Expand,
    /// Records get it.
    Backfill,
    /// It is proved that all of them have it.
    Validate,
    /// The newer versions are offered to clients.
    Activate,
    /// What stands beside the models is done.
    Standalone,
    /// What only retired versions needed is dropped.
    Contract,
}

impl Phase {
    /// Returns the word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Expand => "expand",
            Self::Backfill => "backfill",
            Self::Validate => "validate",
            Self::Activate => "activate",
            Self::Standalone => "alone",
            Self::Contract => "contract",
        }
    }
}

/// A column as a plan has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnSpec {
    /// Its name.
    pub name: String,
    /// What it holds: `value`, or a part of the workings.
    pub holds: Holds,
    /// Its type and facets.
    pub property: Property,
    /// The value that rows begin with which are born at versions that do not show it; `None` where it is computed, or absent.
    pub default: Option<Value>,
}

/// What a column is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holds {
    /// A property, as versions show it.
    Value,
    /// A value that no version shows, as JSON.
    Hidden,
    /// Whether another column's value could not be computed.
    Failure,
    /// The key of a model that declares none.
    Id,
    /// The version of whoever inserts a row, for the triggers; never stored.
    Marker,
}

/// One physical act. Each can be executed again after it was done, or half done, with the same result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Stores every record of a model in the shape of a version.
    MoveRecords {
        /// The model.
        model: String,
        /// The version that was in force before; where records go back to if the step is reversed.
        from: u32,
        /// The version to store them at.
        to: u32,
    },
    /// Drops of every record of a model what only versions before one could see, for good.
    ForgetRecords {
        /// The model.
        model: String,
        /// The oldest version that stays live.
        before: u32,
        /// The version in force; records at versions that end are moved to it.
        to: u32,
    },
    /// Makes the table of a model, or brings back one that was set aside.
    CreateTable {
        /// The model.
        model: String,
        /// The table's name.
        table: String,
        /// Its columns.
        columns: Vec<ColumnSpec>,
        /// The names of the columns of the key.
        key: Vec<String>,
    },
    /// Puts the table of a model, with all that is in it, where no client sees it.
    SetTableAside {
        /// The model.
        model: String,
        /// The table's name.
        table: String,
        /// Its columns.
        columns: Vec<ColumnSpec>,
        /// The names of the columns of the key.
        key: Vec<String>,
    },
    /// Adds a column beside what there is.
    AddColumn {
        /// The model.
        model: String,
        /// The column.
        column: ColumnSpec,
    },
    /// Drops a column whose values can be computed, or were archived.
    DropColumn {
        /// The model.
        model: String,
        /// The column.
        column: ColumnSpec,
    },
    /// Renders the triggers of a model anew, for the versions that are live when it is executed and those up to `to`.
    RebuildTriggers {
        /// The model.
        model: String,
        /// The version before.
        from: u32,
        /// The newest version whose columns they keep.
        to: u32,
    },
    /// Computes columns for the rows that are there, and puts back what was archived of them.
    Backfill {
        /// The model.
        model: String,
        /// The version whose columns they are computed from.
        from: u32,
        /// The version that brings them.
        to: u32,
        /// Their names.
        columns: Vec<String>,
    },
    /// Keeps of columns what could not be computed again, with fingerprints of what it belongs to.
    Archive {
        /// The model.
        model: String,
        /// The version that brought them.
        from: u32,
        /// The version that stays.
        to: u32,
        /// Their names.
        columns: Vec<String>,
    },
    /// Makes it a rule that a column holds values of its type.
    AddCheck {
        /// The model.
        model: String,
        /// The column.
        column: ColumnSpec,
    },
    /// Takes the rule back.
    DropCheck {
        /// The model.
        model: String,
        /// The column.
        column: ColumnSpec,
    },
    /// Makes it a rule that a column is never null.
    SetNotNull {
        /// The model.
        model: String,
        /// The column's name.
        column: String,
    },
    /// Takes the rule back.
    DropNotNull {
        /// The model.
        model: String,
        /// The column's name.
        column: String,
    },
    /// Builds an index.
    CreateIndex {
        /// The model.
        model: String,
        /// The index.
        name: String,
        /// The names of its columns.
        columns: Vec<String>,
        /// Whether no two rows share their values.
        unique: bool,
    },
    /// Drops an index.
    DropIndex {
        /// The model.
        model: String,
        /// The index.
        name: String,
        /// The names of its columns.
        columns: Vec<String>,
        /// Whether no two rows share their values.
        unique: bool,
    },
    /// Makes it a rule that a column holds the key of a row of another model's table.
    AddForeignKey {
        /// The model.
        model: String,
        /// The constraint.
        name: String,
        /// The column's name.
        column: String,
        /// The other model.
        references: String,
    },
    /// Takes the rule back.
    DropForeignKey {
        /// The model.
        model: String,
        /// The constraint.
        name: String,
        /// The column's name.
        column: String,
        /// The other model.
        references: String,
    },
    /// Makes it a rule that a condition never is false; at versions at which it holds, where older ones may break it.
    AddCondition {
        /// The model.
        model: String,
        /// The constraint.
        name: String,
        /// The condition.
        expr: String,
        /// The version whose names it uses.
        at: u32,
        /// What becomes of a write through an older version that breaks it.
        policy: Policy,
    },
    /// Takes the rule back.
    DropCondition {
        /// The model.
        model: String,
        /// The constraint.
        name: String,
        /// The condition.
        expr: String,
        /// The version whose names it uses.
        at: u32,
        /// What becomes of a write through an older version that breaks it.
        policy: Policy,
    },
    /// Lets the triggers of a model look at updates of what versions up to one show.
    WatchColumns {
        /// The model.
        model: String,
        /// The version before.
        from: u32,
        /// The newest version whose writes they look at.
        to: u32,
    },
    /// Offers versions to clients: their views of all models, at once.
    CreateViews {
        /// The version in force before.
        from: u32,
        /// The newest of them.
        to: u32,
    },
    /// Takes versions away from clients: their views of all models, at once.
    DropViews {
        /// The newest of them.
        from: u32,
        /// The version that stays.
        to: u32,
    },
    /// Takes retired versions away from clients, for good.
    RetireViews {
        /// The oldest version that stays live.
        before: u32,
    },
    /// Drops a column that only retired versions had need of, for good.
    ForgetColumn {
        /// The model.
        model: String,
        /// The column's name.
        column: String,
    },
    /// Drops the table of a model that only retired versions had, for good.
    ForgetTable {
        /// The model.
        model: String,
        /// The table's name.
        table: String,
    },
    /// Runs SQL that somebody wrote.
    Sql {
        /// The model.
        model: String,
        /// The way there.
        up: String,
        /// The way back; `None` where there is none.
        down: Option<String>,
    },
    /// Executes a standalone migration. Unlike other steps it is done at most once: what was done is noted with it.
    Standalone {
        /// The migration's id.
        id: String,
        /// Its digest.
        digest: String,
        /// What is done.
        up: Vec<Act>,
        /// What takes it back; `None` where nothing does.
        down: Option<Vec<Act>>,
        /// Whether it is the way back that is executed: `up` takes back then, and `down` leads there.
        back: bool,
    },
}

impl Step {
    /// Returns the step as one on records; `None` for one on tables.
    pub fn on_records(&self) -> Option<RecordStep<'_>> {
        match self {
            Self::MoveRecords { model, from, to } => Some(RecordStep::Move { model, from: *from, to: *to }),
            Self::ForgetRecords { model, before, to } => Some(RecordStep::Forget { model, before: *before, to: *to }),
            Self::CreateTable { .. }
            | Self::SetTableAside { .. }
            | Self::AddColumn { .. }
            | Self::DropColumn { .. }
            | Self::RebuildTriggers { .. }
            | Self::Backfill { .. }
            | Self::Archive { .. }
            | Self::AddCheck { .. }
            | Self::DropCheck { .. }
            | Self::SetNotNull { .. }
            | Self::DropNotNull { .. }
            | Self::CreateIndex { .. }
            | Self::DropIndex { .. }
            | Self::AddForeignKey { .. }
            | Self::DropForeignKey { .. }
            | Self::AddCondition { .. }
            | Self::DropCondition { .. }
            | Self::WatchColumns { .. }
            | Self::CreateViews { .. }
            | Self::DropViews { .. }
            | Self::RetireViews { .. }
            | Self::ForgetColumn { .. }
            | Self::ForgetTable { .. }
            | Self::Sql { .. }
            | Self::Standalone { .. } => None,
        }
    }

    /// Returns the model that the step is about; empty where it is about all.
    pub fn model(&self) -> &str {
        match self {
            Self::MoveRecords { model, .. }
            | Self::ForgetRecords { model, .. }
            | Self::CreateTable { model, .. }
            | Self::SetTableAside { model, .. }
            | Self::AddColumn { model, .. }
            | Self::DropColumn { model, .. }
            | Self::RebuildTriggers { model, .. }
            | Self::Backfill { model, .. }
            | Self::Archive { model, .. }
            | Self::AddCheck { model, .. }
            | Self::DropCheck { model, .. }
            | Self::SetNotNull { model, .. }
            | Self::DropNotNull { model, .. }
            | Self::CreateIndex { model, .. }
            | Self::DropIndex { model, .. }
            | Self::AddForeignKey { model, .. }
            | Self::DropForeignKey { model, .. }
            | Self::AddCondition { model, .. }
            | Self::DropCondition { model, .. }
            | Self::WatchColumns { model, .. }
            | Self::ForgetColumn { model, .. }
            | Self::ForgetTable { model, .. }
            | Self::Sql { model, .. } => model,
            Self::CreateViews { .. } | Self::DropViews { .. } | Self::RetireViews { .. } | Self::Standalone { .. } => "",
        }
    }

    /// Returns when in a run it is done.
    pub const fn phase(&self) -> Phase {
        match self {
            Self::CreateTable { .. }
            | Self::SetTableAside { .. }
            | Self::AddColumn { .. }
            | Self::DropColumn { .. }
            | Self::RebuildTriggers { .. }
            | Self::Sql { .. } => Phase::Expand,
            Self::MoveRecords { .. } | Self::Backfill { .. } | Self::Archive { .. } => Phase::Backfill,
            // A repair is a write at the version, of which everything follows.
            Self::AddCondition { policy: Policy::Repair(_), .. }
            | Self::WatchColumns { .. }
            | Self::CreateViews { .. }
            | Self::DropViews { .. } => Phase::Activate,
            Self::AddCheck { .. }
            | Self::DropCheck { .. }
            | Self::SetNotNull { .. }
            | Self::DropNotNull { .. }
            | Self::CreateIndex { .. }
            | Self::DropIndex { .. }
            | Self::AddForeignKey { .. }
            | Self::DropForeignKey { .. }
            | Self::AddCondition { .. }
            | Self::DropCondition { .. } => Phase::Validate,
            Self::Standalone { .. } => Phase::Standalone,
            Self::ForgetRecords { .. } | Self::RetireViews { .. } | Self::ForgetColumn { .. } | Self::ForgetTable { .. } => {
                Phase::Contract
            }
        }
    }

    /// Returns the step that undoes this one; `None` where nothing can.
    pub fn reverse(&self) -> Option<Self> {
        Some(match self.clone() {
            Self::MoveRecords { model, from, to } => Self::MoveRecords { model, from: to, to: from },
            Self::CreateTable { model, table, columns, key } => Self::SetTableAside { model, table, columns, key },
            Self::SetTableAside { model, table, columns, key } => Self::CreateTable { model, table, columns, key },
            Self::AddColumn { model, column } => Self::DropColumn { model, column },
            Self::DropColumn { model, column } => Self::AddColumn { model, column },
            Self::RebuildTriggers { model, from, to } => Self::RebuildTriggers { model, from: to, to: from },
            Self::Backfill { model, from, to, columns } => Self::Archive { model, from: to, to: from, columns },
            Self::Archive { model, from, to, columns } => Self::Backfill { model, from: to, to: from, columns },
            Self::AddCheck { model, column } => Self::DropCheck { model, column },
            Self::DropCheck { model, column } => Self::AddCheck { model, column },
            Self::SetNotNull { model, column } => Self::DropNotNull { model, column },
            Self::DropNotNull { model, column } => Self::SetNotNull { model, column },
            Self::CreateIndex { model, name, columns, unique } => Self::DropIndex { model, name, columns, unique },
            Self::DropIndex { model, name, columns, unique } => Self::CreateIndex { model, name, columns, unique },
            Self::AddForeignKey { model, name, column, references } => Self::DropForeignKey { model, name, column, references },
            Self::DropForeignKey { model, name, column, references } => Self::AddForeignKey { model, name, column, references },
            Self::AddCondition { model, name, expr, at, policy } => Self::DropCondition { model, name, expr, at, policy },
            Self::DropCondition { model, name, expr, at, policy } => Self::AddCondition { model, name, expr, at, policy },
            Self::WatchColumns { model, from, to } => Self::WatchColumns { model, from: to, to: from },
            Self::CreateViews { from, to } => Self::DropViews { from: to, to: from },
            Self::DropViews { from, to } => Self::CreateViews { from: to, to: from },
            Self::Sql { model, up, down } => Self::Sql { model, up: down?, down: Some(up) },
            Self::Standalone { id, digest, up, down, back } => {
                Self::Standalone { id, digest, up: down?, down: Some(up), back: !back }
            }
            Self::ForgetRecords { .. } | Self::RetireViews { .. } | Self::ForgetColumn { .. } | Self::ForgetTable { .. } => {
                return None;
            }
        })
    }
}
