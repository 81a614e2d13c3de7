//! The options that several commands share.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum;
use coeval_store::work::{Pace, Policy};

/// Which stores.
#[derive(Debug, clap::Args)]
pub(crate) struct Backends {
    /// The backend, as coeval.yaml calls it [default: all that keep a model]
    #[arg(long, value_name = "NAME")]
    pub(crate) backend: Option<String>,
}

/// How fast, and how many.
#[derive(Debug, clap::Args)]
pub(crate) struct Speed {
    /// How many records are read, converted or written at the same time
    #[arg(long, value_name = "N", default_value = "32")]
    pub(crate) concurrency: NonZeroUsize,

    /// Write at most so many records a second
    #[arg(long, value_name = "N", value_parser = rate)]
    pub(crate) rate: Option<f64>,

    /// Share the run between so many workers, and with every other process that has this option
    #[arg(long, value_name = "N", conflicts_with = "wait")]
    pub(crate) workers: Option<NonZeroUsize>,

    /// Where somebody else is running, wait instead of refusing
    #[arg(long)]
    pub(crate) wait: bool,

    /// After how many seconds without a sign of life somebody else is taken for dead
    #[arg(long, value_name = "SECONDS", hide = true, value_parser = rate)]
    pub(crate) lock_stale: Option<f64>,

    /// How many records a worker takes on at once
    #[arg(long, value_name = "N", hide = true)]
    pub(crate) shard: Option<NonZeroUsize>,
}

/// What becomes of records in the way, and who is told.
#[derive(Debug, clap::Args)]
pub(crate) struct Watch {
    /// What becomes of records that the version cannot show and whose operation says nothing else
    #[arg(long, value_name = "POLICY", default_value = "reject")]
    pub(crate) on_fail: OnFail,

    /// Write every record that could not be dealt with to a file, as JSON lines
    #[arg(long, value_name = "FILE")]
    pub(crate) report: Option<PathBuf>,
}

/// What becomes of a record in the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum OnFail {
    /// The run fails, and what it did is undone
    Reject,
    /// The record stays as it is, and is counted
    Quarantine,
}

impl OnFail {
    /// Returns what the engine calls it.
    pub(crate) const fn policy(self) -> Policy {
        match self {
            Self::Reject => Policy::Reject,
            Self::Quarantine => Policy::Quarantine,
        }
    }
}

impl Speed {
    /// Returns how fast, and how many.
    pub(crate) fn pace(&self) -> Pace {
        let usual = Pace::default();
        Pace {
            concurrency: self.concurrency,
            workers: self.workers.unwrap_or(usual.workers),
            rate: self.rate,
            shard: self.shard.unwrap_or(usual.shard),
            stale: self.lock_stale.map_or(usual.stale, Duration::from_secs_f64),
        }
    }
}

fn rate(text: &str) -> Result<f64, String> {
    let number = text.parse::<f64>().ok().filter(|number| number.is_finite() && *number > 0.0 && *number < 1e12);
    number.ok_or_else(|| "expected a number larger than 0".to_owned())
}
