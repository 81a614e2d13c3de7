//! Why a run did not come to its end, by what the caller can do next.

use coeval_plan::standalone;
use coeval_store::ledger::{Action, Started};

/// What keeps a run from beginning; nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The manifest has no version.
    #[error("nothing is frozen yet")]
    NothingFrozen,
    /// The manifest has no such version.
    #[error("there is no version {asked}")]
    NoVersion {
        /// The version that was asked for.
        asked: u32,
        /// The newest one.
        head: u32,
    },
    /// The store has come to a version that this manifest does not have.
    #[error("the store is at version {store}, and the manifest ends with version {head}")]
    StoreNewer {
        /// The store's version.
        store: u32,
        /// The manifest's newest.
        head: u32,
    },
    /// The store knows another version of the same number.
    #[error("version {number} of the store is not the manifest's version {number}")]
    OtherVersion {
        /// The number.
        number: u32,
        /// The id of the version that the store knows.
        store: String,
        /// The id of the manifest's.
        manifest: String,
    },
    /// A run was begun and neither finished nor undone, and it is not the one that was asked for.
    #[error("{} is open", told(.0))]
    RunOpen(Box<Started>),
    /// The store is at a newer version already.
    #[error("the store is at version {in_force} already")]
    Newer {
        /// The version in force.
        in_force: u32,
        /// The version that was asked for.
        asked: u32,
    },
    /// The store is at an older version.
    #[error("the store is at version {in_force}, which is older than version {asked}")]
    Older {
        /// The version in force.
        in_force: u32,
        /// The version that was asked for.
        asked: u32,
    },
    /// No version is in force.
    #[error("no version is in force in the store")]
    NothingInForce,
    /// There is no version to go back to.
    #[error("version {0} is the oldest: there is none to go back to")]
    Oldest(u32),
    /// The version was retired.
    #[error("version {asked} was retired")]
    Retired {
        /// The version that was asked for.
        asked: u32,
        /// The oldest one that was not.
        oldest: u32,
    },
    /// The standalone migrations cannot be applied, or taken back.
    #[error(transparent)]
    Standalone(#[from] standalone::Refusal),
    /// The store has a history already.
    #[error("the store has a history already")]
    HasHistory,
}

fn told(started: &Started) -> String {
    let what = match started.action {
        Action::Migrate => format!("a migration to version {}", started.to),
        Action::Rollback => format!("a rollback to version {}", started.to),
        Action::Retire { before } => format!("retiring what lies before version {before}"),
    };
    format!("{what} (run {})", started.run)
}

/// What a person can do about a standalone migration.
fn told_migration(refusal: &standalone::Refusal) -> &'static str {
    use standalone::Refusal as R;
    match refusal {
        R::Edited { .. } => "put it back as it was, and say the change in a migration of its own",
        R::Dependency { .. } => "those of one backend run in order; what another backend executes cannot be waited for",
        R::NotReversible { .. } => "write a migration that leads on instead of going back",
        R::NotApplied { .. } => "`coeval status` says which are",
        R::Gone { .. } => "take its file from your version control",
        R::StillNeeded { .. } => "take back the other one too",
        R::Impossible { .. } => "nothing was executed",
        R::Unclosed { .. } | R::ClientCommand { .. } => "write it as the database reads it",
    }
}

impl Refusal {
    /// Returns the word for machines.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NothingFrozen | Self::NoVersion { .. } => "no-version",
            Self::StoreNewer { .. } => "store-newer",
            Self::OtherVersion { .. } => "other-version",
            Self::RunOpen(_) => "run-open",
            Self::Newer { .. } => "newer",
            Self::Older { .. } => "older",
            Self::NothingInForce => "nothing-in-force",
            Self::Oldest(_) => "oldest",
            Self::Retired { .. } => "retired",
            Self::Standalone(_) => "standalone-migration",
            Self::HasHistory => "has-history",
        }
    }

    /// Says what a person can do.
    pub fn help(&self) -> String {
        match self {
            Self::NothingFrozen => "`coeval freeze` makes version 1 of the drafts".to_owned(),
            Self::NoVersion { head, .. } => format!("the newest version is {head}"),
            Self::StoreNewer { .. } => "take the newest manifest from your version control".to_owned(),
            Self::OtherVersion { number, store, manifest } => format!(
                "the store knows {store}, the manifest says {manifest}: somebody else froze a version {number} too, and migrated \
                 with it; take theirs, and `coeval rebase` puts yours after it"
            ),
            Self::RunOpen(started) => match started.action {
                Action::Migrate => format!("`coeval migrate --to {}` resumes it, `coeval rollback` undoes it", started.to),
                Action::Rollback => "`coeval rollback` brings it to its end; migrate again afterwards".to_owned(),
                Action::Retire { before } => format!("`coeval retire --before {before} --yes` brings it to its end"),
            },
            Self::Newer { asked, .. } => format!("`coeval rollback --to {asked}` leads back"),
            Self::Older { asked, .. } => format!("`coeval migrate --to {asked}` leads there"),
            Self::NothingInForce => "`coeval migrate` makes one".to_owned(),
            Self::Oldest(_) => "what is before it is not the manifest's".to_owned(),
            Self::Retired { oldest, .. } => format!("the oldest version that was not retired is {oldest}"),
            Self::Standalone(refusal) => told_migration(refusal).to_owned(),
            Self::HasHistory => "only a store that was never migrated can be adopted".to_owned(),
        }
    }
}

/// Why a run did not come to its end.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// It would not be right to begin. Nothing was changed.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The store did not do what was needed to begin, or to look. Nothing was changed.
    #[error(transparent)]
    Store(#[from] coeval_store::Error),
    /// It failed, and everything that it did was undone.
    #[error("{reason}; everything was undone, and the store is as before")]
    Undone {
        /// The run.
        run: String,
        /// Why it failed, as it is told in the ledger.
        reason: String,
        /// What failed, where it failed in this process.
        failure: Option<Box<coeval_store::Error>>,
    },
    /// It did not come to its end and is open: it can be resumed, or undone.
    #[error("{failure}; run {} is open", .started.run)]
    Open {
        /// The run.
        started: Box<Started>,
        /// What failed.
        failure: Box<coeval_store::Error>,
        /// Why it is being undone, where undoing it did not come to its end.
        undoing: Option<String>,
    },
}
