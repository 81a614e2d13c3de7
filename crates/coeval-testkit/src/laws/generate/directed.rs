//! Directed events, for laws that random writes hardly ever put to the test (L7, L14, L15).

use std::collections::VecDeque;

use coeval_core::history::{NodeId, Scope, Time};
use coeval_core::value::Value;

use super::{Aim, change};
use crate::laws::run::Runner;
use crate::laws::scenario::Event;
use crate::rng::Rng;

/// What is to happen next. A change is worked out when its turn comes, from what is then there.
#[derive(Debug, Default)]
pub(super) struct Plan(VecDeque<Step>);

#[derive(Debug)]
enum Step {
    /// The property at a path of a version changes and nothing else.
    Change(u32, Vec<String>),
    /// A former document is written again.
    Again(u32, Value),
    /// The document moves.
    Move(u32),
}

impl Plan {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the next event; `None` where it is not possible, which ends the plan.
    pub(super) fn next(&mut self, rng: &mut Rng, runner: &Runner) -> Option<Event> {
        let event = match self.0.pop_front()? {
            Step::Change(at, path) => change(rng, runner, at, &path).map(|document| Event::Put { at, document }),
            Step::Again(at, document) => Some(Event::Put { at, document }),
            Step::Move(to) => Some(Event::Migrate { to }),
        };
        if event.is_none() {
            self.0.clear();
        }
        event
    }
}

/// Returns a plan for the aim; an empty one where the history gives no occasion.
pub(super) fn plan(rng: &mut Rng, aim: Aim, runner: &Runner, versions: &[u32]) -> Plan {
    let aim = if aim == Aim::Any { rng.one([Aim::Former, Aim::Partial, Aim::Pinned]) } else { aim };
    let steps = match aim {
        Aim::Former => former(rng, runner, versions),
        Aim::Partial => partial(rng, runner, versions),
        Aim::Pinned => pinned(rng, runner, versions),
        Aim::Any | Aim::Cuts | Aim::Outside | Aim::Retire => None,
    };
    Plan(steps.unwrap_or_default().into())
}

/// The names from the top to a node at a moment at which it is shown.
fn path_of(scope: &Scope, node: NodeId, t: Time) -> Vec<String> {
    let mut names = Vec::new();
    let mut at = Some(node);
    while let Some(node) = at {
        let place = scope.nodes[node].place(t);
        names.push(place.name.clone());
        at = place.parent;
    }
    names.reverse();
    names
}

/// The value of a property is changed and written back, with or without a migration between: what was kept with it must not
/// come to life again.
fn former(rng: &mut Rng, runner: &Runner, versions: &[u32]) -> Option<Vec<Step>> {
    let at = *rng.pick(versions)?;
    let t = runner.history().moment(at)?;
    let document = runner.read(at)?;
    let order = runner.history().scope().order(t);
    let node = *rng.pick(&order.shown)?;
    let mut steps = vec![Step::Change(at, path_of(runner.history().scope(), node, t))];
    if rng.chance(50) {
        steps.push(Step::Move(*rng.pick(versions)?));
    }
    steps.push(Step::Again(at, document));
    Some(steps)
}

/// One of several inputs of a group is changed: all outputs must follow, those too that come out as they were computed before.
fn partial(rng: &mut Rng, runner: &Runner, versions: &[u32]) -> Option<Vec<Step>> {
    let scope = runner.history().scope();
    let mut found = Vec::new();
    for at in versions {
        let t = runner.history().moment(*at)?;
        for recipe in scope.recipes.iter().filter(|recipe| !recipe.sticky && recipe.deps.len() > 1) {
            if recipe.deps.iter().all(|dep| scope.nodes[*dep].alive(t)) {
                found.extend(recipe.deps.iter().map(|dep| (*at, path_of(scope, *dep, t))));
            }
        }
    }
    let (at, path) = rng.pick(&found)?.clone();
    let mut steps = vec![Step::Change(at, path)];
    if rng.chance(60) {
        // Before it, the other side writes what this side's recipe would not give.
        let other = *rng.pick(versions)?;
        let t = runner.history().moment(other)?;
        let node = *rng.pick(&scope.order(t).shown)?;
        steps.insert(0, Step::Change(other, path_of(scope, node, t)));
    }
    Some(steps)
}

/// A client that shows a value which follows others writes it, then one that shows only the others writes them.
fn pinned(rng: &mut Rng, runner: &Runner, versions: &[u32]) -> Option<Vec<Step>> {
    let scope = runner.history().scope();
    let mut found = Vec::new();
    for (node, known) in scope.nodes.iter().enumerate() {
        for (recipe, _) in known.up.into_iter().chain(known.down) {
            let recipe = &scope.recipes[recipe];
            if recipe.sticky && !recipe.deps.is_empty() {
                found.push((node, recipe.deps.clone()));
            }
        }
    }
    let (node, deps) = rng.pick(&found)?;
    let time = |v: &u32| runner.history().moment(*v).unwrap_or_default();
    let showing: Vec<u32> = versions.iter().copied().filter(|v| scope.nodes[*node].alive(time(v))).collect();
    let dep = *rng.pick(deps)?;
    let hiding: Vec<u32> =
        versions.iter().copied().filter(|v| scope.nodes[dep].alive(time(v)) && !scope.nodes[*node].alive(time(v))).collect();
    let (writer, other) = (*rng.pick(&showing)?, *rng.pick(&hiding)?);
    let change_source = Step::Change(other, path_of(scope, dep, time(&other)));
    let mut steps = vec![Step::Change(writer, path_of(scope, *node, time(&writer))), change_source];
    if rng.chance(30) {
        steps.insert(1, Step::Move(*rng.pick(versions)?));
    }
    Some(steps)
}
