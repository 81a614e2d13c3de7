//! Standalone migrations as what is to be done, in order: plain values that a backend executes one after the other.
//!
//! Nothing is decided while something runs: whatever keeps a migration from running, or from being undone, is said before the
//! first act.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::Range;

use coeval_core::Value;

use crate::lint;
use crate::sql::{Kind, SqlDialect, pieces};
use crate::step::Step;

mod value;

/// A standalone migration, as far as running it goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standalone {
    /// Its id.
    pub id: String,
    /// The ids of the migrations that run before it.
    pub depends_on: Vec<String>,
    /// The version of the manifest that is migrated to before it.
    pub after: Option<u32>,
    /// The backend it runs on; the default one where `None`.
    pub backend: Option<String>,
    /// The way there.
    pub up: Vec<Entry>,
    /// The way back.
    pub down: Vec<Entry>,
    /// Whether there is a way back.
    pub reversible: bool,
    /// What must hold afterwards.
    pub checks: Vec<Check>,
    /// What a store records, so that an edited one is noticed.
    pub digest: String,
}

/// One entry of `up` or `down`, as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// SQL: one statement or several.
    Sql(String),
    /// Operations on the records of a model.
    Operations {
        /// The model.
        model: String,
        /// The operations, one mapping each.
        operations: Vec<Value>,
    },
    /// A data repair.
    Update(Update),
    /// A program.
    Exec(Exec),
}

/// New values for records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Update {
    /// The model.
    pub model: String,
    /// Which records, as an expression; all where `None`.
    pub filter: Option<String>,
    /// The new values by path, as expressions.
    pub set: Vec<(String, String)>,
}

/// A program that reads a JSON record a line and writes one a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exec {
    /// The model whose records it reads.
    pub model: Option<String>,
    /// The program and its arguments.
    pub command: Vec<String>,
}

/// A query that tells whether a migration succeeded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// The query.
    pub sql: String,
    /// Whether it must give no row, or one row holding one zero; else it must only run.
    pub expect_zero_rows: bool,
}

impl Check {
    /// Returns whether the rows that the query gave are as expected.
    pub fn holds(&self, rows: &[Vec<Value>]) -> bool {
        match rows {
            _ if !self.expect_zero_rows => true,
            [] => true,
            [row] => matches!(row.as_slice(), [value] if *value == Value::from(0)),
            _ => false,
        }
    }

    /// Says that it does not hold, and what it gave.
    pub fn fails(&self, rows: &[Vec<Value>]) -> String {
        let line = self.sql.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
        let gave = match rows {
            [row] => row.iter().map(Value::to_string).collect::<Vec<_>>().join(", "),
            rows => format!("{} rows", rows.len()),
        };
        format!("a check does not hold: `{line}` gave {gave}")
    }
}

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// Executes one statement.
    Sql {
        /// The statement, without a semicolon at its end.
        text: String,
        /// How it stands to transactions.
        transaction: Transaction,
    },
    /// Applies operations to the records of a model.
    Operations {
        /// The model.
        model: String,
        /// The operations, one mapping each.
        operations: Vec<Value>,
    },
    /// Gives records new values.
    Update(Update),
    /// Passes records through a program.
    Exec(Exec),
    /// Asks whether it succeeded.
    Check(Check),
}

/// How a statement stands to transactions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transaction {
    /// It runs inside of one or outside.
    Either,
    /// It fails, or does nothing, inside of one.
    Outside,
    /// It begins or ends one: no other may be around it.
    Controls,
}

/// What is done for one migration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// Its id.
    pub id: String,
    /// The backend; the default one where `None`.
    pub backend: Option<String>,
    /// The version of the manifest that is migrated to before it.
    pub after: Option<u32>,
    /// What a store records.
    pub digest: String,
    /// What is done, in order.
    pub acts: Vec<Act>,
    /// What takes it back; `None` where nothing does.
    pub reverse: Option<Vec<Act>>,
    /// Whether this is the way back.
    pub back: bool,
}

impl Run {
    /// Returns it as a step of a store that has a schema.
    ///
    /// # Errors
    /// [`Refusal::Impossible`] for what such a store does not do as a part of a migration.
    pub fn into_step(self) -> Result<Step, Refusal> {
        for act in self.acts.iter().chain(self.reverse.iter().flatten()) {
            let (what, instead) = match act {
                Act::Sql { transaction: Transaction::Either | Transaction::Outside, .. } | Act::Check(_) => continue,
                Act::Sql { text, transaction: Transaction::Controls } => {
                    let text = text.lines().next().unwrap_or_default().to_owned();
                    (text, "take it out: what can be in a transaction is in one")
                }
                Act::Operations { .. } => {
                    ("operations".to_owned(), "say them in the model's file; `coeval freeze` makes a version of them")
                }
                Act::Update(_) => ("an update".to_owned(), "say it as SQL"),
                Act::Exec(_) => ("a program".to_owned(), "say it as SQL, or run it on `coeval list` and `coeval put`"),
            };
            return Err(Refusal::Impossible { id: self.id, what, instead });
        }
        Ok(Step::Standalone { id: self.id, digest: self.digest, up: self.acts, down: self.reverse, back: self.back })
    }
}

/// A migration that a store has applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// Its id.
    pub id: String,
    /// Its digest when it was applied.
    pub digest: String,
}

/// The standalone migrations of one backend, in the order in which they run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ordered {
    /// What their SQL is written in.
    pub dialect: SqlDialect,
    /// The migrations.
    pub migrations: Vec<Standalone>,
}

impl Ordered {
    /// Returns the migrations that are not applied and whose turn it is when a store comes to a version: they do not wait for a
    /// newer one, and depend on none that does.
    ///
    /// # Errors
    /// As [`forward`], for all of them: also what is only due later is looked at.
    pub fn due(&self, applied: &[Applied], version: u32) -> Result<Vec<Run>, Refusal> {
        let mut waiting: BTreeSet<String> = BTreeSet::new();
        let mut due = Vec::new();
        for run in forward(&self.migrations, applied, self.dialect)? {
            let migration = self.migrations.iter().find(|migration| migration.id == run.id);
            let depends = migration.is_some_and(|m| m.depends_on.iter().any(|needs| waiting.contains(needs)));
            if depends || run.after.is_some_and(|after| after > version) {
                waiting.insert(run.id);
            } else {
                due.push(run);
            }
        }
        Ok(due)
    }
}

/// Returns which acts are done together, as ranges: those that can be in one transaction are, each other one is alone.
pub fn together(acts: &[Act]) -> Vec<Range<usize>> {
    let alone = |act: &Act| match act {
        Act::Sql { transaction, .. } => *transaction != Transaction::Either,
        Act::Operations { .. } | Act::Update(_) | Act::Exec(_) | Act::Check(_) => false,
    };
    let mut out: Vec<Range<usize>> = Vec::new();
    for (at, act) in acts.iter().enumerate() {
        match out.last_mut() {
            Some(last) if !alone(act) && !alone(&acts[last.start]) => last.end = at + 1,
            Some(_) | None => out.push(at..at + 1),
        }
    }
    out
}

/// Returns the SQL of acts, as text for people.
pub fn written(acts: &[Act]) -> Vec<String> {
    let text = |act: &Act| match act {
        Act::Sql { text, .. } => Some(text.clone()),
        Act::Check(check) => Some(check.sql.trim().trim_end_matches(';').to_owned()),
        Act::Operations { .. } | Act::Update(_) | Act::Exec(_) => None,
    };
    acts.iter().filter_map(text).collect()
}

/// Why nothing is run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// It was applied, and changed since.
    Edited {
        /// The migration.
        id: String,
    },
    /// It stands before a migration that it depends on, or that one does not exist.
    Dependency {
        /// The migration.
        id: String,
        /// The one it depends on.
        needs: String,
    },
    /// There is no way back.
    NotReversible {
        /// The migration.
        id: String,
    },
    /// It was not applied, so it cannot be undone.
    NotApplied {
        /// The migration.
        id: String,
    },
    /// It was applied, and its file is gone, so nobody knows how to undo it.
    Gone {
        /// The migration.
        id: String,
    },
    /// Another one that is applied depends on it.
    StillNeeded {
        /// The migration.
        id: String,
        /// The one that depends on it.
        by: String,
    },
    /// It does something that its store does not do as a part of a migration.
    Impossible {
        /// The migration.
        id: String,
        /// What it does.
        what: String,
        /// What to do instead.
        instead: &'static str,
    },
    /// A quote or comment in its SQL is never closed.
    Unclosed {
        /// The migration.
        id: String,
        /// From where on.
        text: String,
    },
    /// Its SQL has a command of a client, which no database knows.
    ClientCommand {
        /// The migration.
        id: String,
        /// The command.
        command: String,
    },
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Edited { id } => write!(f, "the migration `{id}` was edited after it was applied"),
            Self::Dependency { id, needs } => write!(f, "`{id}` depends on `{needs}`, which does not run before it"),
            Self::NotReversible { id } => write!(f, "the migration `{id}` says that it cannot be undone"),
            Self::NotApplied { id } => write!(f, "the migration `{id}` was not applied"),
            Self::Gone { id } => write!(f, "the migration `{id}` was applied, and its file is gone"),
            Self::StillNeeded { id, by } => write!(f, "the migration `{by}` is applied and depends on `{id}`"),
            Self::Impossible { id, what, instead } => {
                write!(f, "the migration `{id}` has what cannot be executed on a database: {what}; {instead}")
            }
            Self::Unclosed { id, text } => write!(f, "the SQL of `{id}` has a quote that is never closed: {text}"),
            Self::ClientCommand { id, command } => write!(f, "the SQL of `{id}` has a command that no database knows: {command}"),
        }
    }
}

impl std::error::Error for Refusal {}

/// Returns what is done to apply the migrations that are not applied yet. `ordered` is the order in which they run.
///
/// # Errors
/// One that is applied was edited; one stands before what it depends on; SQL that cannot be cut into statements.
pub fn forward(ordered: &[Standalone], applied: &[Applied], dialect: SqlDialect) -> Result<Vec<Run>, Refusal> {
    let was = digests(applied);
    let mut done: BTreeSet<&str> = was.keys().copied().collect();
    let mut runs = Vec::new();
    for migration in ordered {
        if let Some(digest) = was.get(migration.id.as_str()) {
            unedited(migration, digest)?;
            continue;
        }
        if let Some(needs) = migration.depends_on.iter().find(|needs| !done.contains(needs.as_str())) {
            return Err(Refusal::Dependency { id: migration.id.clone(), needs: needs.clone() });
        }
        let reverse = migration.reversible.then(|| acts(&migration.id, &migration.down, dialect)).transpose()?;
        runs.push(run(migration, there(migration, dialect)?, reverse));
        done.insert(&migration.id);
    }
    Ok(runs)
}

/// Returns what is done to undo migrations: the one that was applied last comes first, and the entries of each `down` in the
/// order written, which is the order in which they undo. `applied` is in the order in which they were applied.
///
/// # Errors
/// One of them is not applied, cannot be undone, was edited, or is gone; another one that stays applied depends on one; SQL that
/// cannot be cut into statements. All before anything is undone.
pub fn back(
    known: &[Standalone],
    applied: &[Applied],
    undo: &BTreeSet<String>,
    dialect: SqlDialect,
) -> Result<Vec<Run>, Refusal> {
    let was = digests(applied);
    if let Some(id) = undo.iter().find(|id| !was.contains_key(id.as_str())) {
        return Err(Refusal::NotApplied { id: id.clone() });
    }
    for migration in known.iter().filter(|m| was.contains_key(m.id.as_str()) && !undo.contains(&m.id)) {
        if let Some(id) = migration.depends_on.iter().find(|id| undo.contains(*id)) {
            return Err(Refusal::StillNeeded { id: id.clone(), by: migration.id.clone() });
        }
    }
    let mut runs = Vec::new();
    for applied in applied.iter().rev().filter(|applied| undo.contains(&applied.id)) {
        let id = || applied.id.clone();
        let migration = known.iter().find(|m| m.id == applied.id).ok_or_else(|| Refusal::Gone { id: id() })?;
        unedited(migration, &applied.digest)?;
        if !migration.reversible {
            return Err(Refusal::NotReversible { id: id() });
        }
        let acts = acts(&migration.id, &migration.down, dialect)?;
        runs.push(Run { back: true, ..run(migration, acts, Some(there(migration, dialect)?)) });
    }
    Ok(runs)
}

fn digests(applied: &[Applied]) -> BTreeMap<&str, &str> {
    applied.iter().map(|applied| (applied.id.as_str(), applied.digest.as_str())).collect()
}

fn unedited(migration: &Standalone, digest: &str) -> Result<(), Refusal> {
    if migration.digest == digest { Ok(()) } else { Err(Refusal::Edited { id: migration.id.clone() }) }
}

fn run(migration: &Standalone, acts: Vec<Act>, reverse: Option<Vec<Act>>) -> Run {
    let (id, backend, digest) = (migration.id.clone(), migration.backend.clone(), migration.digest.clone());
    Run { id, backend, after: migration.after, digest, acts, reverse, back: false }
}

/// The way there, and what must hold then.
fn there(migration: &Standalone, dialect: SqlDialect) -> Result<Vec<Act>, Refusal> {
    let mut acts = acts(&migration.id, &migration.up, dialect)?;
    for check in &migration.checks {
        if statements(&migration.id, &check.sql, dialect)?.len() > 1 {
            let what = "several statements in one check".to_owned();
            return Err(Refusal::Impossible { id: migration.id.clone(), what, instead: "make a check of each" });
        }
        acts.push(Act::Check(check.clone()));
    }
    Ok(acts)
}

fn acts(id: &str, entries: &[Entry], dialect: SqlDialect) -> Result<Vec<Act>, Refusal> {
    let mut out = Vec::new();
    for entry in entries {
        match entry {
            Entry::Sql(text) => out.extend(statements(id, text, dialect)?),
            Entry::Operations { model, operations } => {
                out.push(Act::Operations { model: model.clone(), operations: operations.clone() });
            }
            Entry::Update(update) => out.push(Act::Update(update.clone())),
            Entry::Exec(exec) => out.push(Act::Exec(exec.clone())),
        }
    }
    Ok(out)
}

fn statements(id: &str, text: &str, dialect: SqlDialect) -> Result<Vec<Act>, Refusal> {
    let (pieces, _) = pieces(text, dialect);
    let mut out = Vec::with_capacity(pieces.len());
    for piece in pieces {
        for token in &piece.tokens {
            let shown = || token.text.lines().next().unwrap_or_default().to_owned();
            match token.kind {
                Kind::Unclosed => return Err(Refusal::Unclosed { id: id.to_owned(), text: shown() }),
                // A delimiter has done its work when the text is cut.
                Kind::Client if dialect == SqlDialect::MySql => {}
                Kind::Client => return Err(Refusal::ClientCommand { id: id.to_owned(), command: shown() }),
                Kind::Word | Kind::Quoted | Kind::String | Kind::Number | Kind::Sign | Kind::Comment => {}
            }
        }
        if piece.tokens.iter().all(|token| token.kind != Kind::Client) {
            out.push(Act::Sql { text: text[piece.span()].to_owned(), transaction: lint::transaction(&piece, dialect) });
        }
    }
    Ok(out)
}
