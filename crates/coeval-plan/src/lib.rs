//! What a migration does to a store: a plan of steps, a plain value. What a person reviews is what runs.
//!
//! This crate is pure: it opens nothing and changes nothing.

mod constraint;
pub mod found;
pub mod lint;
mod lower;
mod policy;
pub mod sql;
pub mod standalone;
mod step;
pub mod table;

pub use constraint::demanded;
pub use lower::{contract, lower, needed};
pub use policy::{Condition, columns_of, conditions, guards, mending, repaired, repairs, stays};
pub use sql::SqlDialect;
pub use step::{Capabilities, ColumnSpec, Effect, Holds, LockLevel, Phase, RecordStep, Step, WriteLock};
