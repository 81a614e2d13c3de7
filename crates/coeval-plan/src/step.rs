//! The physical acts of a backend.

use std::fmt;

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
            Self::Contract => "contract",
        }
    }
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
}

impl Step {
    /// Returns the model that the step is about.
    pub fn model(&self) -> &str {
        match self {
            Self::MoveRecords { model, .. } | Self::ForgetRecords { model, .. } => model,
        }
    }

    /// Returns when in a run it is done.
    pub const fn phase(&self) -> Phase {
        match self {
            Self::MoveRecords { .. } => Phase::Backfill,
            Self::ForgetRecords { .. } => Phase::Contract,
        }
    }

    /// Returns the step that undoes this one; `None` where nothing can.
    pub fn reverse(&self) -> Option<Self> {
        match self {
            Self::MoveRecords { model, from, to } => Some(Self::MoveRecords { model: model.clone(), from: *to, to: *from }),
            Self::ForgetRecords { .. } => None,
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MoveRecords { model, to, .. } => write!(f, "store every record of `{model}` at version {to}"),
            Self::ForgetRecords { model, before, .. } => {
                write!(f, "drop from every record of `{model}` what only versions before {before} could see")
            }
        }
    }
}
