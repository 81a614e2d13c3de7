//! Looks at every record of a model, without a change.

use std::collections::HashMap;

use coeval_core::document::{Document, Format};
use coeval_plan::RecordStep;
use coeval_store::backend::{Inspection, Survey};
use coeval_store::event::{Event, Tally};
use coeval_store::objects::Object;
use coeval_store::work::Work;
use coeval_store::{Catalog, Era, Result};
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};

use super::convert::{key_values, lines, read};
use super::execute::{Job, stamp};
use super::listing::{self, Sample};
use super::problem::{self, BROKEN, CLAIMED, DUPLICATE, LAW, MISPLACED, UNKNOWN_VERSION, UNREADABLE, failure};
use super::{Documents, Place};

/// Looks at the records of a model.
pub(super) async fn inspect(
    store: &Documents,
    model: &str,
    survey: Survey,
    sample: Option<u64>,
    work: &Work<'_>,
) -> Result<Inspection> {
    let ledger = store.read_ledger().await?;
    let newest = ledger.newest().unwrap_or_else(|| store.catalog.head());
    let step = RecordStep::Move { model, from: newest, to: newest };
    let mut found = Inspection::default();
    let Some(job) = Job::new(store, step, work).await? else { return Ok(found) };
    let catalog = store.live(ledger.oldest());
    let era = catalog.era(model, newest)?;
    let live: Vec<u32> = era.history.versions().filter(|version| *version <= newest).collect();
    let oldest = era.shape(ledger.oldest()).unwrap_or(era.first);
    let live: Vec<u32> = live.into_iter().filter(|version| *version >= oldest).collect();
    let look = Look { place: job.place(), format: job.format().clone(), era, catalog: &catalog, live, survey };
    let keys: BoxStream<'_, Result<String>> = match sample {
        None => listing::keys(&job, None),
        Some(count) => futures::stream::iter(Sample::of(&job, count).await?.into_iter().map(Ok)).boxed(),
    };
    let read = |key: String| async move { Ok(store.objects.get(&key).await?.map(|object| (key, object))) };
    let mut objects = std::pin::pin!(keys.map_ok(read).try_buffer_unordered(work.pace.concurrency.get()));
    while let Some(object) = objects.try_next().await? {
        work.go_on()?;
        let Some((key, object)) = object else { continue };
        let before = found.records;
        for problem in look.object(&key, &object, &mut found) {
            // What an operation lets stay in quarantine is named and counted, and is no problem.
            found.problems += u64::from(problem.kind != problem::QUARANTINED);
            work.observer.event(Event::Failure(problem));
        }
        job.tell(Some(Tally { seen: found.records - before, ..Tally::default() }));
    }
    job.tell(None);
    Ok(found)
}

struct Look<'l> {
    place: &'l Place,
    format: Format,
    era: &'l Era,
    catalog: &'l Catalog,
    /// The live versions at which the model changed.
    live: Vec<u32>,
    survey: Survey,
}

type Failures = Vec<coeval_store::event::Failure>;

impl Look<'_> {
    fn object(&self, key: &str, object: &Object, found: &mut Inspection) -> Failures {
        let mut problems = Vec::new();
        let template = &self.place.template;
        let unpacked = match template.packing.unpack(&object.bytes) {
            Ok(unpacked) => unpacked,
            Err(error) => {
                let reason = format!("it cannot be unpacked: {error}");
                return vec![failure(&self.place.model, key, UNREADABLE, reason)];
            }
        };
        if !template.lines {
            self.record(
                key,
                &unpacked,
                stamp(object),
                template.key_of(key).as_ref().map(|key| key.0.as_slice()),
                found,
                &mut problems,
            );
            return problems;
        }
        let mut keys = HashMap::new();
        for (at, line) in lines(&unpacked).enumerate().filter(|(_, line)| !line.trim_ascii().is_empty()) {
            self.record(&format!("{key}:{}", at + 1), line, None, None, found, &mut problems);
            let own = read(&self.format, line, None).ok().and_then(|document| key_values(self.era, &document));
            if let Some(first) = own.and_then(|own| keys.insert(own, at)) {
                let reason = format!("it has the key of line {}", first + 1);
                problems.push(failure(&self.place.model, format!("{key}:{}", at + 1), DUPLICATE, reason));
            }
        }
        problems
    }

    fn record(
        &self,
        place: &str,
        bytes: &[u8],
        stamp: Option<u32>,
        expected: Option<&[String]>,
        found: &mut Inspection,
        problems: &mut Failures,
    ) {
        found.records += 1;
        let mut tell = |kind, reason: String| problems.push(failure(&self.place.model, place, kind, reason));
        let document = match read(&self.format, bytes, stamp) {
            Ok(document) => document,
            Err((kind, reason)) => return tell(kind, reason),
        };
        let stored = document.stored.version;
        *found.stored.entry(stored).or_default() += 1;
        if self.survey == Survey::Count {
            return;
        }
        if !self.catalog.holds(self.era, stored) {
            return tell(UNKNOWN_VERSION, format!("it is at version {stored}, at which the manifest has no such model"));
        }
        let declared = self.era.history.model(stored).is_some_and(|model| !model.key.is_empty());
        if let (Some(expected), true) = (expected, declared) {
            let own = key_values(self.era, &document);
            if own.as_deref() != Some(expected) {
                let own = own.map_or("no key".to_owned(), |own| format!("the key `{}`", own.join("/")));
                tell(MISPLACED, format!("the record has {own}, the object's name says `{}`", expected.join("/")));
            }
        }
        for version in &self.live {
            if let Err(refused) = self.era.history.read(&document.stored, *version) {
                *found.quarantined.entry(*version).or_default() += 1;
                let kind = if *version == stored { BROKEN } else { problem::QUARANTINED };
                tell(kind, refused.to_string());
            }
        }
        // What a new version would be in the way of is found by trying; what a version in force is, is told here.
        let newest = self.live.last().copied().unwrap_or(stored);
        if let Ok(claimed) = self.era.history.claimed(&document.stored, newest)
            && !claimed.is_empty()
        {
            let names = claimed.iter().map(|path| format!("`{path}`")).collect::<Vec<_>>().join(", ");
            tell(CLAIMED, format!("{names}, undeclared where it is stored, is a property of version {newest}, and hidden there"));
        }
        if self.survey == Survey::Laws {
            for reason in self.laws(&document, &mut found.laws) {
                tell(LAW, reason);
            }
        }
    }

    /// Checks the laws on one record; what does not hold is a fault of coeval, and told so.
    fn laws(&self, document: &Document, held: &mut u64) -> Vec<String> {
        let history = &self.era.history;
        let stored = &document.stored;
        let mut broken = Vec::new();
        // A record that is broken where it lies stays there: nothing is promised about its way to others.
        if history.read(stored, stored.version).is_err() {
            return broken;
        }
        for version in &self.live {
            let Ok(read) = history.read(stored, *version) else { continue };
            match history.put(stored, *version, &read) {
                Ok(None) => *held += 1,
                Ok(Some(_)) => broken.push(format!("writing back what version {version} reads would change it")),
                Err(refused) => broken.push(format!("writing back what version {version} reads is refused: {refused}")),
            }
            let Ok(moved) = history.move_to(stored, *version) else { continue };
            if history.read(&moved, *version).ok().as_ref() != Some(&read) {
                broken.push(format!("stored at version {version} it reads differently"));
            }
            let back = document.write(&moved).ok().and_then(|bytes| {
                let there = Document::read(&bytes, &self.format).ok()?;
                let back = there.write(&history.move_to(&there.stored, stored.version).ok()?).ok()?;
                Document::read(&back, &self.format).ok()
            });
            match back {
                Some(back) if back.natural_text() == document.natural_text() => *held += 1,
                _ => broken.push(format!("going to version {version} and back does not give the same bytes")),
            }
        }
        broken
    }
}
