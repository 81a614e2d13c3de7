//! Runs (migrate, rollback, retire) and what is asked about them, over any [`coeval_store::Backend`].
//!
//! A run is told by three kinds of entries in the store's ledger: that it began, with everything that another process needs to carry
//! it on; that it came to its end, which is what makes a version the one in force; or that it is being undone, and was. Nothing is
//! said to be applied before it is. Between these entries there is one holder of the lock, and each step can be done again.
//!
//! ```
//! # use std::sync::Arc;
//! # use coeval_engine::{Goal, How, Outcome, migrate, rollback, status};
//! # use coeval_store::{MemoryBackend, conformance::catalog};
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let store = MemoryBackend::new(Arc::new(catalog::up_to(3)?));
//! let how = How::quietly();
//! assert!(matches!(migrate(&store, None, false, &how).await?, Outcome::Done(done) if done.to == 3));
//! assert!(matches!(migrate(&store, None, false, &how).await?, Outcome::Nothing { version: 3 }));
//! assert!(matches!(rollback(&store, Some(2), &how).await?, Outcome::Done(done) if done.to == 2));
//! assert_eq!(status(&store).await?.in_force, Some(2));
//! # Ok(())
//! # }
//! ```

mod adopt;
mod clock;
mod decide;
mod enter;
mod error;
mod guard;
mod how;
mod plan;
mod run;
pub mod standalone;
mod status;
mod survey;
mod trial;
mod undo;

pub use adopt::adopt;
pub use clock::{Clock, SystemClock};
pub use decide::Goal;
pub use error::{Error, Refusal};
pub use guard::guard;
pub use how::{How, Wait};
pub use plan::{Plan, Planned, plan};
pub use run::{Done, Outcome, migrate, retire, rollback, run};
pub use status::{ModelStatus, Status, status};
pub use survey::{Surveyed, survey};
pub use trial::{Trial, trial};

/// What the functions of this crate return.
pub type Result<T, E = Error> = std::result::Result<T, E>;
