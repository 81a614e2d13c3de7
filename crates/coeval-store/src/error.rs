//! What can go wrong with a store, told by what the caller can do next.

use std::time::Duration;

use coeval_core::lens::Refused;

/// What the functions of this crate return.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a store did not do what it was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// Somebody else changed the thing since it was read, or made it first. Read it again and decide anew.
    #[error("{what}: not as expected")]
    Conflict {
        /// What was changed.
        what: String,
    },
    /// The store may do it if it is asked again, later.
    #[error("{what}: {reason}")]
    Transient {
        /// What was asked for.
        what: String,
        /// What the store, or the network, said.
        reason: String,
        /// How long it asks to wait.
        after: Option<Duration>,
        /// Whether the request may have taken effect although nobody said so.
        ambiguous: bool,
    },
    /// The store will not do it however often it is asked: no permission, no such bucket, no space.
    #[error("{what}: {reason}")]
    Failed {
        /// What was asked for.
        what: String,
        /// Why.
        reason: String,
        /// What a person can do about it.
        help: Option<String>,
    },
    /// The store has no way to do it.
    #[error("{what}: {reason}")]
    Unsupported {
        /// What was asked for.
        what: String,
        /// Why not.
        reason: String,
    },
    /// What lies in the store beside the records cannot be understood. Nothing may be written.
    #[error("{what} cannot be read: {reason}")]
    Unreadable {
        /// Which object, row or file.
        what: String,
        /// Why.
        reason: String,
        /// Whether a newer coeval wrote it.
        newer: bool,
    },
    /// Somebody else holds the lock.
    #[error("{} holds the lock", .holder.name)]
    Locked {
        /// Who.
        holder: Box<crate::lock::Holder>,
    },
    /// The lock was taken over by somebody else, since this holder did not show up for too long. It must not write any more.
    #[error("the lock was lost{}", .by.as_ref().map(|by| format!(" to {}", by.name)).unwrap_or_default())]
    LockLost {
        /// By whom, where it is known.
        by: Option<Box<crate::lock::Holder>>,
    },
    /// A record does not go where it should.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// A record's bytes, its stamp or its place contradict each other or make no sense.
    #[error("{key}: {reason}")]
    BadRecord {
        /// The record's key, or the object's where it is not known.
        key: String,
        /// What is wrong.
        reason: String,
    },
    /// There is no such model, version or record kind in the manifest, or the store has not come to that version.
    #[error("{message}")]
    Unknown {
        /// What there is not.
        message: String,
        /// What there is.
        help: Option<String>,
    },
    /// Records were in the way of a run; their keys were reported one by one.
    #[error("{count} {} in the way", if *.count == 1 { "record is" } else { "records are" })]
    Records {
        /// How many.
        count: u64,
    },
    /// It was asked to stop.
    #[error("it was stopped")]
    Stopped,
    /// The process that a test runs has died, in the test's eyes.
    #[error("crashed, as the test wanted")]
    Crashed,
}

impl Error {
    /// A step for tables, in a store of documents.
    pub fn no_tables(step: &coeval_plan::Step) -> Self {
        Self::Unsupported { what: step.to_string(), reason: "a store of documents has no tables".to_owned() }
    }

    /// Returns whether asking again, later, may help.
    pub const fn is_transient(&self) -> bool {
        matches!(self, Self::Transient { .. })
    }

    /// Returns whether somebody else was faster.
    pub const fn is_conflict(&self) -> bool {
        matches!(self, Self::Conflict { .. })
    }

    /// Makes an error of something that cannot be helped by asking again.
    pub fn failed(what: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Failed { what: what.into(), reason: reason.into(), help: None }
    }
}
