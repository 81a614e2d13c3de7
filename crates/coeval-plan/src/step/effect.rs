//! What a step does to a table while it runs, so that a person can judge it before.

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
