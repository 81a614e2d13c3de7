//! A model's versions, compiled: what its records are read and written with.

use coeval_core::history::History;
use coeval_core::op::Context;
use coeval_manifest::{Diagnostic, Manifest, ModelFile};
pub(crate) use coeval_store::Era;

/// Compiles the versions of a model's file, every expression of every version included. Most models have one era.
///
/// # Errors
/// What does not fold, and the first operation that does not compile, in its place.
pub(crate) fn compile(manifest: &Manifest, file: &ModelFile, context: &Context<'_>) -> Result<Vec<Era>, Vec<Diagnostic>> {
    let model = manifest.history(file).map_err(<[Diagnostic]>::to_vec)?;
    let eras = model.lives().into_iter().map(|life| {
        let history = History::new(life.first, life.model, &life.releases, context);
        let history = history.map_err(|fault| vec![manifest.place_fault(file, &fault)])?;
        Ok(Era { first: life.first, end: life.ended, history })
    });
    eras.collect()
}
