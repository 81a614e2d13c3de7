//! What retiring must leave as it is: beside the record runs the same one under a history in which versions have retired.

use coeval_core::history::{History, Scope};
use coeval_core::lens::{Keep, Lost, Refused, Stored, Unmoved};

use super::run::{Failure, outcome};
use super::scenario::Event;
use super::view::{alike, reread, show, text};

/// The record under a history in which versions have retired.
#[derive(Debug, Default)]
pub(super) struct Retired {
    spare: Option<History>,
    living: Option<Living>,
}

#[derive(Debug)]
struct Living {
    history: History,
    stored: Stored,
    /// The same document under the history in which none has.
    full: Stored,
    /// Whether something was lost that an object may depend on, in a later write.
    lost: bool,
    /// Whether one did.
    apart: bool,
}

impl Retired {
    pub(super) fn new(spare: History) -> Self {
        Self { spare: Some(spare), living: None }
    }

    /// Returns whether versions have retired.
    pub(super) fn is_under_way(&self) -> bool {
        self.living.is_some()
    }

    /// Whether an event is one of clients that are gone; they must be refused.
    pub(super) fn refuses(&self, event: &Event, stored: Option<&Stored>) -> Result<bool, Failure> {
        let Some(living) = &self.living else { return Ok(false) };
        let Some(version) = event.versions().into_iter().find(|version| living.history.is_retired(*version)) else {
            return Ok(stored.is_some_and(|s| living.history.is_retired(s.version))
                && matches!(event, Event::Outside { .. } | Event::Same { .. } | Event::Round { .. }));
        };
        match living.history.read(&living.stored, version) {
            Err(Refused::Retired(_)) => Ok(true),
            other => Failure::fail("RETIRE", format!("read at {version}, which is retired: {other:?}")),
        }
    }

    /// Retires versions; returns where the record lies then.
    pub(super) fn begin(&mut self, before: u32, full: &History, stored: &Stored) -> Result<Option<u32>, Failure> {
        let Some(spare) = self.spare.take() else { return Ok(None) };
        let history = spare.retire(before);
        let (forgotten, lost) = forget(full, &history, stored)?;
        let version = forgotten.version;
        self.living = Some(Living { history, full: forgotten.clone(), stored: forgotten, lost, apart: false });
        Ok(Some(version))
    }

    /// Lets what happened to the record happen to this one.
    ///
    /// `before` and `after` are the record whose history did not retire.
    pub(super) fn follow(
        &mut self,
        event: &Event,
        full: &History,
        before: Option<&Stored>,
        after: Option<&Stored>,
    ) -> Result<(), Failure> {
        let (Some(living), Some(before), Some(after)) = (&mut self.living, before, after) else { return Ok(()) };
        let mut reads = (0, 0);
        let done = perform(&living.history, &living.stored, event);
        let plain = perform(full, &living.full, event);
        let rejected = |result: &Result<_, Refused>| matches!(result, Err(Refused::Rejected { .. }));
        if done.is_ok() && (rejected(&plain) || rejected(&perform(full, before, event))) {
            // Only a retired version could not show it.
            self.living = None;
            return Ok(());
        }
        if outcome(&done) != outcome(&plain) {
            return Failure::fail("RETIRE", format!("{event:?}: {done:?}, without retiring {plain:?}"));
        }
        if let (Ok(Some(done)), Ok(Some(plain))) = (done, plain) {
            living.stored = reread(&done)?;
            living.full = reread(&plain)?;
        }
        for version in live_versions(&living.history) {
            let is = show(&living.history, &living.stored, version, &mut reads)?;
            let differs = |name, stored: &Stored, was| {
                let (here, there) = (text(&living.stored), text(stored));
                let message = format!("read at {version} after {event:?}: {is:?} of {here}\n  {name} {was:?} of {there}");
                Failure::fail("RETIRE", message)
            };
            let was = show(full, &living.full, version, &mut reads)?;
            if !alike(&was, &is) {
                return differs("forgotten and not retired", &living.full, was);
            }
            let was = show(full, after, version, &mut reads)?;
            if !living.apart && !alike(&was, &is) {
                if !living.lost {
                    return differs("neither forgotten nor retired", after, was);
                }
                living.apart = true;
            }
        }
        Ok(())
    }
}

/// Forgets what only retired versions could see of a record, and checks that no read changes at one that lives; a record that
/// cannot move stays as it is. Returns the record and whether something was lost.
pub(crate) fn forget(full: &History, retired: &History, stored: &Stored) -> Result<(Stored, bool), Failure> {
    let to = retired.newest().max(retired.oldest());
    let fail = |message: String| Failure::fail("RETIRE", format!("from {}: {message}\n  {}", retired.oldest(), text(stored)));
    let (forgotten, lost) = match retired.forget(stored, to) {
        Ok(done) => done,
        Err(Unmoved::Broken { version, .. } | Unmoved::Quarantined { version, .. }) if full.read(stored, version).is_err() => {
            return Ok((stored.clone(), false));
        }
        Err(other) => return fail(other.to_string()),
    };
    let forgotten = reread(&forgotten)?;
    let mut reads = (0, 0);
    for version in live_versions(retired) {
        let was = show(full, stored, version, &mut reads)?;
        for (history, stored) in [(retired, stored), (retired, &forgotten), (full, &forgotten)] {
            let is = show(history, stored, version, &mut reads)?;
            if !alike(&was, &is) {
                return fail(format!("read at {version}: {was:?} became {is:?} of {}", text(stored)));
            }
        }
    }
    check_forgotten(full, retired, stored, &forgotten, &lost).or_else(|e| fail(e).map(|_| ()))?;
    Ok((forgotten, !lost.is_empty()))
}

/// The versions that clients may use; one at which the model did not change is like the one before.
pub(crate) fn live_versions(history: &History) -> Vec<u32> {
    let later = history.versions().filter(|version| *version > history.oldest());
    std::iter::once(history.oldest()).chain(later).collect()
}

fn perform(history: &History, stored: &Stored, event: &Event) -> Result<Option<Stored>, Refused> {
    match event {
        Event::Create { at, document } => history.create(*at, document.clone()).map(Some),
        Event::Put { at, document } => history.put(stored, *at, document),
        Event::Merge { at, patch } => history.merge_patch(stored, *at, patch),
        Event::Patch { at, patch } => history.json_patch(stored, *at, patch),
        Event::Migrate { to } => history.migrate(stored, *to).map(Some),
        Event::Outside { document } => Ok(Some(history.edit_outside(stored, document.clone()))),
        Event::Same { .. } | Event::Round { .. } => match history.migrate(stored, stored.version) {
            Ok(stamped) => Ok(Some(stamped)),
            Err(_) => Ok(None),
        },
        Event::Retire { .. } => Ok(None),
    }
}

fn check_forgotten(full: &History, history: &History, stored: &Stored, forgotten: &Stored, lost: &[Lost]) -> Result<(), String> {
    match history.forget(forgotten, history.oldest()) {
        Ok((again, lost)) if text(&again) == text(forgotten) && lost.is_empty() => {}
        other => return Err(format!("forgotten again: {other:?} of {}", text(forgotten))),
    }
    if let Ok(stamped) = history.migrate(forgotten, forgotten.version)
        && text(&stamped) != text(forgotten)
        && text(forgotten) != text(stored)
    {
        return Err(format!("stamped anew: {}\n  instead of {}", text(&stamped), text(forgotten)));
    }
    if let Some(key) = dead_in(history.scope(), &forgotten.keep) {
        return Err(format!("{key} is still kept: {}", text(forgotten)));
    }
    // What was not lost is computed for those that are gone, too.
    for version in full.versions().filter(|version| history.is_retired(*version) && lost.is_empty()) {
        let (was, is) = (full.read(stored, version).ok(), full.read(forgotten, version).ok());
        // A conversion that failed may be forgotten like what it failed on.
        if was.is_some() && was != is {
            return Err(format!("nothing is lost, and {version} reads {is:?} instead of {was:?} of {}", text(forgotten)));
        }
    }
    Ok(())
}

fn dead_in(scope: &Scope, keep: &Keep) -> Option<String> {
    keep.entries.iter().find_map(|(key, entry)| {
        let id = scope.nodes.iter().position(|node| node.key == *key)?;
        if scope.is_dead(id) {
            return Some(key.clone());
        }
        let elements = scope.nodes[id].elements.as_deref()?;
        entry.items.iter().find_map(|item| dead_in(elements, &item.keep))
    })
}
