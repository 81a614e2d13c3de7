//! Whether a store and a manifest are about the same versions.

use coeval_store::Catalog;
use coeval_store::ledger::Ledger;

use crate::error::Refusal;

/// Returns without an error if every version that the store came to is the manifest's of that number.
///
/// # Errors
/// [`Refusal::StoreNewer`] and [`Refusal::OtherVersion`].
pub fn guard(catalog: &Catalog, ledger: &Ledger) -> Result<(), Refusal> {
    let head = catalog.head();
    let mut reached = ledger.in_force().max(ledger.open().map(|open| open.to)).unwrap_or_default();
    for known in ledger.versions() {
        // Also one that was left by a rollback: records keep what it alone shows.
        reached = reached.max(known.number);
        let own = catalog.versions.iter().find(|version| version.number == known.number);
        if let Some(own) = own.filter(|own| own.id != known.id) {
            return Err(Refusal::OtherVersion { number: known.number, store: known.id, manifest: own.id.clone() });
        }
    }
    if reached > head {
        return Err(Refusal::StoreNewer { store: reached, head });
    }
    Ok(())
}
