//! Cuts a failing scenario down: fewer events, operations, versions and properties that fail by the same law.

use std::panic::{AssertUnwindSafe, catch_unwind};

use coeval_core::value::Value;

use super::run::{Failure, replay};
use super::scenario::Scenario;

/// Runs a scenario, a panic being a failure too.
///
/// # Errors
/// The law that does not hold.
pub fn replay_caught(scenario: &Scenario) -> Result<bool, Failure> {
    caught(|| replay(scenario))
}

/// Calls a function, a panic being a failure.
///
/// # Errors
/// The function's failure, or `PANIC`.
pub fn caught<T>(call: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(|panic| {
        let message = panic.downcast_ref::<String>().cloned();
        let message = message.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        Err(Failure::new("PANIC", message.unwrap_or_default()))
    })
}

/// Returns the smallest scenario found that fails by the same law, and its failure.
pub fn shrink(scenario: &Scenario, failure: Failure) -> (Scenario, Failure) {
    let mut best = (scenario.clone(), failure);
    loop {
        let smaller = candidates(&best.0).into_iter().find_map(|candidate| match replay_caught(&candidate) {
            Err(failure) if failure.law == best.1.law => Some((candidate, failure)),
            _ => None,
        });
        match smaller {
            Some(smaller) => best = smaller,
            None => return best,
        }
    }
}

fn candidates(scenario: &Scenario) -> Vec<Scenario> {
    let mut out = Vec::new();
    let mut push = |change: &dyn Fn(&mut Scenario)| {
        let mut candidate = scenario.clone();
        change(&mut candidate);
        out.push(candidate);
    };
    for i in (0..scenario.events.len()).rev() {
        push(&|s| drop(s.events.remove(i)));
    }
    if !scenario.hidden.is_empty() {
        push(&|s| s.hidden.clear());
    }
    for (r, release) in scenario.releases.iter().enumerate().rev() {
        let version = u32::try_from(r).unwrap_or_default() + 2;
        push(&|s| remove_version(s, r, version));
        for i in (0..release.len()).rev() {
            push(&|s| drop(s.releases[r].remove(i)));
        }
        if r + 1 < scenario.releases.len() {
            push(&|s| join_versions(s, r, version));
        }
    }
    let names: Vec<String> = scenario.model.properties.names().map(str::to_owned).collect();
    for name in &names {
        push(&|s| {
            s.model.properties.remove(name);
            for document in s.events.iter_mut().filter_map(|event| event.document_mut()) {
                if let Value::Object(object) = document {
                    object.remove(name);
                }
            }
        });
    }
    for (i, event) in scenario.events.iter().enumerate() {
        let Some(Value::Object(object)) = event.clone().document_mut().cloned() else { continue };
        for (name, value) in &object {
            push(&|s| with_object(s, i, |object| drop(object.remove(name))));
            for smaller in smaller_values(value) {
                push(&|s| with_object(s, i, |object| drop(object.insert(name.clone(), smaller.clone()))));
            }
        }
    }
    out
}

fn with_object(scenario: &mut Scenario, event: usize, change: impl FnOnce(&mut coeval_core::value::Object)) {
    if let Some(Value::Object(object)) = scenario.events[event].document_mut() {
        change(object);
    }
}

fn smaller_values(value: &Value) -> Vec<Value> {
    match value {
        Value::List(items) => (0..items.len())
            .map(|i| {
                let mut fewer = items.clone();
                fewer.remove(i);
                Value::List(fewer)
            })
            .collect(),
        Value::Object(object) => object
            .iter()
            .map(|(name, _)| {
                let mut fewer = object.clone();
                fewer.remove(name);
                Value::Object(fewer)
            })
            .collect(),
        _ => Vec::new(),
    }
}

fn remove_version(scenario: &mut Scenario, release: usize, version: u32) {
    scenario.releases.remove(release);
    renumber(scenario, version);
}

fn join_versions(scenario: &mut Scenario, release: usize, version: u32) {
    let operations = scenario.releases.remove(release);
    scenario.releases[release].splice(0..0, operations);
    renumber(scenario, version);
}

/// Takes a version's number away: those after it move down, and what named it names the one before.
fn renumber(scenario: &mut Scenario, version: u32) {
    let number = |v: u32| if v >= version { v - 1 } else { v };
    scenario.hidden.retain(|v| *v != version);
    scenario.hidden.iter_mut().for_each(|v| *v = number(*v));
    let newest = scenario.newest();
    scenario.hidden.retain(|v| *v > 1 && *v < newest);
    for event in &mut scenario.events {
        event.renumber(number);
    }
}
