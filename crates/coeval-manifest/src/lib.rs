//! The manifest: the YAML files that describe models and their versions, as values with places.
//!
//! Pure: texts go in, values and texts come out. Reading files, the time and new ids are the caller's.

pub mod call;
pub mod config;
mod decode;
pub mod detect;
pub mod diagnostic;
pub mod draft;
pub mod edit;
pub mod fold;
pub mod freeze;
pub mod frozen;
pub mod history;
pub mod load;
pub mod migration_file;
pub mod migration_order;
pub use coeval_core::patch;
mod propose;
pub mod question;
pub mod rebase;
pub mod shared;
pub mod source;
pub mod sql_text;
pub mod step;
pub mod versions;
pub mod yaml;

pub use diagnostic::{Diagnostic, Label, Severity};
pub use load::{Manifest, ModelFile};
pub use source::{Place, Source};
