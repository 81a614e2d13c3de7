//! Versions retire in the chains of the model: its edits make and unmake objects that need not be there, which no operation does.

use coeval_core::history::History;
use coeval_core::lens::Stored;
use coeval_core::value::{Object, Value};

use super::{apply, brief, chain, list, number, through_text};
use crate::laws::retire::{forget, live_versions};
use crate::laws::view::{alike, show, text};

/// Retires every version in turn after every event of a case, and lets the rest of the events happen with and without.
/// Returns how many records lost something, and how often a later write made a difference for it.
///
/// # Errors
/// A read at a live version that forgetting changed, or a later write did of a record that had lost nothing.
pub fn retire(case: &Value) -> Result<(u64, u64), String> {
    let case = case.as_object().ok_or("a case is an object")?;
    let (steps, events) = (list(case, "steps")?, list(case, "events")?);
    let events: Vec<&Object> =
        events.iter().map(|event| event.as_object().ok_or("an event is an object")).collect::<Result<_, _>>()?;
    let full = chain::build(steps)?;
    let mut counts = (0, 0);
    for before in full.versions().skip(1) {
        let retired = chain::build(steps)?.retire(before);
        let mut stored: Option<Stored> = None;
        for (i, event) in events.iter().enumerate() {
            let (now, _) = apply(&full, stored.take(), event)?;
            let now = through_text(&now)?;
            let place = |e: String| format!("before {before} after event {}: {e}", i + 1);
            let (lost, parted) = follow(&full, &retired, &now, &events[i + 1..]).map_err(place)?;
            counts = (counts.0 + u64::from(lost), counts.1 + u64::from(parted));
            stored = Some(now);
        }
    }
    Ok(counts)
}

/// Whether a record loses something, and whether the events that follow make a difference for it.
fn follow(full: &History, retired: &History, stored: &Stored, events: &[&Object]) -> Result<(bool, bool), String> {
    let (mut forgotten, lost) = forget(full, retired, stored).map_err(|e| e.to_string())?;
    // Beside it, the same document where nothing has retired, and the one that has lost nothing.
    let mut document = forgotten.clone();
    let mut original = full.migrate(stored, forgotten.version).unwrap_or_else(|_| stored.clone());
    for event in events {
        if retired.is_retired(number(event, "version")?) {
            continue;
        }
        if document.version != forgotten.version || original.version != forgotten.version {
            return Err(format!("{}: stored at versions of their own", brief(event)));
        }
        (forgotten, _) = apply(retired, Some(forgotten), event)?;
        (document, _) = apply(full, Some(document), event)?;
        (original, _) = apply(full, Some(original), event)?;
        for version in live_versions(retired) {
            let read = |history, stored: &Stored| show(history, stored, version, &mut (0, 0)).map_err(|e| e.to_string());
            let is = read(retired, &forgotten)?;
            for (other, certain) in [(&document, true), (&original, !lost)] {
                let was = read(full, other)?;
                if alike(&was, &is) {
                    continue;
                }
                if !certain {
                    return Ok((lost, true));
                }
                let (here, there, event) = (text(&forgotten), text(other), brief(event));
                return Err(format!("{event}: version {version} reads {is:?} of {here}\n  instead of {was:?} of {there}"));
            }
        }
    }
    Ok((lost, false))
}
