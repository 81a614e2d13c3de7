//! The manifest: the YAML files that describe models and their versions, as values with places.
//!
//! Pure: texts go in, values and texts come out. Reading files, the time and new ids are the caller's.

pub mod call;
pub mod config;
mod decode;
pub mod diagnostic;
pub mod frozen;
pub mod migration_file;
pub mod patch;
pub mod shared;
pub mod source;
pub mod step;
pub mod yaml;

pub use diagnostic::{Diagnostic, Label, Severity};
pub use source::{Place, Source};
