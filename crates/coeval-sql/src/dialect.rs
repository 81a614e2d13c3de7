//! The dialects of SQL.

/// A dialect of SQL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// PostgreSQL from version 14, with a database in UTF-8.
    Postgres,
    /// SQLite from version 3.40, with a database in UTF-8.
    Sqlite,
}
