//! Records in PostgreSQL.
//!
//! A [`Database`] is opened by its address; what coeval notes beside the records lies in its schema `coeval` ([`State`]). Statements
//! that change tables run as [`statement`] says: they never make other clients wait for long.
//!
//! Nothing here depends on the state of a session, so that a pooler may sit between: every name is qualified, every setting is for
//! one transaction.

mod address;
mod adopted;
mod archive;
mod backend;
mod backfill;
mod blocker;
mod broken;
pub mod catalog;
mod constraint;
mod database;
mod direct;
mod drift;
mod error;
mod execute;
mod facts;
mod index;
mod inspect;
mod layout;
mod lock;
mod offer;
mod open;
mod options;
mod policy;
mod preflight;
mod probe;
mod records;
mod rights;
mod row;
mod script;
mod standalone;
mod state;
pub mod statement;
mod stream;
mod table;
mod tls;
mod trigger;
mod walk;
mod watch;

pub use backend::PostgresBackend;
pub use blocker::Blocker;
pub use database::Database;
pub use index::{Index, create_index};
pub use open::open;
pub use options::environment;
pub use state::State;
