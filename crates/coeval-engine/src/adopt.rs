//! Taking over records that another tool migrated.

use coeval_store::Backend;
use coeval_store::ledger::{Entry, Happened};

use crate::Result;
use crate::error::Refusal;
use crate::how::How;

/// Notes in the ledger of a store that was never migrated at which version its records are, by model. The newest of these versions
/// is in force from then on; records of models that are at older ones are read at it as those of any older version are. Returns it.
///
/// # Errors
/// The store has a history already, or a version or a model is not the manifest's.
pub async fn adopt(backend: &dyn Backend, models: &[(String, u32)], source: &str, how: &How<'_>) -> Result<u32> {
    let catalog = backend.catalog();
    let head = catalog.head();
    for (model, version) in models {
        if *version == 0 || *version > head {
            return Err(Refusal::NoVersion { asked: *version, head }.into());
        }
        catalog.era(model, *version)?;
    }
    let ledger = backend.ledger().await?;
    if !ledger.entries().is_empty() {
        return Err(Refusal::HasHistory.into());
    }
    backend.probe().await?;
    let newest = models.iter().map(|(_, version)| *version).max().ok_or(Refusal::NothingInForce)?;
    let happened = Happened::Adopted {
        version: newest,
        models: models.to_vec(),
        source: source.to_owned(),
        versions: catalog.versions.iter().filter(|version| version.number <= newest).cloned().collect(),
    };
    backend.append(&Entry { number: 1, at: how.clock.now(), by: how.name.clone(), happened }).await?;
    Ok(newest)
}
