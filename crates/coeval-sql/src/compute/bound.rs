//! Names for long texts that are read several times.

use super::Compute;
use crate::dialect::Dialect;

/// Texts that are given names in a subselect around what reads them.
#[derive(Debug, Clone)]
pub(crate) struct Bound {
    dialect: Dialect,
    alias: String,
    /// Whether there is a source of rows in any case.
    rows: bool,
    /// The texts by level, the lowest first, with their names: each may read the names of levels beneath its own.
    levels: Vec<Vec<(String, String)>>,
}

impl Bound {
    pub(crate) fn new(compute: &Compute<'_, '_>, alias: &str) -> Self {
        let depth = compute.within.map_or(0, |within| within.depth + 1);
        Self { rows: false, ..Self::of(compute.dialect, &format!("{alias}{depth}")) }
    }

    /// Names of columns beside those of a source of rows.
    pub(crate) fn of(dialect: Dialect, alias: &str) -> Self {
        Self { dialect, alias: alias.to_owned(), rows: true, levels: Vec::new() }
    }

    /// A name for a text that is computed, or the text itself, where it is short.
    pub(crate) fn name(&mut self, text: String) -> String {
        self.name_at(0, text)
    }

    /// As [`Bound::name`], for a text that reads names of levels beneath one.
    pub(crate) fn name_at(&mut self, level: usize, text: String) -> String {
        let is_long = match self.dialect {
            Dialect::Sqlite => text.len() > 120,
            // A subselect costs more than what it saves, unless there is one already. Over rows there is; and what is computed of
            // what was computed would double with every step.
            Dialect::Postgres => text.contains("(SELECT") || self.rows && text.len() > 200,
        };
        if !is_long {
            return text;
        }
        let column = format!("v{}", self.levels.iter().map(Vec::len).sum::<usize>());
        let name = format!("{}.{column}", self.alias);
        self.levels.resize_with(self.levels.len().max(level + 1), Vec::new);
        self.levels[level].push((column, text));
        name
    }

    /// What reads the names, with the texts beneath it.
    pub(crate) fn around(&self, sql: String) -> String {
        match self.over(None) {
            Some(source) => format!("(SELECT {sql} FROM {source})"),
            None => sql,
        }
    }

    /// What reads the names, with the texts beneath it, which read the names of others, with their texts beneath them. One beneath the
    /// other takes less of a parser's stack than one within the other.
    pub(crate) fn above(&self, others: &Self, sql: String) -> String {
        match self.over(others.over(None)) {
            Some(source) => format!("(SELECT {sql} FROM {source})"),
            None => others.around(sql),
        }
    }

    /// The texts as a source of rows, over another one that they read; `None` where there is neither. A source of the same alias is
    /// part of it.
    pub(crate) fn over(&self, from: Option<String>) -> Option<String> {
        let own = format!(" AS {}", self.alias);
        // A planner would put the texts back in the place of their names.
        let barrier = match self.dialect {
            Dialect::Postgres => "OFFSET 0",
            Dialect::Sqlite => "LIMIT -1 OFFSET 0",
        };
        let mut from = from;
        for level in self.levels.iter().filter(|level| !level.is_empty()) {
            let mut columns: Vec<String> = level.iter().map(|(column, text)| format!("{text} AS {column}")).collect();
            let beneath = match from {
                Some(from) => {
                    if from.ends_with(&own) {
                        columns.insert(0, format!("{}.*", self.alias));
                    }
                    format!(" FROM {from} {barrier}")
                }
                None if self.dialect == Dialect::Postgres => format!(" {barrier}"),
                None => String::new(),
            };
            from = Some(format!("(SELECT {}{beneath}){own}", columns.join(", ")));
        }
        from
    }
}
