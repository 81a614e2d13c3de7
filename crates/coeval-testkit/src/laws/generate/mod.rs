//! Generators: a model, a chain of operations that its checks admit, and what happens to one record.

mod convert;
mod directed;
mod edit;
mod operation;
mod place;
mod value;

use std::collections::BTreeMap;

use coeval_core::history::{Builder, History, Release};
use coeval_core::patch::Patch;
use coeval_core::schema::{Model, Property};
use coeval_core::value::Value;

use self::directed::Plan;
use super::run::{Failure, Runner, Verdict};
use super::scenario::{Event, Scenario, with_context};
use crate::rng::Rng;

/// What a run of generated scenarios did.
#[derive(Debug, Clone, Default)]
pub struct Counts {
    /// For each kind of operation, how many were applied and how many proposals the checks refused.
    pub operations: BTreeMap<&'static str, (u64, u64)>,
    /// For each kind of event, how many took effect and how many were refused or had nothing to do.
    pub events: BTreeMap<&'static str, (u64, u64)>,
    /// Scenarios.
    pub chains: u64,
    /// Versions.
    pub versions: u64,
    /// Reads at some version, and how many of them were quarantined.
    pub reads: (u64, u64),
    /// Values kept beside the records when the scenarios ended.
    pub kept: u64,
    /// Operations beneath `[]` or `{}`.
    pub beneath: u64,
}

impl Counts {
    /// Adds another run's counts.
    pub fn add(&mut self, other: &Self) {
        let sum = |mine: &mut BTreeMap<&'static str, (u64, u64)>, theirs: &BTreeMap<&'static str, (u64, u64)>| {
            for (name, (done, refused)) in theirs {
                let entry = mine.entry(name).or_default();
                entry.0 += done;
                entry.1 += refused;
            }
        };
        sum(&mut self.operations, &other.operations);
        sum(&mut self.events, &other.events);
        self.chains += other.chains;
        self.versions += other.versions;
        self.reads = (self.reads.0 + other.reads.0, self.reads.1 + other.reads.1);
        self.kept += other.kept;
        self.beneath += other.beneath;
    }
}

/// What a scenario is directed at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aim {
    /// Anything.
    Any,
    /// L7: a former value is written back.
    Former,
    /// L10: the same operations are cut into versions in two ways.
    Cuts,
    /// L14: one side of a group changes in part.
    Partial,
    /// L15: an old client changes the source of a value that a new client wrote.
    Pinned,
    /// L16: edits from outside.
    Outside,
    /// Versions retire.
    Retire,
}

impl Aim {
    /// Every aim.
    pub const ALL: [Self; 7] = [Self::Any, Self::Former, Self::Cuts, Self::Partial, Self::Pinned, Self::Outside, Self::Retire];

    /// Returns seeds beyond the usual ones whose scenarios once failed in tables.
    pub const fn once_failed(self) -> &'static [u64] {
        match self {
            Self::Any => &[167, 192, 250, 256, 355, 438, 465, 469, 634, 730, 787, 793, 820, 1212, 1222, 1231],
            Self::Partial => &[123, 144, 172, 390, 575, 590, 607, 638, 699, 700, 771, 826, 1060, 1145, 1170],
            Self::Former => &[172, 390, 501, 638, 700, 766, 840],
            Self::Pinned => &[76, 111, 172, 390, 440, 486, 578, 590, 620, 638, 700, 771, 840, 1309],
            Self::Retire => &[158],
            Self::Cuts | Self::Outside => &[],
        }
    }
}

/// Makes the scenario of a seed and runs it as it grows; what grew is in `scenario` when a law fails or code panics.
///
/// # Errors
/// The law that does not hold.
pub fn play(seed: u64, aim: Aim, scenario: &mut Scenario, counts: &mut Counts) -> Result<(), Failure> {
    let mut rng = Rng::new(seed);
    *scenario = Scenario::new(value::model(&mut rng));
    let history = chain(&mut rng, aim, scenario, counts)?;
    if aim == Aim::Cuts || (aim == Aim::Any && rng.chance(15)) {
        scenario.hidden = (2..scenario.newest()).filter(|_| rng.chance(50)).collect();
    }
    let fused = scenario.fused().map_err(|fault| Failure::new("L10", format!("the other cut does not fold: {fault}")))?;
    counts.chains += 1;
    counts.versions += u64::from(scenario.newest());
    let mut runner = Runner::new(history, fused, scenario.newest());
    if aim == Aim::Retire {
        runner.may_retire(scenario.history().map_err(|fault| Failure::new("FOLD", fault.to_string()))?);
    }
    events(&mut rng, aim, scenario, &mut runner, counts)?;
    counts.reads = (counts.reads.0 + runner.reads.0, counts.reads.1 + runner.reads.1);
    counts.kept += runner.kept();
    Ok(())
}

/// Returns the history of a seed, without events, and its newest version.
///
/// # Errors
/// Operations that the checks admit and that do not fold.
pub fn history(rng: &mut Rng) -> Result<(History, u32), Failure> {
    history_of(value::model, rng)
}

/// Returns the history of a model made by another.
///
/// # Errors
/// As [`history`].
pub fn history_of(model: impl Fn(&mut Rng) -> Model, rng: &mut Rng) -> Result<(History, u32), Failure> {
    let mut scenario = Scenario::new(model(rng));
    let history = chain(rng, Aim::Any, &mut scenario, &mut Counts::default())?;
    Ok((history, scenario.newest()))
}

/// Returns a model of which many properties are unique or indexed.
pub fn indexed(rng: &mut Rng) -> Model {
    let mut model = value::model(rng);
    let properties: Vec<(String, Property)> = model.properties.iter().map(|(name, own)| (name.to_owned(), own.clone())).collect();
    for (name, mut property) in properties {
        (property.unique, property.index) = (rng.chance(50), rng.chance(50));
        model.properties.insert(&name, property);
    }
    model
}

/// Returns a record that fits a model.
pub fn record(rng: &mut Rng, model: &Model) -> Value {
    value::record(rng, model)
}

/// Returns a record with some changes.
pub fn edited(rng: &mut Rng, model: &Model, document: &Value) -> Value {
    edit::edit(rng, model, document)
}

/// How many operations and how likely a cut after each: mostly short chains, a few with up to thirty versions.
fn lengths(rng: &mut Rng) -> (usize, usize) {
    match rng.below(100) {
        0..=59 => (rng.between(1, 3), 70),
        60..=89 => (rng.between(3, 8), 60),
        90..=97 => (rng.between(8, 16), 60),
        _ => (rng.between(16, 29), 100),
    }
}

fn chain(rng: &mut Rng, aim: Aim, scenario: &mut Scenario, counts: &mut Counts) -> Result<History, Failure> {
    let (length, cut) = lengths(rng);
    let kinds = match aim {
        Aim::Partial | Aim::Former if rng.chance(70) => operation::GROUPS,
        Aim::Pinned if rng.chance(70) => operation::FOLLOWING,
        _ => operation::KINDS,
    };
    let mut builder = Builder::start(1, scenario.model.clone());
    let mut pending = Vec::new();
    for _ in 0..length {
        for _ in 0..8 {
            let Some(kind) = rng.pick(kinds).copied() else { break };
            if apply(rng, &mut builder, scenario, kind, &mut pending, counts)? {
                break;
            }
        }
        if !pending.is_empty() && rng.chance(cut) {
            finish(&mut builder, scenario, std::mem::take(&mut pending));
        }
    }
    if !pending.is_empty() {
        finish(&mut builder, scenario, pending);
    }
    Ok(builder.finish())
}

fn finish(builder: &mut Builder, scenario: &mut Scenario, operations: Vec<coeval_core::op::Operation>) {
    let version = scenario.newest() + 1;
    builder.cut(&Release { version, operations: Vec::new(), order: None });
    scenario.releases.push(operations);
}

/// Proposes operations of a kind and applies those that the checks admit; true where one was.
fn apply(
    rng: &mut Rng,
    builder: &mut Builder,
    scenario: &Scenario,
    kind: &'static str,
    pending: &mut Vec<coeval_core::op::Operation>,
    counts: &mut Counts,
) -> Result<bool, Failure> {
    let Some(proposed) = operation::propose(rng, builder.model(), kind) else { return Ok(false) };
    let version = scenario.newest() + 1;
    let mut applied = false;
    for operation in proposed {
        let name = operation.name();
        match with_context(|context| builder.operation(version, pending.len(), &operation, context)) {
            Ok(()) => {
                counts.operations.entry(name).or_default().0 += 1;
                counts.beneath += u64::from(operation.to_value().to_string().contains(['[', ']']) && beneath(&operation));
                pending.push(operation);
                applied = true;
            }
            Err(invalid) if invalid.message.contains("a property that the history does not have") => {
                return Err(Failure::new("FOLD", format!("{}: {invalid}", operation.to_value())));
            }
            Err(invalid) => {
                counts.operations.entry(name).or_default().1 += 1;
                if invalid.message.contains(" follows from ") {
                    // Seen only when the operation was folded; what is folded is of no use any more.
                    *builder = refold(scenario, pending)?;
                }
                break;
            }
        }
    }
    Ok(applied)
}

fn refold(scenario: &Scenario, pending: &[coeval_core::op::Operation]) -> Result<Builder, Failure> {
    let mut builder = Builder::start(1, scenario.model.clone());
    with_context(|context| {
        for (version, release) in (2..).zip(scenario.releases.iter().map(Vec::as_slice).chain([pending])) {
            for (at, operation) in release.iter().enumerate() {
                builder.operation(version, at, operation, context)?;
            }
            if version <= scenario.newest() {
                builder.cut(&Release { version, operations: Vec::new(), order: None });
            }
        }
        Ok(builder)
    })
    .map_err(|invalid: coeval_core::Invalid| Failure::new("FOLD", format!("folded again: {invalid}")))
}

fn beneath(operation: &coeval_core::op::Operation) -> bool {
    let text = operation.to_value().to_string();
    ["[]", "{}."].iter().any(|mark| text.contains(mark))
}

fn events(rng: &mut Rng, aim: Aim, scenario: &mut Scenario, runner: &mut Runner, counts: &mut Counts) -> Result<(), Failure> {
    let mut versions: Vec<u32> = (1..=scenario.newest()).filter(|v| !scenario.hidden.contains(v)).collect();
    let wanted = if aim == Aim::Any { rng.between(1, 8) } else { rng.between(2, 6) };
    let wanted = if aim == Aim::Retire { wanted + 4 } else { wanted };
    let mut plan = Plan::default();
    for i in 0..(2 * wanted + 4) {
        if aim == Aim::Retire && i == wanted / 2 && runner.is_alive() {
            let before = rng.pick(&versions).copied().unwrap_or(1).max(2);
            let event = Event::Retire { before };
            scenario.events.push(event.clone());
            runner.step(&event)?;
            versions.retain(|version| *version >= before);
        }
        if i >= wanted && plan.is_empty() && runner.is_alive() {
            break;
        }
        let event = if runner.is_alive() {
            if plan.is_empty() && directed(rng, aim) {
                plan = directed::plan(rng, aim, runner, &versions);
            }
            match plan.next(rng, runner) {
                Some(event) => Some(event),
                None => random(rng, aim, runner, &versions),
            }
        } else {
            create(rng, runner, &versions)
        };
        let Some(event) = event else { continue };
        scenario.events.push(event.clone());
        let verdict = runner.step(&event)?;
        let entry = counts.events.entry(event_name(&event)).or_default();
        if verdict == Verdict::Done { entry.0 += 1 } else { entry.1 += 1 }
    }
    Ok(())
}

fn directed(rng: &mut Rng, aim: Aim) -> bool {
    match aim {
        Aim::Any => rng.chance(8),
        Aim::Former | Aim::Partial | Aim::Pinned => rng.chance(60),
        Aim::Cuts | Aim::Outside | Aim::Retire => false,
    }
}

fn event_name(event: &Event) -> &'static str {
    match event {
        Event::Create { .. } => "create",
        Event::Put { .. } => "put",
        Event::Merge { .. } => "merge",
        Event::Patch { .. } => "patch",
        Event::Same { .. } => "same",
        Event::Migrate { .. } => "migrate",
        Event::Round { .. } => "round",
        Event::Outside { .. } => "outside",
        Event::Retire { .. } => "retire",
    }
}

fn model_at(runner: &Runner, version: u32) -> Option<Model> {
    runner.history().model(version).map(|model| Model::clone(model))
}

fn create(rng: &mut Rng, runner: &Runner, versions: &[u32]) -> Option<Event> {
    let at = *rng.pick(versions)?;
    let model = model_at(runner, at)?;
    Some(Event::Create { at, document: value::record(rng, &model) })
}

fn random(rng: &mut Rng, aim: Aim, runner: &Runner, versions: &[u32]) -> Option<Event> {
    let at = *rng.pick(versions)?;
    let outside = if aim == Aim::Outside { 40 } else { 10 };
    if rng.chance(outside) {
        let stored = runner.stored()?;
        let model = model_at(runner, stored.version)?;
        return Some(Event::Outside { document: edit::edit_outside(rng, &model, &stored.document) });
    }
    match rng.below(10) {
        0..=3 => {
            let model = model_at(runner, at)?;
            let Some(current) = runner.read(at) else {
                return Some(Event::Put { at, document: value::record(rng, &model) });
            };
            let document = edit::edit(rng, &model, &current);
            Some(match rng.below(8) {
                0 => Event::Merge { at, patch: edit::merge_patch(&current, &document) },
                1 => Event::Patch { at, patch: Patch::diff(&current, &document) },
                2 => edit::move_item(rng, &current).map(|patch| Event::Patch { at, patch })?,
                _ => Event::Put { at, document },
            })
        }
        4 => Some(Event::Same { at }),
        5 | 6 => Some(Event::Migrate { to: at }),
        7 | 8 => {
            let route = (0..rng.between(1, 4)).filter_map(|_| rng.pick(versions).copied()).collect();
            Some(Event::Round { route })
        }
        _ => create(rng, runner, versions),
    }
}

/// The current document at a version with a change at one path only.
fn change(rng: &mut Rng, runner: &Runner, at: u32, path: &[String]) -> Option<Value> {
    edit::change_at(rng, &model_at(runner, at)?, &runner.read(at)?, path)
}
