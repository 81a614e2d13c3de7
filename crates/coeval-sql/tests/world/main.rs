//! Nine real releases of a data set in one table: each record is inserted through the view of its own version, some are updated
//! through others, and all views show what the documents' lens shows.

#![allow(clippy::unwrap_used, reason = "a test fails where it would")]

mod postgres;
mod replay;
mod sqlite;
