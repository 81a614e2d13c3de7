//! What becomes of one record in a run.

use coeval_core::document::Document;
use coeval_core::history::History;
use coeval_core::lens::{Stored, Unmoved};
use coeval_core::{Object, Value};

use super::convert::{Fate, Goal, Order, Subject, key_values, read};
use super::problem::{self, BROKEN, CLAIMED, QUARANTINED, REJECTED, UNKNOWN_VERSION, UNREADABLE, failure};

/// The member of a record's notes that says from where a run took it, where that is not the version that was in force.
pub(super) const ORIGIN: &str = "from";

/// Decides about the bytes of a record. `place` says where it lies, for one whose key cannot be read.
pub(super) fn fate(
    subject: &Subject<'_>,
    order: &Order<'_>,
    place: &dyn Fn() -> String,
    bytes: &[u8],
    stamp: Option<u32>,
) -> Fate {
    let told = |key: String, kind: &'static str, reason: String| failure(subject.model, key, kind, reason);
    let document = match read(subject.format, bytes, stamp) {
        Ok(document) => document,
        Err((kind, reason)) => return order.in_the_way(told(place(), kind, reason)),
    };
    let name = || key_values(subject.era, &document).map_or_else(place, |values| values.join("/"));
    let stored = document.stored.version;
    if !subject.catalog.holds(subject.era, stored) {
        let reason = format!("it is at version {stored}, at which the manifest has no such model");
        return order.in_the_way(told(name(), UNKNOWN_VERSION, reason));
    }
    let unknown = subject.era.history.unknown(&document.stored);
    if !unknown.is_empty() {
        let reason = format!("it keeps values for versions that the manifest does not have: {}", unknown.join(", "));
        return order.in_the_way(told(name(), UNKNOWN_VERSION, reason));
    }
    match next(subject, order, &document) {
        None => Fate::Same,
        Some(Ok((next, dropped))) => written(subject, order, &document, &next, dropped, &name),
        Some(Err(unmoved)) => {
            let kind = kind(&unmoved);
            let failure = told(name(), kind, unmoved.to_string());
            // An operation's own policy says that such records stay, and what a version that was in force already cannot show is
            // not this run's doing; all others are for the run to decide.
            let old = matches!((&unmoved, order.goal), (Unmoved::Rejected { version, .. }, Goal::Move { home, to })
                if *version <= home && home <= to);
            if old || kind == QUARANTINED { Fate::Stays(failure) } else { order.in_the_way(failure) }
        }
    }
}

/// What a record becomes, and how many values are dropped on the way; `None` where it is what it should be.
fn next(subject: &Subject<'_>, order: &Order<'_>, document: &Document) -> Option<Result<(Stored, u64), Unmoved>> {
    let (history, stored) = (&subject.era.history, document.stored.version);
    let to = match order.goal {
        Goal::Undo { at, .. } if stored != at => return None,
        Goal::Undo { home, .. } => origin(document, order.run).unwrap_or(home),
        Goal::Move { to, .. } => to,
        Goal::Forget { to } => {
            return match history.forget(&document.stored, to) {
                Ok((next, lost)) if lost.is_empty() && next.version == stored && next.keep == document.stored.keep => None,
                Ok((next, lost)) => Some(Ok((next, lost.len() as u64))),
                Err(unmoved) => Some(Err(unmoved)),
            };
        }
    };
    if to == stored {
        return None;
    }
    let moved = match (history.move_to(&document.stored, to), order.goal) {
        // What a version in force claims already is told apart from what the new one does: it is kept beside, as ever.
        (Err(Unmoved::Claimed { .. }), Goal::Move { home, .. }) if claimed_before(history, &document.stored, home, to) => {
            history.migrate(&document.stored, to).map_err(|_| Unmoved::NoVersion(to))
        }
        (Err(Unmoved::Claimed { .. }), Goal::Undo { .. }) => {
            history.migrate(&document.stored, to).map_err(|_| Unmoved::NoVersion(to))
        }
        (moved, _) => moved,
    };
    Some(moved.map(|next| (next, 0)))
}

fn claimed_before(history: &History, stored: &Stored, home: u32, to: u32) -> bool {
    match (history.claimed(stored, home), history.claimed(stored, to)) {
        (Ok(before), Ok(now)) => now.iter().all(|path| before.contains(path)),
        _ => false,
    }
}

/// Returns from where a run took a record, if it was this run.
fn origin(document: &Document, run: &str) -> Option<u32> {
    let origin = document.extra.get(ORIGIN)?.as_object()?;
    if origin.get("run")?.as_str() != Some(run) {
        return None;
    }
    u32::try_from(origin.get("version")?.as_i64()?).ok()
}

fn written(
    subject: &Subject<'_>,
    order: &Order<'_>,
    document: &Document,
    next: &Stored,
    dropped: u64,
    name: &dyn Fn() -> String,
) -> Fate {
    let mut noted = document.clone();
    noted.extra.remove(ORIGIN);
    if let Goal::Move { home, .. } = order.goal
        && document.stored.version != home
    {
        let version = i64::from(document.stored.version).into();
        noted
            .extra
            .insert(ORIGIN, Object::from_iter([("run".into(), Value::from(order.run)), ("version".into(), version)]).into());
    }
    match noted.write(next) {
        Ok(bytes) => Fate::Written(bytes, next.version, dropped),
        Err(error) => order.in_the_way(failure(subject.model, name(), UNREADABLE, problem::unreadable(&error))),
    }
}

fn kind(unmoved: &Unmoved) -> &'static str {
    match unmoved {
        Unmoved::Rejected { .. } => REJECTED,
        Unmoved::Quarantined { .. } => QUARANTINED,
        Unmoved::Broken { .. } => BROKEN,
        Unmoved::Claimed { .. } => CLAIMED,
        Unmoved::NoVersion(_) | Unmoved::Retired(_) => UNKNOWN_VERSION,
    }
}
