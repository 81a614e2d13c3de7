//! What a step does to a table while it runs, so that a person can judge it before.

use coeval_core::schema::Policy;

use super::{Holds, Step};

/// The strongest lock that a step takes, in PostgreSQL's terms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LockLevel {
    /// None, or one on rows only.
    None,
    /// Reads and writes go on; other changes of the schema wait.
    ShareUpdateExclusive,
    /// Reads go on; writes wait.
    ShareRowExclusive,
    /// Nothing else goes on. Taken for a moment only.
    AccessExclusive,
}

impl LockLevel {
    /// Returns PostgreSQL's name for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "no lock",
            Self::ShareUpdateExclusive => "SHARE UPDATE EXCLUSIVE",
            Self::ShareRowExclusive => "SHARE ROW EXCLUSIVE",
            Self::AccessExclusive => "ACCESS EXCLUSIVE",
        }
    }
}

/// For how long a step holds the one lock for writes of a store that has no other: a file. Reads go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum WriteLock {
    /// Not at all.
    None,
    /// For a change of the schema.
    Moment,
    /// Again and again, so that others write in between.
    Batches,
    /// Until every row was read.
    Scan,
    /// Until every row was copied into a table of another shape.
    Copy,
    /// Until it is done, however long that is.
    Whole,
}

impl WriteLock {
    /// Returns what a person is told.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "no lock",
            Self::Moment => "holds the write lock for a moment",
            Self::Batches => "holds the write lock batch by batch",
            Self::Scan => "holds the write lock while it reads every row",
            Self::Copy => "holds the write lock while it copies the table",
            Self::Whole => "holds the write lock until it is done",
        }
    }
}

/// What a step does to a table while it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Effect {
    /// The strongest lock that it takes.
    pub lock: LockLevel,
    /// Whether it writes every row.
    pub rewrites: bool,
    /// Whether it reads every row.
    pub scans: bool,
    /// What it loses; `None` where nothing is lost.
    pub loses: Option<&'static str>,
}

impl Step {
    /// Returns what the step does to the table in a database.
    #[allow(clippy::match_same_arms, reason = "each step has its own reason for what it takes")]
    pub const fn effect(&self) -> Effect {
        const fn effect(lock: LockLevel, rewrites: bool, scans: bool) -> Effect {
            Effect { lock, rewrites, scans, loses: None }
        }
        const fn loses(lock: LockLevel, what: &'static str) -> Effect {
            Effect { lock, rewrites: false, scans: false, loses: Some(what) }
        }
        use LockLevel as L;
        match self {
            Self::MoveRecords { .. } => effect(L::None, true, true),
            Self::ForgetRecords { .. } => {
                Effect { lock: L::None, rewrites: true, scans: true, loses: Some("what only retired versions could see") }
            }
            Self::CreateTable { .. } | Self::CreateViews { .. } => effect(L::None, false, false),
            Self::SetTableAside { .. }
            | Self::AddColumn { .. }
            | Self::DropNotNull { .. }
            | Self::DropCheck { .. }
            | Self::DropCondition { .. } => effect(L::AccessExclusive, false, false),
            // What it held was archived before, or can be computed.
            Self::DropColumn { .. } | Self::DropViews { .. } => effect(L::AccessExclusive, false, false),
            Self::RebuildTriggers { .. } | Self::WatchColumns { .. } => effect(L::ShareRowExclusive, false, false),
            Self::Backfill { .. } => effect(L::None, true, true),
            Self::Archive { .. } => effect(L::None, false, true),
            // The rows that break it are counted; the views leave them out.
            Self::AddCondition { policy: Policy::Quarantine, .. } => effect(L::None, false, true),
            // A trigger first; then what is there, in batches.
            Self::AddCondition { policy: Policy::Repair(_), .. } => {
                Effect { lock: L::ShareRowExclusive, rewrites: false, scans: true, loses: Some("the values that are repaired") }
            }
            // First as NOT VALID, for a moment; then validated while others write.
            Self::AddCheck { .. } | Self::SetNotNull { .. } | Self::AddCondition { .. } => {
                effect(L::AccessExclusive, false, true)
            }
            Self::AddForeignKey { .. } => effect(L::ShareRowExclusive, false, true),
            Self::DropForeignKey { .. } => effect(L::AccessExclusive, false, false),
            Self::CreateIndex { .. } => effect(L::ShareUpdateExclusive, false, true),
            Self::DropIndex { .. } => effect(L::ShareUpdateExclusive, false, false),
            Self::RetireViews { .. } => loses(L::AccessExclusive, "the retired versions"),
            Self::ForgetColumn { .. } => loses(L::AccessExclusive, "the column's values"),
            Self::ForgetTable { .. } => loses(L::AccessExclusive, "the table's rows"),
            Self::Sql { down: None, .. } => loses(L::AccessExclusive, "what the SQL drops; there is no way back"),
            Self::Sql { down: Some(_), .. } => effect(L::AccessExclusive, false, false),
            Self::Standalone { down: None, .. } => loses(L::AccessExclusive, "what it changes; there is no way back"),
            Self::Standalone { down: Some(_), .. } => effect(L::AccessExclusive, false, false),
        }
    }
}

impl Step {
    /// Returns for how long the step holds the write lock of a store that has one for all of it.
    #[allow(clippy::match_same_arms, reason = "each step has its own reason for what it holds")]
    pub const fn write_lock(&self) -> WriteLock {
        match self {
            Self::MoveRecords { .. } | Self::ForgetRecords { .. } => WriteLock::Batches,
            Self::Backfill { .. } | Self::Archive { .. } => WriteLock::Batches,
            // They change what the table's own text says, for which there is no other way.
            Self::SetNotNull { .. } | Self::DropNotNull { .. } => WriteLock::Copy,
            Self::AddForeignKey { .. } | Self::DropForeignKey { .. } => WriteLock::Copy,
            // It was made with the column, and goes with it.
            Self::AddCheck { .. } | Self::DropCheck { .. } => WriteLock::None,
            // Views say who writes.
            Self::WatchColumns { .. } => WriteLock::None,
            Self::CreateIndex { .. } => WriteLock::Scan,
            // Every row is asked before a trigger asks those to come.
            Self::AddCondition { .. } => WriteLock::Scan,
            Self::DropCondition { .. } => WriteLock::Moment,
            // What a row holds lies beside its other values, and is taken out of each.
            Self::DropColumn { .. } | Self::ForgetColumn { .. } => WriteLock::Copy,
            Self::CreateTable { .. } | Self::SetTableAside { .. } | Self::AddColumn { .. } | Self::RebuildTriggers { .. } => {
                WriteLock::Moment
            }
            Self::DropIndex { .. } | Self::CreateViews { .. } | Self::DropViews { .. } | Self::RetireViews { .. } => {
                WriteLock::Moment
            }
            Self::ForgetTable { .. } => WriteLock::Moment,
            // Whatever they do is one transaction.
            Self::Sql { .. } | Self::Standalone { .. } => WriteLock::Whole,
        }
    }
}

impl Holds {
    /// Returns the word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Value => "value",
            Self::Hidden => "hidden",
            Self::Failure => "failure",
            Self::Id => "id",
            Self::Marker => "marker",
        }
    }

    /// Returns what a word stands for.
    pub fn named(name: &str) -> Option<Self> {
        [Self::Value, Self::Hidden, Self::Failure, Self::Id, Self::Marker].into_iter().find(|holds| holds.name() == name)
    }
}
