//! Names of columns: short, stable, and never two alike.

use std::collections::BTreeSet;

use coeval_core::Value;

/// How many bytes a name has at most; PostgreSQL cuts longer ones without an error.
const LIMIT: usize = 63;
/// How many hexadecimal digits tell apart names that begin alike: 64 bits.
const DIGITS: usize = 16;

/// Returns the name itself where it is short enough, else its beginning and a hash of all of it.
///
/// The same name gives the same result always. Two names give two results: a short name that looks like the result of a long
/// one is taken for a long one too.
pub fn fit(name: &str) -> String {
    if name.len() <= LIMIT && !looks_cut(name) {
        return name.to_owned();
    }
    let digest = Value::from(name).digest();
    let hash: String = digest.chars().filter(char::is_ascii_hexdigit).take(DIGITS).collect();
    let mut end = name.len().min(LIMIT - DIGITS - 1);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}~{hash}", &name[..end])
}

/// Whether a name ends as the results of [`fit`] do.
fn looks_cut(name: &str) -> bool {
    name.rsplit_once('~').is_some_and(|(_, end)| end.len() == DIGITS && end.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// Names that were given.
#[derive(Debug, Default)]
pub(super) struct Names {
    taken: BTreeSet<String>,
}

impl Names {
    /// Keeps names that are not to be given.
    pub(super) fn reserve(&mut self, name: &str) {
        self.taken.insert(name.to_ascii_lowercase());
    }

    /// Returns the name wanted, or the nearest one that is free: with the version, then with a number.
    pub(super) fn give(&mut self, wanted: &str, version: u32) -> String {
        let mut candidates = std::iter::once(fit(wanted))
            .chain(std::iter::once(fit(&format!("{wanted}_v{version}"))))
            .chain((2..).map(|n: u32| fit(&format!("{wanted}_v{version}_{n}"))));
        // The last part of the chain has no end.
        let name = candidates.find(|name| !self.taken.contains(&name.to_ascii_lowercase())).unwrap_or_default();
        // Some databases take names for one that differ in upper and lower case alone.
        self.taken.insert(name.to_ascii_lowercase());
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_differ_where_their_ends_do() {
        let (a, b) = (format!("{}a", "ä".repeat(60)), format!("{}b", "ä".repeat(60)));
        assert!(fit(&a).len() <= LIMIT && fit(&b).len() <= LIMIT);
        assert_ne!(fit(&a), fit(&b));
        assert_eq!(fit("short"), "short");
        assert_eq!(fit(&"x".repeat(63)), "x".repeat(63));
        assert_eq!(fit(&a), fit(&a));
        assert!(fit(&a).starts_with(&"ä".repeat(23)), "{}", fit(&a));
        // A name that is the result of another is not its own result.
        assert_ne!(fit(&fit(&a)), fit(&a));
    }

    #[test]
    fn no_name_is_given_twice() {
        let mut names = Names::default();
        assert_eq!(names.give("a", 1), "a");
        assert_eq!(names.give("a", 3), "a_v3");
        assert_eq!(names.give("a", 3), "a_v3_2");
        assert_eq!(names.give("a_v3", 4), "a_v3_v4");
        assert_eq!(names.give("A", 5), "A_v5");
    }
}
