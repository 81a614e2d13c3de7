//! What may be a rename or a move: what is gone, and what is new and could be the same.

use std::collections::HashSet;

use coeval_core::invalid::distance;
use coeval_core::{Path, Property, Type, Value};

use super::literal::{cast, name, sample};
use super::{Candidate, Detector, Question, Walk, pointer, value_of};

/// How many candidates a question lists.
const SHOWN: usize = 5;

impl Detector<'_> {
    /// Asks about everything that is gone and may have been renamed. Returns the paths that are spoken for.
    pub(super) fn moves(&mut self, walk: &Walk<'_>) -> HashSet<Path> {
        let mut spoken = HashSet::new();
        if self.legacy {
            return spoken;
        }
        let mut targets: Vec<(Path, &Property, bool)> = Vec::new();
        for (path, property) in &walk.added {
            targets.push((path.clone(), property, true));
            descend(path, property, &mut targets);
        }
        // A property that became an object may have moved into it: `name` → `name.common`.
        for (path, before, after) in &walk.changed {
            if !matches!(before.ty, Type::Object(_)) && matches!(after.ty, Type::Object(_)) {
                descend(path, after, &mut targets);
            }
        }
        for (path, property) in &walk.removed {
            let mut ranked: Vec<(usize, &Path, &Property)> = targets
                .iter()
                .filter_map(|(to, target, top)| Some((likeness(path, property, to, target, *top)?, to, *target)))
                .collect();
            ranked.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(b.1)));
            let flattened = flattened(path, property, &targets);
            if ranked.is_empty() && flattened.is_empty() {
                continue;
            }
            let mut candidates = Vec::new();
            if !flattened.is_empty() {
                let text = format!("the properties of `{path}` moved");
                spoken.extend(flattened.iter().map(|(_, to)| top_of(to, walk)));
                let operations = flattened
                    .iter()
                    .map(|(from, to)| move_of(from, to))
                    .chain([value_of("remove_property", [("path", path.to_string().into())])]);
                candidates.push(Candidate { text, operations: operations.collect() });
            }
            for (_, to, target) in ranked.iter().take(SHOWN) {
                spoken.insert(top_of(to, walk));
                candidates.push(renamed(path, property, to, target));
            }
            spoken.insert(path.clone());
            candidates.push(self.dropped(path, property));
            let news: Vec<String> = ranked.iter().take(SHOWN).map(|(_, to, _)| format!("`{to}`")).collect();
            let text = if news.is_empty() {
                format!("`{path}` is gone: did its properties move?")
            } else {
                format!("`{path}` is gone and {} new: was it renamed, or is one removed and the other added?", joined(&news))
            };
            let (at, key) = Self::place_of(ranked.first().map(|(_, to, _)| *to), path);
            self.ask(Question { code: "renamed-or-removed", at, key, text, candidates });
        }
        spoken
    }

    /// The candidate that something is really gone.
    pub(super) fn dropped(&self, path: &Path, property: &Property) -> Candidate {
        let at = ("path", Value::from(path.to_string()));
        let mut text = format!("`{path}` was removed");
        let bare = value_of("remove_property", [at.clone()]);
        if self.fits(&bare) {
            return Candidate { text, operations: vec![bare] };
        }
        text.push_str("; older versions require it, and read `value` in records born later");
        Candidate { text, operations: vec![value_of("remove_property", [at, ("value", sample(property).into())])] }
    }

    /// The key of what is new, or the object around what is gone.
    fn place_of(to: Option<&Path>, gone: &Path) -> (String, Option<String>) {
        let around = |path: &Path| path.parent().map(|p| format!("{}/properties", pointer(&p))).unwrap_or_default();
        match to {
            Some(to) => (around(to), to.last_name().map(str::to_owned)),
            None => (around(gone), None),
        }
    }
}

fn descend<'a>(path: &Path, property: &'a Property, out: &mut Vec<(Path, &'a Property, bool)>) {
    if let Type::Object(properties) = &property.ty {
        for (name, inner) in properties.iter() {
            out.push((path.join(name), inner, false));
            descend(&path.join(name), inner, out);
        }
    }
}

/// How likely it is that one became the other; `None` where it is not plausible. Equal types count most, then the names.
fn likeness(from: &Path, before: &Property, to: &Path, after: &Property, top: bool) -> Option<usize> {
    if from.split_element().0 != to.split_element().0 {
        return None;
    }
    let (a, b) = (from.last_name()?, to.last_name()?);
    let length = a.chars().count().max(b.chars().count()).max(1);
    let mut similar = 100 - 100 * distance(a, b).min(length) / length;
    if similar < 60 && (a.contains(b) || b.contains(a)) {
        similar = 60;
    }
    let same_type = before.ty == after.ty;
    let plausible = if top {
        same_type || (similar >= 50 && cast(&before.ty, &after.ty, "").is_some())
    } else {
        same_type && (similar >= 60 || to.parent().as_ref() == Some(from))
    };
    let same_facets = before.required == after.required && before.nullable == after.nullable;
    plausible.then(|| {
        200 * usize::from(same_type) + similar + usize::from(same_facets) + usize::from(from.parent() == to.parent()) * 10
    })
}

/// The properties of an object that is gone which occur, by name and type, among what is new.
fn flattened(path: &Path, property: &Property, targets: &[(Path, &Property, bool)]) -> Vec<(Path, Path)> {
    let Type::Object(properties) = &property.ty else { return Vec::new() };
    let whole = targets.iter().any(|(_, target, _)| target.ty == property.ty);
    if whole {
        return Vec::new();
    }
    let found = properties.iter().filter_map(|(name, inner)| {
        let to = targets.iter().find(|(to, target, _)| to.last_name() == Some(name) && target.ty == inner.ty)?;
        Some((path.join(name), to.0.clone()))
    });
    found.collect()
}

/// The added or changed property that a target lies in.
fn top_of(to: &Path, walk: &Walk<'_>) -> Path {
    walk.added.iter().find(|(path, _)| path.contains(to)).map_or_else(|| to.clone(), |(path, _)| path.clone())
}

fn move_of(from: &Path, to: &Path) -> Value {
    let verb = if from.parent() == to.parent() { "rename_property" } else { "move_property" };
    value_of(verb, [("from", from.to_string().into()), ("to", to.to_string().into())])
}

fn renamed(from: &Path, before: &Property, to: &Path, after: &Property) -> Candidate {
    let verb = if from.parent() == to.parent() { "renamed" } else { "moved" };
    let mut operations = vec![move_of(from, to)];
    let mut text = format!("`{from}` was {verb} to `{to}`");
    if before.ty != after.ty {
        let name = name(to);
        let way = |a: &Type, b: &Type| cast(a, b, &name).unwrap_or_else(|| "…".to_owned()).into();
        let fields = [("path", to.to_string().into()), ("up", way(&before.ty, &after.ty)), ("down", way(&after.ty, &before.ty))];
        operations.push(value_of("retype_property", fields));
        text.push_str(", and its type changed");
    }
    Candidate { text, operations }
}

fn joined(names: &[String]) -> String {
    match names {
        [one] => format!("{one} is"),
        [rest @ .., last] => format!("{} and {last} are", rest.join(", ")),
        [] => String::new(),
    }
}
