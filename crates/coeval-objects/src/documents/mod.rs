//! Records as JSON documents in a store of objects: one an object, or many a file as JSON lines.
//!
//! A document has the natural shape of the version that it was last written at, and carries `_coeval` as its last property: the
//! version, and what that version does not show. Everything else that coeval needs lies under `_coeval/` in the same store,
//! as objects that are created once, or replaced on a condition.

mod barrier;
mod convert;
mod execute;
mod fate;
mod fit;
mod history;
mod inspect;
mod lease;
mod limit;
mod listing;
mod packing;
mod pages;
mod problem;
mod records;
mod revision;
mod shard;
mod template;
mod view;
mod workers;
mod write;

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

pub use fit::{Fit, Misfits};

use async_trait::async_trait;
use bytes::Bytes;
use coeval_core::document::Format;
use coeval_core::schema::Model;
use coeval_store::backend::{Backend, Inspection, Survey};
use coeval_store::event::Tally;
use coeval_store::ledger::{Entry, Ledger};
use coeval_store::lock::{Holder, Lock};
use coeval_store::objects::{Attributes, Condition, Objects};
use coeval_store::records::Records;
use coeval_store::work::Work;
use coeval_store::{Capabilities, Catalog, Error, ModelEntry, Result, Step};
use futures::TryStreamExt;
use tokio::time::Instant;

use lease::{Patience, Taken, Watch};
use template::Template;

/// The lock of runs.
const LOCK: &str = "_coeval/lock.json";

/// The name of the metadata that says at which version an object's record is.
const STAMP: &str = "coeval-version";

/// Where the records of a model lie, and how.
#[derive(Debug, Clone)]
struct Place {
    model: String,
    /// Every name that the model ever had, the first one first: what lies beside its records goes by that.
    names: Vec<String>,
    template: Template,
    /// The name of the property that holds coeval's notes.
    meta: String,
    /// The version of records that carry none, as the model says.
    unversioned: u32,
    /// The newest version in whose shape records are stored.
    store_at: Option<u32>,
    /// Whether every state of a record is kept.
    revisions: bool,
}

impl Place {
    /// Finds out where the records of a model lie that the catalog has.
    fn of(entry: &ModelEntry) -> Result<Option<Self>, String> {
        let Some(era) = entry.eras.last() else { return Ok(None) };
        let models = era.history.versions().filter_map(|version| Some((version, era.history.model(version)?)));
        let models: Vec<_> = models.collect();
        // A model that is renamed keeps its records, which lie where its first name says.
        let mut names: Vec<String> = models.iter().map(|(_, model)| model.name.clone()).collect();
        names.push(entry.name.clone());
        names.dedup();
        let mut places = Vec::new();
        for (version, model) in models {
            places.push((version, Self::at(model, &names, era.first).map_err(|reason| format!("{reason} (version {version})"))?));
        }
        for pair in places.windows(2) {
            let [(older, before), (newer, after)] = pair else { continue };
            if before.template.shape() != after.template.shape() {
                return Err(format!(
                    "its records lie at `{}` at version {older} and at `{}` at version {newer}, and no run moves them there",
                    before.template, after.template
                ));
            }
        }
        Ok(places.pop().map(|(_, place)| Self { model: entry.name.clone(), ..place }))
    }

    fn at(model: &Model, names: &[String], first: u32) -> Result<Self, String> {
        let version = |name: &str| match model.options.get(name) {
            None => Ok(None),
            Some(value) => match value.as_i64().and_then(|n| u32::try_from(n).ok()).filter(|n| *n > 0) {
                Some(number) => Ok(Some(number)),
                None => Err(format!("`{name}` is the number of a version")),
            },
        };
        let flag = |name: &str| match model.options.get(name) {
            None => Ok(false),
            Some(coeval_core::Value::Bool(flag)) => Ok(*flag),
            Some(_) => Err(format!("`{name}` is true or false")),
        };
        let meta = model.options.get("meta_property").map_or(Some(coeval_core::lens::META), |value| value.as_str());
        Ok(Self {
            model: model.name.clone(),
            names: names.to_vec(),
            template: Template::of(model, &names[0])?,
            meta: meta.ok_or("`meta_property` is the name of a property")?.to_owned(),
            unversioned: version("unversioned")?.unwrap_or(first),
            store_at: version("store_at")?,
            revisions: flag("revisions")?,
        })
    }

    /// Returns how the model's documents are read; another tool's history may have said at which version they are.
    fn format(&self, ledger: &Ledger) -> Format {
        let adopted = self.names.iter().rev().find_map(|name| ledger.adopted(name));
        Format { meta: self.meta.clone(), unversioned: adopted.unwrap_or(self.unversioned) }
    }

    /// Returns the version in whose shape records are stored when a version is in force, and none before `oldest` is live.
    fn stored_at(&self, version: u32, oldest: u32) -> u32 {
        self.store_at.map_or(version, |pinned| pinned.max(oldest).min(version))
    }
}

/// A store of documents.
#[derive(Debug)]
pub struct Documents {
    objects: Arc<dyn Objects>,
    catalog: Arc<Catalog>,
    /// The catalog with the versions before one retired.
    retired: RwLock<(u32, Arc<Catalog>)>,
    places: Vec<Place>,
    fresh: Duration,
    ledger: RwLock<(Option<Instant>, Arc<Ledger>)>,
}

impl Documents {
    /// Opens a store with the models that it keeps. Nothing is read yet.
    ///
    /// # Errors
    /// [`Error::Unknown`] for options of a model that do not do.
    pub fn open(objects: Arc<dyn Objects>, catalog: Arc<Catalog>) -> Result<Self> {
        let mut places: Vec<Place> = Vec::new();
        for entry in &catalog.models {
            let place = Place::of(entry);
            let place =
                place.map_err(|reason| Error::Unknown { message: format!("model `{}`: {reason}", entry.name), help: None })?;
            let Some(place) = place else { continue };
            if let Some(other) = places.iter().find(|other| other.template.overlaps(&place.template)) {
                let message = format!(
                    "objects of the model `{}` ({}) would be taken for objects of the model `{}` ({})",
                    other.model, other.template, place.model, place.template
                );
                return Err(Error::Unknown {
                    message,
                    help: Some("give each its own folder: `objects:` in the model".to_owned()),
                });
            }
            if place.revisions && (place.template.lines || place.template.packing != template::Packing::Plain) {
                let message =
                    format!("model `{}`: `revisions` needs a plain object for each record, not {}", entry.name, place.template);
                return Err(Error::Unknown { message, help: None });
            }
            places.push(place);
        }
        let retired = RwLock::new((1, Arc::clone(&catalog)));
        Ok(Self { objects, catalog, retired, places, fresh: Duration::from_secs(2), ledger: RwLock::default() })
    }

    /// Sets for how long clients go by what they know about the versions in force before they look again; two seconds by default.
    #[must_use]
    pub fn fresh_for(mut self, fresh: Duration) -> Self {
        self.fresh = fresh;
        self
    }

    /// Reads an object that is neither a record nor one of ours, by its name beneath the store's address: what another tool
    /// noted. `None` where there is none.
    ///
    /// # Errors
    /// What the store says.
    pub async fn foreign(&self, name: &str) -> Result<Option<Bytes>> {
        Ok(self.objects.get(name).await?.map(|object| object.bytes))
    }

    /// Returns the catalog in which the versions before the oldest live one are retired.
    fn live(&self, oldest: u32) -> Arc<Catalog> {
        let known = self.retired.read().unwrap_or_else(PoisonError::into_inner).clone();
        if known.0 == oldest {
            return known.1;
        }
        let catalog = Arc::new(self.catalog.retire(oldest));
        *self.retired.write().unwrap_or_else(PoisonError::into_inner) = (oldest, Arc::clone(&catalog));
        catalog
    }

    fn place(&self, model: &str) -> Result<&Place> {
        // A model that the catalog does not have is told with the names of those that it has.
        self.catalog.model(model)?;
        let none = || Error::Unknown { message: format!("the model `{model}` has no version"), help: None };
        self.places.iter().find(|place| place.model == model).ok_or_else(none)
    }

    /// Returns what happened, as far as it was known a moment ago.
    async fn known(&self) -> Result<Arc<Ledger>> {
        let (read, ledger) = self.ledger.read().unwrap_or_else(PoisonError::into_inner).clone();
        if read.is_some_and(|read| read.elapsed() < self.fresh) {
            return Ok(ledger);
        }
        self.read_ledger().await
    }

    async fn read_ledger(&self) -> Result<Arc<Ledger>> {
        let known = Arc::clone(&self.ledger.read().unwrap_or_else(PoisonError::into_inner).1);
        let read = Instant::now();
        let ledger = Arc::new(history::read(&self.objects, &known).await?);
        *self.ledger.write().unwrap_or_else(PoisonError::into_inner) = (Some(read), Arc::clone(&ledger));
        Ok(ledger)
    }
}

/// What our own objects carry.
fn text_attributes() -> Attributes {
    let mut attributes = Attributes::default();
    attributes.headers.insert("content-type".to_owned(), "application/json".to_owned());
    attributes
}

#[async_trait]
impl Backend for Documents {
    fn name(&self) -> String {
        self.objects.name()
    }

    fn capabilities(&self) -> Capabilities {
        let objects = self.objects.capabilities();
        Capabilities {
            schema: false,
            transactions: false,
            conditional_delete: objects.conditional_delete,
            revisions: true,
            metadata: objects.metadata,
            knows_writer: true,
            one_writer: false,
            archives_records: false,
        }
    }

    fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    async fn probe(&self) -> Result<()> {
        coeval_store::objects::probe(self.objects.as_ref(), "").await
    }

    async fn ledger(&self) -> Result<Ledger> {
        Ok(self.read_ledger().await?.as_ref().clone())
    }

    async fn append(&self, entry: &Entry) -> Result<()> {
        history::append(&self.objects, entry).await?;
        if let Ok(ledger) = self.read_ledger().await {
            // The entry is there, which is what counts. The page is for people, and is written anew with the next one.
            let _ = history::render(&self.objects, &ledger).await;
        }
        Ok(())
    }

    async fn lock(&self, holder: &Holder, stale: Duration) -> Result<Box<dyn Lock>> {
        match lease::take(&self.objects, LOCK, holder, stale, Patience::UntilKnown, &mut Watch::default()).await? {
            Taken::Held(lease) => Ok(Box::new(lease)),
            Taken::By(holder) => Err(Error::Locked { holder: Box::new(holder) }),
        }
    }

    async fn holder(&self) -> Result<Option<Holder>> {
        lease::holder(&self.objects, LOCK).await
    }

    async fn execute(&self, step: &Step, work: &Work<'_>) -> Result<Tally> {
        let Some(step) = step.on_records() else { return Err(Error::no_tables(step)) };
        execute::execute(self, step, work).await
    }

    async fn tidy(&self, run: &str) -> Result<()> {
        let keys: Vec<String> =
            self.objects.list(&shard::run_prefix(run), None).map_ok(|listed| listed.key).try_collect().await?;
        for key in keys {
            self.objects.delete(&key, &Condition::None).await?;
        }
        Ok(())
    }

    async fn inspect(&self, model: &str, survey: Survey, sample: Option<u64>, work: &Work<'_>) -> Result<Inspection> {
        inspect::inspect(self, model, survey, sample, work).await
    }

    fn records(&self) -> &dyn Records {
        self
    }
}
