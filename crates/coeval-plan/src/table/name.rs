//! Names of columns: short, stable, and never two alike.

use std::collections::BTreeSet;

/// How many bytes a name has at most: what PostgreSQL keeps of one.
const LONGEST: usize = 63;

/// Returns a name that fits; a longer one is cut and ends in a hash of the whole.
pub fn fit(name: &str) -> String {
    if name.len() <= LONGEST {
        return name.to_owned();
    }
    let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    let suffix = format!("_{hash:016x}");
    let mut end = LONGEST - suffix.len();
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{suffix}", &name[..end])
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
        assert!(fit(&a).len() <= LONGEST && fit(&b).len() <= LONGEST);
        assert_ne!(fit(&a), fit(&b));
        assert_eq!(fit("short"), "short");
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
