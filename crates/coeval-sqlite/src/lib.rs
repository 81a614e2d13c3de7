//! Records in SQLite.
//!
//! A store is one file, which any other program may have open and write to at the same time. What coeval keeps beside the
//! records lies in the same file, in tables whose names begin with `coeval_`, so that it changes together with them or not at all.

mod adopted;
mod archive;
mod backend;
mod backfill;
mod batch;
pub mod catalog;
mod condition;
mod database;
mod drift;
mod error;
mod execute;
mod foreign_keys;
pub mod found;
mod inspect;
mod layout;
mod list;
mod lock;
mod open;
pub mod rebuild;
mod records;
mod remark;
mod row;
mod shape;
mod standalone;
mod state;
pub mod statement;
mod writing;

pub use backend::Sqlite;
pub use database::Database;
pub use open::open;
pub use statement::{Absent, ForeignKeys, How, Session};
