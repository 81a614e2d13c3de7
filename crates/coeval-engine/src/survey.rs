//! Looking at the records of a store: how many are where, what does not fit, whether the laws hold.

use coeval_store::Backend;
use coeval_store::backend::{Inspection, Survey};

use crate::Result;
use crate::guard::guard;
use crate::how::How;

/// What was found out about a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Surveyed {
    /// The model.
    pub model: String,
    /// What was found out.
    pub found: Inspection,
}

/// Looks at the records of all models, or of a sample of them. What is wrong is told to the observer.
///
/// # Errors
/// A history that cannot be read or is another manifest's.
pub async fn survey(backend: &dyn Backend, closely: Survey, sample: Option<u64>, how: &How<'_>) -> Result<Vec<Surveyed>> {
    let ledger = backend.ledger().await?;
    guard(backend.catalog(), &ledger)?;
    let me = how.holder("survey".to_owned());
    let run = how.clock.id();
    let mut out = Vec::new();
    for (index, model) in backend.catalog().models.iter().enumerate() {
        let step = index.to_string();
        let work = how.work(&run, &step, &me, None);
        work.go_on()?;
        let found = backend.inspect(&model.name, closely, sample, &work).await?;
        out.push(Surveyed { model: model.name.clone(), found });
    }
    Ok(out)
}
