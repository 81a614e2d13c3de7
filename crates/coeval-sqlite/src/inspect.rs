//! Looking at the records of a model without changing them.

use std::cell::RefCell;
use std::sync::Arc;

use coeval_store::backend::{Inspection, Survey};
use coeval_store::event::{Event, Tally};
use coeval_store::work::Work;
use coeval_store::{Error, Result};

use crate::backend::Sqlite;
use crate::batch::{self, Batch, failure};
use crate::layout::Layout;
use crate::row;
use crate::statement::Session;
use crate::{archive, catalog, state};

/// Looks at all records of a model, or at some.
pub(crate) async fn inspect(
    store: &Sqlite,
    model: &str,
    survey: Survey,
    sample: Option<u64>,
    work: &Work<'_>,
) -> Result<Inspection> {
    store.catalog.model(model)?;
    let (catalog, deployment, model) = (Arc::clone(&store.catalog), Arc::clone(&store.deployment), model.to_owned());
    let (stop, retired) = (work.stop.clone(), Arc::clone(&store.retired));
    let look = move |session: &Session<'_>| -> Result<_> {
        let ledger = state::ledger(session, &deployment)?;
        let catalog = retired.catalog(&catalog, ledger.oldest());
        let (mut out, failures) = (Inspection::default(), RefCell::new(Vec::new()));
        let entry = catalog.model(&model)?;
        let newest = ledger.newest().unwrap_or_default().min(catalog.head());
        for era in entry.eras.iter().filter(|era| era.first <= newest) {
            let layout = Layout::new(&catalog, entry, era, crate::execute::last(era, newest))?;
            if catalog::table(session, layout.names.base())?.is_none() {
                continue;
            }
            let live: Vec<u32> = (ledger.oldest()..=newest).filter(|version| era.contains(*version)).collect();
            let mut batch = Some(Batch::look(sample.unwrap_or(u64::MAX >> 1)));
            while let Some(part) = batch {
                if stop.is_stopped() {
                    return Err(Error::Stopped);
                }
                let seen = RefCell::new(&mut out);
                let tally = part.each(session, &layout, &|session, row, present| {
                    let mut out = seen.borrow_mut();
                    out.records += 1;
                    if survey == Survey::Count {
                        return Ok(Tally { seen: 1, ..Tally::default() });
                    }
                    for version in &live {
                        if row::hidden(&layout, row, *version)?.is_some() {
                            *out.quarantined.entry(*version).or_default() += 1;
                            continue;
                        }
                        let shape = era.shape(*version).unwrap_or(*version);
                        let document = row::document(&layout, row, *version)?;
                        let violations = era.history.model(*version).map(|model| model.violations(&document)).unwrap_or_default();
                        if let Some(violation) = violations.first() {
                            out.problems += 1;
                            let reason = format!("version {version}: {violation}");
                            failures.borrow_mut().push(failure(&layout, row, "broken", reason));
                        }
                        if survey == Survey::Laws {
                            let kept = archive::kept(session, &layout, row, present)?;
                            let (since, kept) = kept.map_or((*version, None), |(since, kept)| (since, Some(kept)));
                            let state = row::state(&layout, row, present, since, kept.as_ref())?;
                            let stored = era.history.sealed(&state, shape)?;
                            let same = era.history.put(&stored, shape, &document);
                            out.laws += 1;
                            if same != Ok(None) {
                                out.problems += 1;
                                let reason = format!("writing back what version {version} reads changes the record");
                                failures.borrow_mut().push(failure(&layout, row, "law", reason));
                            }
                        }
                    }
                    Ok(Tally { seen: 1, ..Tally::default() })
                })?;
                batch = batch::on(part, sample.unwrap_or(u64::MAX >> 1).saturating_sub(tally.seen));
            }
        }
        Ok((out, failures.into_inner()))
    };
    let (out, failures) = store.database.read("looking at records", look).await?.unwrap_or_default();
    for failure in failures {
        work.observer.event(Event::Failure(failure));
    }
    Ok(out)
}
