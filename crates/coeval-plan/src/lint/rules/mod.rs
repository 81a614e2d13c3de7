//! The rules, as one table: code, level, why, and the safe recipe. What a finding says is filled in from here, and
//! `docs/lint.md` is written from here.
//!
//! A code is a dialect, the number of a danger, and a name. Codes are never changed and never used again.

mod mysql;
mod page;
mod postgres;
mod shared;
mod sqlite;

pub(super) use mysql::*;
pub use page::page;
pub(super) use postgres::*;
pub(super) use shared::*;
pub(super) use sqlite::*;

use super::Level;

/// A danger, and what to do instead. In the texts, `{table}`, `{column}`, `{name}`, `{type}` and so on stand for what is
/// found.
#[derive(Debug, PartialEq, Eq)]
pub struct Rule {
    /// The stable name, such as `PG001-create-index-not-concurrently`.
    pub code: &'static str,
    /// How bad it is.
    pub level: Level,
    /// Why it is dangerous.
    pub why: &'static str,
    /// What to do instead.
    pub help: &'static str,
}

/// Returns every rule, in the order of codes within each dialect.
pub fn all() -> impl Iterator<Item = &'static Rule> {
    shared::ALL.iter().chain(postgres::ALL).chain(mysql::ALL).chain(sqlite::ALL).copied()
}

/// Returns the rule with a code.
pub fn rule(code: &str) -> Option<&'static Rule> {
    all().find(|rule| rule.code == code)
}

macro_rules! rules {
    ($($name:ident $level:ident $code:literal: $why:literal; $help:literal;)*) => {
        $(pub(in crate::lint) static $name: super::Rule =
            super::Rule { code: $code, level: $crate::lint::Level::$level, why: $why, help: $help };)*
        pub(super) static ALL: &[&super::Rule] = &[$(&$name),*];
    };
}
use rules;
