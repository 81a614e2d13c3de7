//! The kernel against the executable model of the rules (`oracle/`), on the same random chains of edits.
//!
//! The model writes cases: a chain of edits cut into versions, and events on one record with what must come of each of them.
//! A case is replayed here through [`History`], and everything is compared after every event: whether the stored document
//! changed, what every version reads, and the value of every node. The stored document goes through its text in between.

mod chain;
mod function;
mod retire;
mod run;

use std::fmt;

use coeval_core::history::History;
use coeval_core::json;
use coeval_core::lens::{Cell, Refused, Stored};
use coeval_core::value::{Object, Value};

pub use retire::retire;
pub use run::{Failure, Summary, cases, oracle, run};

/// What was compared.
#[derive(Debug, Clone, Copy, Default)]
pub struct Counts {
    /// Chains of edits.
    pub chains: u64,
    /// Edits in them.
    pub edits: u64,
    /// Versions they were cut into.
    pub versions: u64,
    /// Events on records.
    pub events: u64,
    /// Reads at a version.
    pub reads: u64,
    /// Reads that found the record in quarantine.
    pub quarantined: u64,
    /// Values of nodes.
    pub cells: u64,
    /// Kept values that stood beside the stored documents.
    pub kept: u64,
}

impl Counts {
    /// Adds what was compared elsewhere.
    pub fn add(&mut self, other: Self) {
        self.chains += other.chains;
        self.edits += other.edits;
        self.versions += other.versions;
        self.events += other.events;
        self.reads += other.reads;
        self.quarantined += other.quarantined;
        self.cells += other.cells;
        self.kept += other.kept;
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { chains, edits, versions, events, reads, quarantined, cells, kept } = self;
        write!(
            f,
            "{chains} chains of {edits} edits in {versions} versions; {events} events, \
             {reads} reads ({quarantined} in quarantine), {cells} values of nodes, {kept} kept values"
        )
    }
}

/// Replays a case and compares everything; says what differs, if anything does.
///
/// # Errors
/// The first difference, or a case that cannot be read.
pub fn replay(case: &Value) -> Result<Counts, String> {
    let case = case.as_object().ok_or("a case is an object")?;
    let steps = list(case, "steps")?;
    let history = chain::build(steps)?;
    let nodes = places(&history, list(case, "keys")?)?;
    let cuts = steps.iter().filter(|step| step.as_object().is_some_and(|step| step.get("cut").is_some())).count();
    let mut counts = Counts { chains: 1, edits: size(steps.len() - cuts), versions: size(cuts), ..Counts::default() };
    let mut stored: Option<Stored> = None;
    for (i, event) in list(case, "events")?.iter().enumerate() {
        let event = event.as_object().ok_or("an event is an object")?;
        let place = |message: String| format!("event {}, {}: {message}", i + 1, brief(event));
        let (now, changed) = apply(&history, stored.take(), event).map_err(place)?;
        let expected = event.get("changed").and_then(Value::as_bool).ok_or("`changed` is missing")?;
        if changed != expected {
            return Err(place(format!("the stored document {}", if changed { "changed" } else { "did not change" })));
        }
        let now = through_text(&now).map_err(place)?;
        compare(&history, &now, event, &nodes, &mut counts)
            .map_err(|e| place(format!("{e}\n  stored: {}", now.to_value(true))))?;
        counts.events += 1;
        counts.kept += size(now.keep.entries.len());
        stored = Some(now);
    }
    Ok(counts)
}

fn size(length: usize) -> u64 {
    length.try_into().unwrap_or(u64::MAX)
}

/// For each node of the model, the kernel's.
fn places(history: &History, keys: &[Value]) -> Result<Vec<usize>, String> {
    let nodes = &history.scope().nodes;
    let find = |key: &Value| {
        let mut found = nodes.iter().enumerate().filter(|(_, node)| Some(node.key.as_str()) == key.as_str());
        match (found.next(), found.next()) {
            (Some((at, _)), None) => Ok(at),
            (None, _) => Err(format!("the kernel has no node {key}")),
            (Some(_), Some(_)) => Err(format!("the kernel has two nodes {key}")),
        }
    };
    if keys.len() != nodes.len() {
        let known: Vec<&str> = nodes.iter().map(|node| node.key.as_str()).collect();
        return Err(format!("the kernel has the nodes {known:?}, the model {keys:?}"));
    }
    keys.iter().map(find).collect()
}

/// Applies an event; returns the stored document after it, and whether it is another one.
fn apply(history: &History, before: Option<Stored>, event: &Object) -> Result<(Stored, bool), String> {
    let version = number(event, "version")?;
    let document = event.get("document");
    let given = || document.cloned().ok_or_else(|| "`document` is missing".to_owned());
    let kind = event.get("event").and_then(Value::as_str).unwrap_or_default();
    if kind == "create" {
        return Ok((history.create(version, given()?).map_err(|e| e.to_string())?, true));
    }
    let before = before.ok_or("the first event must be a creation")?;
    match kind {
        "put" => {
            let after = history.put(&before, version, &given()?).map_err(|e| e.to_string())?;
            Ok(after.map_or((before, false), |after| (after, true)))
        }
        "migrate" => match history.migrate(&before, version) {
            Ok(after) => Ok((after, true)),
            Err(Refused::Quarantined { .. }) => Ok((before, false)),
            Err(e) => Err(e.to_string()),
        },
        "raw" => Ok((history.edit_outside(&before, given()?), true)),
        _ => Err(format!("unknown event `{kind}`")),
    }
}

/// What is read back from the text of a stored document, which must be the same.
fn through_text(stored: &Stored) -> Result<Stored, String> {
    let text = stored.to_value(true).to_string();
    let value = json::parse(text.as_bytes()).map_err(|e| format!("{text}: {e}"))?;
    let back = Stored::from_value(value, 0).map_err(|e| e.to_string())?;
    if back == *stored { Ok(back) } else { Err(format!("the stored document is not what its text says: {stored:?}")) }
}

fn compare(history: &History, stored: &Stored, event: &Object, nodes: &[usize], counts: &mut Counts) -> Result<(), String> {
    let state = history.state(stored).map_err(|e| e.to_string())?;
    for (expected, node) in list(event, "cells")?.iter().zip(nodes) {
        let cell = &state.cells[*node];
        let same = match (cell, expected) {
            (Cell::Absent, expected) => expected.as_i64() == Some(0),
            (Cell::Bad(_), expected) => expected.as_i64() == Some(1),
            (Cell::Value(value), Value::List(expected)) => expected.first() == Some(value),
            (Cell::Value(_) | Cell::Elements(_), _) => false,
        };
        if !same {
            let key = &history.scope().nodes[*node].key;
            return Err(format!("the node {key} holds {cell:?}, the model says {expected} (0 absent, 1 bad)"));
        }
        counts.cells += 1;
    }
    for (version, expected) in (1..).zip(list(event, "reads")?) {
        let read = match history.read(stored, version) {
            Ok(document) => document,
            Err(Refused::Quarantined { .. }) => Value::Null,
            Err(e) => return Err(e.to_string()),
        };
        if read != *expected {
            return Err(format!("version {version} reads {read}, the model says {expected} (null: quarantined)"));
        }
        counts.reads += 1;
        counts.quarantined += u64::from(read == Value::Null);
    }
    Ok(())
}

/// The case as people read it: what happens, without what must come of it.
pub fn tell(case: &Value) -> String {
    let mut lines = Vec::new();
    let Some(case) = case.as_object() else { return String::new() };
    lines.extend(case.get("name").map(|name| format!("case {name}")));
    for step in list(case, "steps").unwrap_or_default() {
        lines.push(format!("  {step}"));
    }
    for (i, event) in list(case, "events").unwrap_or_default().iter().enumerate() {
        lines.extend(event.as_object().map(|event| format!("  event {}: {}", i + 1, brief(event))));
    }
    lines.join("\n")
}

fn brief(event: &Object) -> String {
    let text = |key: &str| event.get(key).map(Value::to_string).unwrap_or_default();
    format!("{} at version {} {}", text("event"), text("version"), text("document"))
}

fn list<'a>(object: &'a Object, key: &str) -> Result<&'a [Value], String> {
    object.get(key).and_then(Value::as_list).ok_or_else(|| format!("`{key}` is not a list"))
}

fn number(object: &Object, key: &str) -> Result<u32, String> {
    let number = object.get(key).and_then(Value::as_i64).and_then(|n| u32::try_from(n).ok());
    number.ok_or_else(|| format!("`{key}` is not a number"))
}

fn text<'a>(object: &'a Object, key: &str) -> Result<&'a str, String> {
    object.get(key).and_then(Value::as_str).ok_or_else(|| format!("`{key}` is not a string"))
}
