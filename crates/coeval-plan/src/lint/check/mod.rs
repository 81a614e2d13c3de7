//! The rules at work: every statement is looked at by each group of them, then what the text did as a whole.

mod columns;
mod mysql;
mod postgres;
mod remove;
mod sqlite;
mod transaction;
mod types;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

pub(super) use transaction::fails_in_transaction;

use super::cursor::{Cursor, Name};
use super::form::Form;
use super::known::{Context, Known};
use super::parse::problem;
use super::rules::{NOT_LOOKED_INTO, NOT_PARSED, Rule, UNCLOSED};
use super::script::{Script, Statement};
use super::{Finding, Level};
use crate::sql::{Kind, SqlDialect};

/// Statements that no rule is about; where the parser does not know them either, that is no more than worth knowing.
const BESIDE: [&str; 18] = [
    "CREATE SEQUENCE",
    "ALTER SEQUENCE",
    "CREATE PUBLICATION",
    "ALTER PUBLICATION",
    "CREATE SUBSCRIPTION",
    "ALTER SUBSCRIPTION",
    "CREATE STATISTICS",
    "ALTER STATISTICS",
    "ALTER DEFAULT PRIVILEGES",
    "ALTER FUNCTION",
    "ALTER PROCEDURE",
    "CREATE FUNCTION",
    "CREATE PROCEDURE",
    "CREATE OR REPLACE FUNCTION",
    "CREATE OR REPLACE PROCEDURE",
    "ALTER EXTENSION",
    "REFRESH MATERIALIZED VIEW CONCURRENTLY",
    "DETACH DATABASE",
];

/// Fills a rule in.
pub(super) fn finding(rule: &'static Rule, span: Range<usize>, names: &[(&str, &str)]) -> Finding {
    let fill = |template: &str| {
        names.iter().fold(template.to_owned(), |text, (name, value)| text.replace(&["{", *name, "}"].concat(), value))
    };
    Finding { code: rule.code, level: rule.level, span, message: fill(rule.why), help: fill(rule.help) }
}

/// A text that is being looked through, and what it did so far.
pub(super) struct Look<'s, 't, 'a> {
    script: &'s Script<'t, 'a>,
    context: &'s Context,
    known: Known,
    /// Tables that the text created: nobody uses them yet.
    new: BTreeSet<String>,
    /// What `SET` and `PRAGMA` said last, by name, and whether only until the transaction ends.
    settings: BTreeMap<String, (String, bool)>,
    told: BTreeSet<&'static str>,
    found: Vec<Finding>,
}

impl Look<'_, '_, '_> {
    fn report(&mut self, rule: &'static Rule, span: Range<usize>, names: &[(&str, &str)]) {
        self.found.push(finding(rule, span, names));
    }

    fn report_once(&mut self, rule: &'static Rule, span: Range<usize>, names: &[(&str, &str)]) {
        if self.told.insert(rule.code) {
            self.report(rule, span, names);
        }
    }

    fn report_at(&mut self, level: Level, rule: &'static Rule, span: Range<usize>, names: &[(&str, &str)]) {
        self.report(rule, span, names);
        if let Some(last) = self.found.last_mut() {
            last.level = level;
        }
    }

    fn is_new(&self, table: &Name) -> bool {
        self.new.contains(&table.key)
    }

    fn dialect(&self) -> SqlDialect {
        self.script.dialect
    }

    /// Returns what was set last.
    fn setting(&self, name: &str) -> Option<&str> {
        self.settings.get(name).map(|(value, _)| value.as_str())
    }

    /// Takes note of what a statement did.
    fn learn(&mut self, statement: &Statement<'_, '_>) {
        self.known.learn(&statement.form);
        match &statement.form {
            Form::CreateTable(table) => drop(self.new.insert(table.name.key.clone())),
            Form::AlterTable { table, actions, .. } if self.new.contains(&table.key) => {
                for action in actions {
                    if let super::form::ActionKind::RenameTo(to) = &action.kind {
                        self.new.insert(to.key.clone());
                    }
                }
            }
            Form::Set { name, value, local } => {
                let value = value.concat().trim_matches('\'').to_lowercase();
                self.settings.insert(name.clone(), (value, *local));
            }
            Form::Commit | Form::Rollback => self.settings.retain(|_, (_, local)| !*local),
            Form::Pragma { name, value: Some(value) } => drop(self.settings.insert(name.clone(), (value.clone(), false))),
            _ => {}
        }
    }

    fn unread(&mut self, text: &str, statement: &Statement<'_, '_>) {
        let tokens = &statement.piece.tokens;
        if let Some(open) = tokens.iter().find(|token| token.kind == Kind::Unclosed) {
            let mark: String = open.text.chars().take(2).collect();
            let name = if mark == "/*" { "the comment" } else { "a quote" };
            let first = open.text.chars().next().map_or(0, char::len_utf8);
            return self.report(&UNCLOSED, open.start..open.start + first, &[("quote", name)]);
        }
        match &statement.form {
            Form::Code => self.report(&NOT_LOOKED_INTO, statement.span.clone(), &[("block", &first_words(statement))]),
            Form::Client => {
                let delimiter = tokens[0].text.get(..9).is_some_and(|word| word.eq_ignore_ascii_case("delimiter"));
                if !delimiter {
                    self.report(&NOT_LOOKED_INTO, statement.span.clone(), &[("block", tokens[0].text)]);
                }
            }
            _ if statement.whole => {}
            _ => {
                let from = statement.span.start;
                if let Some((at, why)) = problem(&text[statement.span.clone()], self.dialect()) {
                    let span = from + at.start..from + at.end;
                    let span = if span.is_empty() { statement.span.clone() } else { span };
                    let cursor = Cursor::new(tokens);
                    let level = if BESIDE.iter().any(|words| cursor.sees(words)) { Level::Note } else { NOT_PARSED.level };
                    self.report_at(level, &NOT_PARSED, span, &[("why", &why)]);
                }
            }
        }
    }
}

/// The first words of a statement, for people.
fn first_words(statement: &Statement<'_, '_>) -> String {
    let words = statement.piece.tokens.iter().take_while(|token| token.kind == Kind::Word).take(2);
    let words: Vec<&str> = words.map(|token| token.text).collect();
    format!("`{}`", words.join(" "))
}

/// Looks a text through.
pub(super) fn check(text: &str, script: &Script<'_, '_>, context: &Context) -> Vec<Finding> {
    let mut look = Look {
        script,
        context,
        known: context.known.clone(),
        new: BTreeSet::new(),
        settings: BTreeMap::new(),
        told: BTreeSet::new(),
        found: Vec::new(),
    };
    for (index, statement) in script.statements.iter().enumerate() {
        look.unread(text, statement);
        look.removes(index, statement);
        match script.dialect {
            SqlDialect::Postgres => {
                look.postgres(index, statement);
                look.transactions(index, statement);
            }
            SqlDialect::MySql => look.mysql(index, statement),
            SqlDialect::Sqlite => look.sqlite(index, statement),
        }
        look.learn(statement);
    }
    look.found
}
