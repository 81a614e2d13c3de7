//! What becomes of one record in a step.

use coeval_core::lens::{Stored, Unmoved};
use coeval_plan::RecordStep;

use crate::catalog::{Catalog, Era};
use crate::error::{Error, Result};
use crate::work::Policy;

/// What becomes of a record.
#[derive(Debug)]
pub(super) enum Verdict {
    /// It is as it should be.
    Same,
    /// It is stored otherwise, and so many values are dropped.
    Becomes(Box<Stored>, u64),
    /// It is removed: only versions that are retired could see it.
    Goes,
    /// It stays since the version cannot show it, as its operation wants it.
    Stays {
        /// The kind of failure that is told.
        kind: &'static str,
        /// Why.
        reason: String,
    },
    /// It is in the way.
    Fails {
        /// The kind of failure that is told.
        kind: &'static str,
        /// Why.
        reason: String,
    },
}

/// The eras whose records a step is about.
pub(super) fn eras<'c>(catalog: &'c Catalog, step: RecordStep<'_>) -> Result<Vec<&'c Era>> {
    match step {
        RecordStep::Move { model, to, .. } => Ok(vec![catalog.era(model, to)?]),
        RecordStep::Forget { model, .. } => Ok(catalog.model(model)?.eras.iter().collect()),
    }
}

/// Decides about a record. `origin` is the version that an undone run took it from.
pub(super) fn decide(
    era: &Era,
    stored: &Stored,
    step: RecordStep<'_>,
    origin: Option<u32>,
    undo: bool,
    policy: Policy,
) -> Verdict {
    match step {
        RecordStep::Move { .. } if undo => match origin {
            Some(origin) => moved(era, stored, origin, None, Policy::Quarantine),
            None => Verdict::Same,
        },
        RecordStep::Move { from, to, .. } => moved(era, stored, era.shape(to).unwrap_or(to), Some(from), policy),
        RecordStep::Forget { before, .. } if era.end.is_some_and(|end| end <= before) => Verdict::Goes,
        RecordStep::Forget { before, to, .. } => forgotten(era, stored, before, to, policy),
    }
}

fn moved(era: &Era, stored: &Stored, to: u32, from: Option<u32>, policy: Policy) -> Verdict {
    let history = &era.history;
    if stored.version == to {
        return Verdict::Same;
    }
    if stored.version > history.newest() {
        let reason = format!("it says that it is at version {}, at which there is no such model", stored.version);
        return Verdict::Fails { kind: "unknown-version", reason };
    }
    let unmoved = match history.move_to(stored, to) {
        Ok(moved) => return Verdict::Becomes(Box::new(moved), 0),
        Err(unmoved) => unmoved,
    };
    let reason = unmoved.to_string();
    let kind = match &unmoved {
        Unmoved::NoVersion(_) | Unmoved::Retired(_) => "unknown-version",
        Unmoved::Broken { .. } => "broken",
        Unmoved::Claimed { .. } => "claimed",
        Unmoved::Rejected { .. } => "rejected",
        Unmoved::Quarantined { .. } => "quarantined",
    };
    let stays = match &unmoved {
        Unmoved::Quarantined { .. } => true,
        // A version that was in force before could not show it either; whoever brought that into force let it stay.
        Unmoved::Rejected { version, .. } => from.is_some_and(|from| from <= to && *version <= from),
        Unmoved::NoVersion(_) | Unmoved::Retired(_) | Unmoved::Broken { .. } | Unmoved::Claimed { .. } => false,
    };
    if stays || policy == Policy::Quarantine { Verdict::Stays { kind, reason } } else { Verdict::Fails { kind, reason } }
}

fn forgotten(era: &Era, stored: &Stored, before: u32, to: u32, policy: Policy) -> Verdict {
    let shape = |version: u32| era.shape(version).unwrap_or(version);
    // What the oldest version that stays looks like may be older than it.
    let oldest = shape(before.max(era.first));
    let mut out = if stored.version < oldest {
        match moved(era, stored, shape(to.max(era.first)), None, policy) {
            Verdict::Becomes(moved, _) => *moved,
            other => return other,
        }
    } else {
        stored.clone()
    };
    let live: Vec<u32> = era.history.versions().filter(|version| *version >= oldest).collect();
    let reads = |stored: &Stored| live.iter().map(|v| era.history.read(stored, *v)).collect::<Vec<_>>();
    let wanted = reads(&out);
    let mut dropped = 0;
    // One value after the other: what no version that stays can tell the absence of is dropped.
    let keys: Vec<String> = out.keep.entries.iter().map(|(key, _)| key.clone()).collect();
    for key in keys {
        let mut without = out.clone();
        without.keep.entries.retain(|(known, _)| *known != key);
        if reads(&without) == wanted {
            dropped += 1;
            out = without;
        }
    }
    let layouts = out.keep.layouts.len();
    out.keep.layouts.retain(|(version, _)| *version >= oldest);
    if dropped == 0 && out.version == stored.version && layouts == out.keep.layouts.len() {
        return Verdict::Same;
    }
    Verdict::Becomes(Box::new(out), dropped)
}

/// Says that a record cannot be understood.
pub(super) fn bad(key: &str, reason: impl Into<String>) -> Error {
    Error::BadRecord { key: key.to_owned(), reason: reason.into() }
}
