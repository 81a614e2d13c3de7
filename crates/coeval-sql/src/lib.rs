//! Expressions, tables, views and triggers as text, for each dialect of SQL.
//!
//! This crate is pure: it opens nothing.
