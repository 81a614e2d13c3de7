//! R5: a stored document in another version's shape; and for a run, which has to know what to do with one that does not move.

use super::cell::State;
use super::reject::{Search, Way};
use super::{Refused, Stored, list, shape};
use crate::history::{History, Time};
use crate::json;
use crate::lens::Lens;
use crate::schema::Violation;

/// Why a record was not moved to another version, by what a run has to do about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unmoved {
    /// There is no such version of the model.
    #[error("the model has no version {0}")]
    NoVersion(u32),
    /// Clients may use the version no more, so nothing is moved to it.
    #[error("version {0} is retired")]
    Retired(u32),
    /// A conversion failed whose operation says `reject`: the run must refuse.
    #[error("version {version} could not show the record: {}", list(.violations))]
    Rejected {
        /// The first version that has what could not be converted; of several the one furthest on the way, so that a run that
        /// knows which versions are new can tell a failure of theirs from one of versions that were there already.
        version: u32,
        /// What could not be converted to it.
        violations: Vec<Violation>,
    },
    /// The version cannot show the record, and no operation minds: the record stays as it is and is counted.
    #[error("version {version} cannot show the record: {}", list(.violations))]
    Quarantined {
        /// The version.
        version: u32,
        /// What it cannot show.
        violations: Vec<Violation>,
    },
    /// The record does not fit the version that it is stored at: something else than coeval has edited it.
    #[error("the record does not fit version {version}, at which it is stored: {}", list(.violations))]
    Broken {
        /// The version.
        version: u32,
        /// What does not fit.
        violations: Vec<Violation>,
    },
    /// The record has undeclared properties of names that a version on the way declares.
    #[error("the record has undeclared properties that a newer version declares: {}", .paths.join(", "))]
    Claimed {
        /// Where they lie.
        paths: Vec<String>,
    },
}

impl History {
    /// Moves a stored document to another version's shape (R5). A record in quarantine there, or where it lies, stays.
    ///
    /// # Errors
    /// [`Refused::Quarantined`], with the stored document untouched.
    pub fn migrate(&self, stored: &Stored, version: u32) -> Result<Stored, Refused> {
        let lens = self.lens_between(self.time(stored.version)?, self.live(version)?);
        let state = self.expand(stored)?;
        let here = self.lens_between(lens.stored.time, lens.stored.time);
        self.shown(&here, &state, stored, stored.version)?;
        self.shown(&lens, &state, stored, version)?;
        self.moved(stored, &lens, &state, version)
    }

    /// As [`History::migrate`], for a run: says what the operations on the way want done with a record that does not move.
    ///
    /// A record whose conversion to *any* version on the way was rejected is refused, also where the version asked for could
    /// show it. Where a version on the way only has it in its quarantine, it moves.
    ///
    /// # Errors
    /// Why it does not move, with the stored document untouched.
    pub fn move_to(&self, stored: &Stored, version: u32) -> Result<Stored, Unmoved> {
        let time = |version| self.time(version).map_err(|_| Unmoved::NoVersion(version));
        let lens = self.lens_between(time(stored.version)?, time(version)?);
        if self.is_retired(version) {
            return Err(Unmoved::Retired(version));
        }
        let (from, to) = (lens.stored.time, lens.requested.time);
        let state = self.expand(stored).map_err(|_| Unmoved::NoVersion(stored.version))?;
        let violations = shape::check(&self.scope, &lens.stored, &state);
        if !violations.is_empty() {
            return Err(Unmoved::Broken { version: stored.version, violations });
        }
        let paths = self.claimed_between(&state, from, to);
        if !paths.is_empty() {
            return Err(Unmoved::Claimed { paths });
        }
        if let Some((version, violations)) = self.rejected_between(&state, from, to) {
            return Err(Unmoved::Rejected { version, violations });
        }
        let violations = shape::check(&self.scope, &lens.requested, &state);
        if !violations.is_empty() {
            return Err(Unmoved::Quarantined { version, violations });
        }
        self.moved(stored, &lens, &state, version).map_err(|_| Unmoved::NoVersion(version))
    }

    pub(super) fn moved(&self, stored: &Stored, lens: &Lens, state: &State, version: u32) -> Result<Stored, Refused> {
        let mut moved = self.compress(version, state)?;
        if lens.stored.time == lens.requested.time {
            if self.admit(version, &stored.document).is_ok() {
                moved.document.clone_from(&stored.document);
            }
            moved.text.clone_from(&stored.text);
        } else {
            moved.text = state.layouts.iter().find(|(t, _)| *t == lens.requested.time).and_then(|(_, layout)| {
                let text = layout.text.as_deref()?;
                json::parse(text.as_bytes()).is_ok_and(|value| value.identical(&moved.document)).then(|| text.into())
            });
        }
        Ok(moved)
    }

    /// Returns the undeclared properties of a stored document whose paths a version claims for properties of its own.
    ///
    /// # Errors
    /// A version that does not exist.
    pub fn claimed(&self, stored: &Stored, version: u32) -> Result<Vec<String>, Refused> {
        let state = self.expand(stored)?;
        let order = self.scope.order(self.time(version)?);
        Ok(shape::claimed(&self.scope, &order, &state))
    }

    /// The undeclared properties that any version on the way claims.
    fn claimed_between(&self, state: &State, from: Time, to: Time) -> Vec<String> {
        let mut paths: Vec<String> = Vec::new();
        let on_the_way = |t: &Time| if from < to { from < *t && *t <= to } else { to <= *t && *t < from };
        for t in self.cuts.times().filter(on_the_way).filter(|t| !self.scope.is_past(*t)) {
            for path in shape::claimed(&self.scope, &self.scope.order(t), state) {
                if !paths.contains(&path) {
                    paths.push(path);
                }
            }
        }
        paths
    }

    /// The conversions on the way that failed and say `reject`.
    fn rejected_between(&self, state: &State, from: Time, to: Time) -> Option<(u32, Vec<Violation>)> {
        let times = if from < to { from + 1..=to } else { to + 1..=from };
        let mut search = Search { way: Some(Way { times, up: from < to }), lists: None, found: Vec::new() };
        search.record(&self.scope, from, state, None);
        let version = |born: Time| self.cuts.version_from(born).unwrap_or_else(|| self.newest()).max(self.before);
        let versions = search.found.iter().map(|failed| version(failed.born));
        let last = if from < to { versions.max() } else { versions.min() }?;
        let of_last = search.found.into_iter().filter(|failed| version(failed.born) == last);
        Some((last, of_last.map(|failed| Violation { path: failed.path, message: failed.reason }).collect()))
    }
}
