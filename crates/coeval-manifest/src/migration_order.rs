//! The order in which standalone migrations run.

use std::cmp::Ordering;
use std::collections::HashMap;

use coeval_core::invalid::nearest;

use crate::diagnostic::Diagnostic;
use crate::migration_file::Migration;

/// Returns the order in which migrations run: each after those it depends on, else by version, numbers in it by value, then
/// by id.
///
/// # Errors
/// Ids that occur twice, dependencies that do not exist, cycles: all of them, so that nothing runs before they are known.
pub fn order(migrations: &[Migration]) -> Result<Vec<usize>, Vec<Diagnostic>> {
    let mut by_id: HashMap<&str, usize> = HashMap::new();
    let mut found = Vec::new();
    for (i, migration) in migrations.iter().enumerate() {
        if let Some(first) = by_id.insert(&migration.id, i) {
            let message = format!("two migrations have the id `{}`", migration.id);
            let diagnostic = Diagnostic::error("duplicate-id", message).at(migration.place.clone());
            found.push(diagnostic.label(migrations[first].place.clone(), "the other"));
        }
    }
    for migration in migrations {
        for (name, place) in migration.depends_on.iter().zip(&migration.dependency_places) {
            if !by_id.contains_key(name.as_str()) {
                let message = format!("`{}` depends on `{name}`, which does not exist", migration.id);
                let mut diagnostic = Diagnostic::error("missing-dependency", message).at(place.clone());
                diagnostic.help = nearest(name, by_id.keys().copied()).map(|near| format!("did you mean `{near}`?"));
                found.push(diagnostic);
            }
        }
    }
    if !found.is_empty() {
        return Err(found);
    }
    let mut waiting: Vec<usize> = (0..migrations.len()).collect();
    waiting.sort_by(|a, b| by_version(&migrations[*a], &migrations[*b]));
    let mut done = vec![false; migrations.len()];
    let mut out = Vec::with_capacity(migrations.len());
    while !waiting.is_empty() {
        let ready = |i: usize| migrations[i].depends_on.iter().all(|name| by_id.get(name.as_str()).is_none_or(|d| done[*d]));
        match waiting.iter().position(|i| ready(*i)) {
            Some(at) => {
                let next = waiting.remove(at);
                done[next] = true;
                out.push(next);
            }
            None => return Err(vec![cycle(migrations, &by_id, &done, waiting[0])]),
        }
    }
    Ok(out)
}

fn cycle(migrations: &[Migration], by_id: &HashMap<&str, usize>, done: &[bool], from: usize) -> Diagnostic {
    let mut trail = vec![from];
    loop {
        let last = trail[trail.len() - 1];
        let open = migrations[last].depends_on.iter().filter_map(|name| by_id.get(name.as_str())).find(|i| !done[**i]);
        let Some(next) = open.copied() else { break };
        if let Some(start) = trail.iter().position(|i| *i == next) {
            trail.drain(..start);
            trail.push(next);
            break;
        }
        trail.push(next);
    }
    let names: Vec<&str> = trail.iter().map(|i| migrations[*i].id.as_str()).collect();
    let message = format!("migrations depend on each other in a circle: {}", names.join(" → "));
    let place = migrations[trail[0]].place.clone();
    Diagnostic::error("cyclic-dependency", message).at(place).help("take one of the dependencies out")
}

fn by_version(a: &Migration, b: &Migration) -> Ordering {
    let versions = match (&a.version, &b.version) {
        (Some(a), Some(b)) => natural(a, b),
        // What has no version comes last, in the order of ids.
        (a, b) => b.is_some().cmp(&a.is_some()),
    };
    versions.then_with(|| natural(&a.id, &b.id)).then_with(|| a.id.cmp(&b.id))
}

/// Compares texts with the numbers in them by value: `v9` before `v10`, `003` beside `3`.
pub fn natural(a: &str, b: &str) -> Ordering {
    let digits = |text: &str| text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (mut left, mut right) = (a, b);
    loop {
        let (wide, broad) = (digits(left), digits(right));
        if wide > 0 && broad > 0 {
            let value = |text: &'_ str, width: usize| text[..width].trim_start_matches('0').to_owned();
            let (one, other) = (value(left, wide), value(right, broad));
            let order = one.len().cmp(&other.len()).then_with(|| one.cmp(&other));
            if order != Ordering::Equal {
                return order;
            }
            (left, right) = (&left[wide..], &right[broad..]);
            continue;
        }
        match (left.chars().next(), right.chars().next()) {
            (Some(one), Some(other)) if one == other => {
                (left, right) = (&left[one.len_utf8()..], &right[other.len_utf8()..]);
            }
            (one, other) => return one.cmp(&other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Source;

    fn read(text: &str) -> Vec<Migration> {
        Migration::read(&Source::new("migrations/m.yaml", text)).expect("it loads")
    }

    #[test]
    fn dependencies_come_first_then_versions_by_number() {
        let one = |id: &str, version: &str, depends: &str| {
            format!("---\nid: {id}\nversion: {version}\ndepends_on: [{depends}]\nup: [{{sql: x}}]\nreversible: false\n")
        };
        let migrations = read(
            &[one("c", "10", ""), one("a", "9", "d"), one("b", "003", ""), one("d", "11", ""), one("e", "001", "")].concat(),
        );
        let order = order(&migrations).expect("there is an order");
        assert_eq!(order.iter().map(|i| migrations[*i].id.as_str()).collect::<Vec<_>>(), ["e", "b", "c", "d", "a"]);
        assert_eq!(migrations[2].version.as_deref(), Some("003"));
        let cyclic = read(&[one("a", "1", "b"), one("b", "2", "c"), one("c", "3", "a"), one("x", "0", "")].concat());
        let found = super::order(&cyclic).expect_err("it is a circle");
        assert_eq!(found[0].message, "migrations depend on each other in a circle: a → b → c → a");
        let missing = read(&one("add-email", "1", "create-user"))
            .into_iter()
            .chain(read(&one("create-users", "1", "")))
            .collect::<Vec<_>>();
        let found = super::order(&missing).expect_err("one is missing");
        insta::assert_snapshot!(found[0].render(false), @r"
        error[missing-dependency]: `add-email` depends on `create-user`, which does not exist
         --> migrations/m.yaml:4:14
          |
        4 | depends_on: [create-user]
          |              ^^^^^^^^^^^
          = help: did you mean `create-users`?
        ");
    }

    #[test]
    fn numbers_in_texts_compare_by_value() {
        for (a, b, order) in [
            ("v9", "v10", Ordering::Less),
            ("003", "3", Ordering::Equal),
            ("2025-11-13-002", "2025-11-13-010", Ordering::Less),
            ("a", "b", Ordering::Less),
            ("1", "a", Ordering::Less),
        ] {
            assert_eq!(natural(a, b), order);
        }
    }
}
