//! Records in SQLite.
//!
//! A store is one file, which any other program may have open and write to at the same time. What coeval keeps beside the
//! records lies in the same file, in tables whose names begin with `coeval_`, so that it changes together with them or not at all.

mod backend;
pub mod catalog;
mod database;
mod error;
mod foreign_keys;
pub mod found;
mod lock;
mod open;
pub mod rebuild;
mod state;
pub mod statement;

pub use backend::Sqlite;
pub use database::Database;
pub use open::open;
pub use statement::{Absent, ForeignKeys, How, Session};
