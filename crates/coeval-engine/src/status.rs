//! Where a store is.

use coeval_store::event::Tally;
use coeval_store::ledger::{Ledger, Started, VersionId};
use coeval_store::lock::Holder;
use coeval_store::standalone::pending;
use coeval_store::{Backend, Catalog};

use crate::Result;
use crate::error::Refusal;
use crate::guard::guard;

/// Where a store is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// How people call it.
    pub store: String,
    /// The version in force; `None` before the first migration.
    pub in_force: Option<u32>,
    /// The oldest version that clients may use.
    pub oldest: u32,
    /// The newest version that clients may use now.
    pub newest: Option<u32>,
    /// The newest version of the manifest.
    pub head: u32,
    /// The versions that the store has not come to.
    pub pending: Vec<VersionId>,
    /// The ids of the standalone migrations that are applied, in the order in which they were.
    pub applied: Vec<String>,
    /// The ids of those that are not, in the order in which they will be.
    pub waiting: Vec<String>,
    /// The run that is open, and why it is being undone, if it is.
    pub open: Option<(Started, Option<String>)>,
    /// Who holds the lock, dead or alive.
    pub holder: Option<Holder>,
    /// The models.
    pub models: Vec<ModelStatus>,
    /// What keeps every run from beginning.
    pub refusal: Option<Refusal>,
    /// What happened.
    pub ledger: Ledger,
}

/// Where a model is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelStatus {
    /// Its name.
    pub name: String,
    /// Whether the version in force has it.
    pub live: bool,
    /// What the last run that moved it did.
    pub last: Option<Tally>,
}

/// What keeps every migration from beginning.
fn refusal(catalog: &Catalog, ledger: &Ledger) -> Option<Refusal> {
    guard(catalog, ledger).and_then(|()| Ok(pending(catalog, ledger, catalog.head()).map(|_| ())?)).err()
}

/// Says where a store is. Reads its history and nothing else.
///
/// # Errors
/// A history that cannot be read.
pub async fn status(backend: &dyn Backend) -> Result<Status> {
    let ledger = backend.ledger().await?;
    let catalog = backend.catalog();
    let in_force = ledger.in_force();
    let applied: Vec<String> = ledger.standalone().into_iter().map(|(_, applied)| applied.id).collect();
    let known = catalog.standalone.iter().flat_map(|ordered| &ordered.migrations).map(|migration| migration.id.clone());
    let waiting = known.filter(|id| !applied.contains(id)).collect();
    let models = catalog.models.iter().map(|model| ModelStatus {
        name: model.name.clone(),
        live: in_force.is_some_and(|version| model.era(version).is_some()),
        last: ledger.tally(&model.name),
    });
    Ok(Status {
        store: backend.name(),
        in_force,
        oldest: ledger.oldest(),
        newest: ledger.newest().filter(|version| *version > 0),
        head: catalog.head(),
        pending: catalog.versions.iter().filter(|v| in_force.is_none_or(|now| v.number > now)).cloned().collect(),
        applied,
        waiting,
        open: ledger.open().map(|open| (open.clone(), ledger.undoing().map(str::to_owned))),
        holder: backend.holder().await?,
        models: models.collect(),
        refusal: refusal(catalog, &ledger),
        ledger,
    })
}
