//! The laws of reading and writing (L1–L8, L10, L13–L16), checked on generated histories and records.
//!
//! [`generate`] makes a model, a chain of operations that its checks admit, and events: creations, writes, migrations and edits
//! from outside at any version. [`run`] carries them out through the public write path and checks every law after each. What
//! fails is cut down by [`shrink`] and kept as a file in `cases/`.

pub mod code;
mod flow;
pub mod generate;
mod patch;
pub(crate) mod retire;
pub mod run;
pub mod scenario;
pub mod shrink;
pub mod stored;
pub mod tables;
pub(crate) mod view;
