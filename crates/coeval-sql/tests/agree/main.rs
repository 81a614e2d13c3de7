//! All interpreters of expressions agree: the reference evaluator, SQLite, and PostgreSQL.

mod corpus;
mod database;
mod differential;
mod functions;
mod local;
mod model;
mod patterns;
mod random;
mod types;
