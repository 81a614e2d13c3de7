//! Names for long texts that are read several times.

use super::Compute;
use crate::dialect::Dialect;

/// Texts that are given names in a subselect around what reads them.
#[derive(Debug, Clone)]
pub(crate) struct Bound {
    dialect: Dialect,
    alias: String,
    texts: Vec<String>,
}

impl Bound {
    pub(crate) fn new(compute: &Compute<'_, '_>, alias: &str) -> Self {
        let depth = compute.within.map_or(0, |within| within.depth + 1);
        Self { dialect: compute.dialect, alias: format!("{alias}{depth}"), texts: Vec::new() }
    }

    /// A name for a text that is computed, or the text itself, where it is short.
    pub(crate) fn name(&mut self, text: String) -> String {
        let is_long = match self.dialect {
            Dialect::Sqlite => text.len() > 120,
            // A subselect costs more than what it saves, unless there is one already.
            Dialect::Postgres => text.contains("(SELECT"),
        };
        if !is_long {
            return text;
        }
        let name = format!("{}.v{}", self.alias, self.texts.len());
        self.texts.push(text);
        name
    }

    /// What reads the names, with the texts beneath it.
    pub(crate) fn around(&self, sql: String) -> String {
        match self.source(None) {
            Some(source) => format!("(SELECT {sql} FROM {source})"),
            None => sql,
        }
    }

    /// What reads the names, with the texts beneath it, which read the names of others, with their texts beneath them. One beneath the
    /// other takes less of a parser's stack than one within the other.
    pub(crate) fn above(&self, others: &Self, sql: String) -> String {
        match self.source(others.source(None)) {
            Some(source) => format!("(SELECT {sql} FROM {source})"),
            None => others.around(sql),
        }
    }

    fn source(&self, from: Option<String>) -> Option<String> {
        if self.texts.is_empty() {
            return None;
        }
        let texts: Vec<String> = self.texts.iter().enumerate().map(|(at, text)| format!("{text} AS v{at}")).collect();
        // A planner would put the texts back in the place of their names.
        let from = match (from, self.dialect) {
            (Some(from), _) => format!(" FROM {from} LIMIT 1 OFFSET 0"),
            (None, Dialect::Postgres) => " OFFSET 0".to_owned(),
            (None, Dialect::Sqlite) => String::new(),
        };
        Some(format!("(SELECT {}{from}) AS {}", texts.join(", "), self.alias))
    }
}
