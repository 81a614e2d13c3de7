//! One entry, and its text.

use coeval_core::decode::{object, required, string};
use coeval_core::{Invalid, Object, Value, json};
use coeval_plan::Step;

use crate::error::{Error, Result};
use crate::event::Tally;
use crate::work::Policy;

/// The format of the entries that this release writes; those of a larger number are a newer release's.
const FORMAT: i64 = 1;

/// Something that happened to a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its number, from 1.
    pub number: u64,
    /// When, in RFC 3339.
    pub at: String,
    /// By whom, for people.
    pub by: String,
    /// What.
    pub happened: Happened,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Happened {
    /// A run began.
    Started(Started),
    /// The open run came to its end: the version it went to is in force.
    Finished {
        /// The run.
        run: String,
        /// What each of its steps did.
        tallies: Vec<Tally>,
    },
    /// The open run cannot or shall not come to its end: what it did is being undone, and nothing else may happen before that is
    /// done.
    Undoing {
        /// The run.
        run: String,
        /// Why.
        reason: String,
    },
    /// The open run failed, and what it did was undone: nothing has changed.
    Undone {
        /// The run.
        run: String,
        /// Why it failed.
        reason: String,
    },
    /// Records that were here before, or that another tool migrated, were taken over as they are.
    Adopted {
        /// The version in force from now on.
        version: u32,
        /// At which version the records of each model are that carry none.
        models: Vec<(String, u32)>,
        /// From what: `s3verless`.
        source: String,
        /// The versions up to the one in force.
        versions: Vec<VersionId>,
    },
}

/// The beginning of a run: everything that another process needs to carry it on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Started {
    /// Its id, a UUID.
    pub run: String,
    /// What it is.
    pub action: Action,
    /// The version in force when it began; 0 where there was none.
    pub from: u32,
    /// The version that is in force when it ends.
    pub to: u32,
    /// What it does.
    pub steps: Vec<Step>,
    /// What becomes of records in the way, also where another process carries the run on.
    pub policy: Policy,
    /// The versions up to the larger of `from` and `to`, by which a later run knows that it has the same ones.
    pub versions: Vec<VersionId>,
}

/// What a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// To a newer version.
    Migrate,
    /// Back to an older one.
    Rollback,
    /// Ends the life of the versions before one.
    Retire {
        /// The oldest that stays.
        before: u32,
    },
}

impl Action {
    /// Returns the word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Migrate => "migrate",
            Self::Rollback => "rollback",
            Self::Retire { .. } => "retire",
        }
    }
}

/// A version of the manifest, told apart from another one of the same number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionId {
    /// Its number.
    pub number: u32,
    /// Its UUID.
    pub id: String,
}

fn number(count: u64) -> Value {
    i64::try_from(count).unwrap_or(i64::MAX).into()
}

fn tally_value(tally: &Tally) -> Value {
    let mut out = Object::new();
    tally.write(&mut out);
    out.into()
}

const fn policy_name(policy: Policy) -> &'static str {
    match policy {
        Policy::Reject => "reject",
        Policy::Quarantine => "quarantine",
    }
}

fn policy(name: &str) -> Result<Policy, Invalid> {
    let known = [Policy::Reject, Policy::Quarantine].into_iter().find(|policy| policy_name(*policy) == name);
    known.ok_or_else(|| Invalid::new(format!("unknown policy `{name}`")))
}

fn versions_value(versions: &[VersionId]) -> Value {
    versions.iter().map(|v| (v.number.to_string().into(), v.id.as_str().into())).collect::<Object>().into()
}

impl Entry {
    /// Returns the entry as JSON, for machines and for people who look.
    pub fn to_value(&self) -> Value {
        let mut out = Object::new();
        out.insert("format", FORMAT.into());
        out.insert("number", number(self.number));
        out.insert("at", self.at.as_str().into());
        out.insert("by", self.by.as_str().into());
        match &self.happened {
            Happened::Started(started) => {
                out.insert("event", "started".into());
                out.insert("run", started.run.as_str().into());
                out.insert("action", started.action.name().into());
                if let Action::Retire { before } = started.action {
                    out.insert("before", i64::from(before).into());
                }
                out.insert("from", i64::from(started.from).into());
                out.insert("to", i64::from(started.to).into());
                out.insert("steps", Value::List(started.steps.iter().map(Step::to_value).collect()));
                out.insert("on_fail", policy_name(started.policy).into());
                out.insert("versions", versions_value(&started.versions));
            }
            Happened::Finished { run, tallies } => {
                out.insert("event", "finished".into());
                out.insert("run", run.as_str().into());
                out.insert("tallies", Value::List(tallies.iter().map(tally_value).collect()));
            }
            Happened::Undoing { run, reason } => {
                out.insert("event", "undoing".into());
                out.insert("run", run.as_str().into());
                out.insert("reason", reason.as_str().into());
            }
            Happened::Undone { run, reason } => {
                out.insert("event", "undone".into());
                out.insert("run", run.as_str().into());
                out.insert("reason", reason.as_str().into());
            }
            Happened::Adopted { version, models, source, versions } => {
                out.insert("event", "adopted".into());
                out.insert("version", i64::from(*version).into());
                let models = models.iter().map(|(name, version)| (name.as_str().into(), i64::from(*version).into()));
                out.insert("models", models.collect::<Object>().into());
                out.insert("source", source.as_str().into());
                out.insert("versions", versions_value(versions));
            }
        }
        out.into()
    }

    /// Reads the text of an entry; `what` is what people call the place where it lies.
    ///
    /// # Errors
    /// [`Error::Unreadable`], also for what a newer release wrote.
    pub fn read(bytes: &[u8], what: &str) -> Result<Self> {
        let unreadable = |reason: String, newer: bool| Error::Unreadable { what: what.to_owned(), reason, newer };
        let value = json::parse(bytes).map_err(|e| unreadable(e.message, false))?;
        let format = value.as_object().and_then(|entry| entry.get("format")?.as_i64());
        match format {
            Some(format) if format > FORMAT => {
                return Err(unreadable(format!("its format is {format}, this release knows {FORMAT}"), true));
            }
            Some(_) => {}
            None => return Err(unreadable("it does not say its format".to_owned(), false)),
        }
        Self::from_value(&value).map_err(|e| unreadable(e.message, false))
    }

    fn from_value(value: &Value) -> Result<Self, Invalid> {
        let entry = object(value, "an entry")?;
        let text = |name: &str| string(entry, name).map(str::to_owned);
        let happened = match string(entry, "event")? {
            "started" => Happened::Started(Started {
                run: text("run")?,
                action: match string(entry, "action")? {
                    "migrate" => Action::Migrate,
                    "rollback" => Action::Rollback,
                    "retire" => Action::Retire { before: version(entry, "before")? },
                    other => return Err(Invalid::new(format!("unknown action `{other}`"))),
                },
                from: version(entry, "from")?,
                to: version(entry, "to")?,
                steps: list(entry, "steps")?.iter().map(Step::from_value).collect::<Result<_, _>>()?,
                policy: policy(string(entry, "on_fail")?)?,
                versions: versions(entry)?,
            }),
            "finished" => Happened::Finished {
                run: text("run")?,
                tallies: list(entry, "tallies")?.iter().map(tally).collect::<Result<_, _>>()?,
            },
            "undoing" => Happened::Undoing { run: text("run")?, reason: text("reason")? },
            "undone" => Happened::Undone { run: text("run")?, reason: text("reason")? },
            "adopted" => {
                let models = object(required(entry, "models")?, "the models")?;
                let models = models.iter().map(|(name, _)| Ok((name.to_string(), version(models, name)?)));
                Happened::Adopted {
                    version: version(entry, "version")?,
                    models: models.collect::<Result<_, Invalid>>()?,
                    source: text("source")?,
                    versions: versions(entry)?,
                }
            }
            other => return Err(Invalid::new(format!("unknown event `{other}`"))),
        };
        Ok(Self { number: count(entry, "number")?, at: text("at")?, by: text("by")?, happened })
    }
}

fn count(object: &Object, name: &str) -> Result<u64, Invalid> {
    let number = required(object, name)?.as_i64().and_then(|n| u64::try_from(n).ok());
    number.ok_or_else(|| Invalid::new("expected a count").beneath(name))
}

fn version(object: &Object, name: &str) -> Result<u32, Invalid> {
    u32::try_from(count(object, name)?).map_err(|_| Invalid::new("expected a version's number").beneath(name))
}

fn list<'o>(object: &'o Object, name: &str) -> Result<&'o [Value], Invalid> {
    required(object, name)?.as_list().ok_or_else(|| Invalid::new("expected a list").beneath(name))
}

fn versions(entry: &Object) -> Result<Vec<VersionId>, Invalid> {
    let versions = object(required(entry, "versions")?, "the versions")?;
    let read = versions.iter().map(|(number, _)| {
        let id = string(versions, number)?.to_owned();
        let number = number.parse().map_err(|_| Invalid::new("expected a version's number").beneath(number))?;
        Ok(VersionId { number, id })
    });
    read.collect()
}

fn tally(value: &Value) -> Result<Tally, Invalid> {
    Tally::read(object(value, "a tally")?)
}
