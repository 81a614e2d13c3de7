//! Stores: opened from what `coeval.yaml` says, run, and shown.

mod event;
mod fail;
mod models;
mod names;
mod open;
mod options;
mod report;
mod retries;
mod run;
mod show;
mod unsupported;

pub(crate) use fail::{failed, refused};
pub(crate) use models::choose;
pub(crate) use names::address;
pub(crate) use open::{Store, ability, block_on, database_tables, expanded, open_all, open_documents, open_model};
pub(crate) use options::{Backends, OnFail, Speed, Watch};
pub(crate) use run::{counts, migrations, records, run, try_out, whom, would};
pub(crate) use show::Show;
pub(crate) use unsupported::refuse_unsupported;
