//! Looking at records without changing them.

use coeval_core::lens::Stored;

use super::MemoryBackend;
use crate::backend::{Inspection, Survey};
use crate::catalog::Era;
use crate::error::Result;
use crate::event::{Event, Failure};
use crate::ledger::Ledger;
use crate::work::Work;

/// Looks at the records of a model.
pub(super) fn inspect(
    backend: &MemoryBackend,
    model: &str,
    survey: Survey,
    sample: Option<u64>,
    work: &Work<'_>,
) -> Result<Inspection> {
    let data = backend.data()?;
    let ledger = MemoryBackend::ledger_of(&data)?;
    let entry = backend.catalog.model(model)?;
    let mut out = Inspection::default();
    let limit = sample.map_or(usize::MAX, |sample| usize::try_from(sample).unwrap_or(usize::MAX));
    let of = data.records.iter().filter(|((name, _, _), _)| name == model);
    for (nth, ((_, first, key), record)) in of.enumerate() {
        out.records += 1;
        *out.stored.entry(record.stored.version).or_default() += 1;
        let Some(era) = entry.eras.iter().find(|era| era.first == *first).filter(|_| nth < limit) else { continue };
        let mut problem = |kind: &'static str, reason: String| {
            out.problems += 1;
            work.observer.event(Event::Failure(Failure { model: model.to_owned(), key: key.to_string(), kind, reason }));
        };
        match survey {
            Survey::Count => {}
            Survey::Verify | Survey::Laws => {
                if let Some((kind, reason)) = wrong(era, &record.stored) {
                    problem(kind, reason);
                }
                for version in live(era, &ledger) {
                    if era.history.read(&record.stored, era.shape(version).unwrap_or(version)).is_err() {
                        *out.quarantined.entry(version).or_default() += 1;
                    } else if survey == Survey::Laws {
                        let broken = laws(era, &record.stored, era.shape(version).unwrap_or(version));
                        out.laws += 2 - broken.len() as u64;
                        for reason in broken {
                            out.problems += 1;
                            let kind = "law";
                            let failure = Failure { model: model.to_owned(), key: key.to_string(), kind, reason };
                            work.observer.event(Event::Failure(failure));
                        }
                    }
                }
            }
        }
    }
    Ok(out)
}

fn live<'e>(era: &'e Era, ledger: &Ledger) -> impl Iterator<Item = u32> + 'e {
    (ledger.oldest()..=ledger.newest().unwrap_or_default()).filter(|version| era.contains(*version))
}

/// What is wrong with a record where it lies.
fn wrong(era: &Era, stored: &Stored) -> Option<(&'static str, String)> {
    if era.history.model(stored.version).is_none() || !era.contains(stored.version) {
        let reason = format!("it says that it is at version {}, at which there is no such model", stored.version);
        return Some(("unknown-version", reason));
    }
    era.history.read(stored, stored.version).err().map(|refused| ("broken", refused.to_string()))
}

/// Writing back what was read changes nothing; there and back gives the same. Returns what does not hold.
fn laws(era: &Era, stored: &Stored, version: u32) -> Vec<String> {
    let history = &era.history;
    let mut broken = Vec::new();
    let written_back = history.read(stored, version).and_then(|read| history.put(stored, version, &read));
    if written_back != Ok(None) {
        broken.push(format!("writing back what version {version} reads changes the record"));
    }
    let back = history.migrate(stored, version).and_then(|moved| history.migrate(&moved, stored.version));
    // A record that is broken where it lies, or not shown there, stays; then there is no way to go.
    if back.as_ref().is_ok_and(|back| back.to_value(true).to_string() != stored.to_value(true).to_string()) {
        broken.push(format!("moving the record to version {version} and back does not give the same bytes"));
    }
    broken
}
