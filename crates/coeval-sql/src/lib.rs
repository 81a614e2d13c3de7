//! Expressions, tables, views and triggers as text, for each dialect of SQL.
//!
//! This crate is pure: it opens nothing.

mod compute;
mod condition;
mod dialect;
mod expr;
mod group;
mod literal;
mod name;
pub mod postgres;
pub mod sqlite;
mod types;

pub use condition::{Guard, condition, failing, guards, holding, value_of};
pub use dialect::Dialect;
pub use expr::{Local, Rendered, render, render_function, render_with_failure};
pub use literal::{Unfit, literal};
pub use name::{body, body_of, fit, ident, qualified, string};
pub use types::{KeyType, column_type, facet_check, from_json, to_json};
