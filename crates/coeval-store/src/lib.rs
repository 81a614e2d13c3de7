//! What a backend is.
//!
//! A [`Backend`] keeps the records of some models, and what happened to them. It executes steps and nothing else: it knows no
//! operation. The engine runs steps over `dyn Backend` and knows no kind of store.
//!
//! Beneath the backends of documents lies [`objects::Objects`], the few requests that every object store answers. Faults,
//! throttling and crashes are put in there by wrappers, which are ordinary implementations.

pub mod backend;
pub mod catalog;
pub mod conformance;
pub mod error;
pub mod event;
pub mod ledger;
pub mod lock;
pub mod lower;
pub mod memory;
pub mod objects;
pub mod records;
pub mod standalone;
pub mod work;

pub use backend::Backend;
pub use catalog::{Catalog, Era, ModelEntry};
pub use coeval_plan::{Capabilities, Phase, Step};
pub use error::{Error, Result};
pub use lower::lower;
pub use memory::MemoryBackend;
