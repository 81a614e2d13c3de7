//! Records in PostgreSQL.
//!
//! A [`Database`] is opened by its address; what coeval notes beside the records lies in its schema `coeval` ([`State`]). Statements
//! that change tables run as [`statement`] says: they never make other clients wait for long.
//!
//! Nothing here depends on the state of a session, so that a pooler may sit between: every name is qualified, every setting is for
//! one transaction.

mod address;
mod blocker;
pub mod catalog;
mod database;
mod error;
mod index;
mod lock;
mod open;
mod options;
mod probe;
mod state;
pub mod statement;
mod tls;
mod watch;

pub use blocker::Blocker;
pub use database::Database;
pub use index::{Index, create_index};
pub use open::open;
pub use options::environment;
pub use state::State;
