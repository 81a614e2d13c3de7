//! Old and new clients write, versions come and go, and some conditions may be broken by older ones: what each version shows then, told
//! by a model that knows nothing of tables.

use std::collections::BTreeMap;

use crate::rng::Rng;

/// The model at version 1.
pub const PART: &str = r#"{"type": "model", "name": "part", "key": ["id"], "properties": {
    "id": {"type": "integer", "required": true}, "code": "string", "size": "integer"}}"#;

/// What versions change: 2 hides what has no size; 3 calls the size otherwise, and keeps the code as a number, which it repairs; 4 demands
/// nothing of the size any more.
pub const RELEASES: &[(u32, &[&str])] = &[
    (2, &[r#"{"add_check": {"name": "sized", "expr": "size > 0", "policy": "quarantine"}}"#]),
    (
        3,
        &[
            r#"{"rename_property": {"from": "size", "to": "length"}}"#,
            r#"{"retype_property": {"path": "code", "schema": "integer", "up": "cast(code as integer)", "down": "cast(code as string)"}}"#,
            r#"{"add_check": {"name": "small", "expr": "code < 1000", "policy": {"repair": "code - 1000"}}}"#,
        ],
    ),
    (4, &[r#"{"remove_check": {"name": "sized"}}"#]),
];

/// What somebody does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// A statement of a client of a version, on the model's view of that version, which is called `part` in it.
    Write {
        /// The version.
        at: u32,
        /// The statement after the view's name: `INSERT INTO {view} VALUES (1, 2)` has `["INSERT INTO", "VALUES (1, 2)"]`.
        around: [String; 2],
    },
    /// Another version is to be in force.
    Come(u32),
}

/// What should be there.
#[derive(Debug, Clone)]
pub struct World {
    rng: Rng,
    /// By the key: code and size.
    rows: BTreeMap<u64, (i64, Option<i64>)>,
    /// The version in force.
    pub version: u32,
}

impl World {
    /// Returns a world without rows at version 1.
    pub fn new(seed: u64) -> Self {
        Self { rng: Rng::new(seed), rows: BTreeMap::new(), version: 1 }
    }

    /// Returns something to do, and whether it is to be taken; it is taken as done if so.
    pub fn step(&mut self) -> (Act, bool) {
        if self.rng.below(8) == 0 {
            let to = 1 + u32::try_from(self.rng.below(4)).unwrap_or_default();
            let taken = self.come(to);
            return (Act::Come(to), taken);
        }
        let at = 1 + u32::try_from(self.rng.below(usize::try_from(self.version).unwrap_or(1))).unwrap_or_default();
        let id = u64::try_from(self.rng.below(6)).unwrap_or_default();
        let (code, size) = (self.code(), self.size());
        let (code_text, size_text) = (Self::code_text(at, code), size.map_or_else(|| "NULL".to_owned(), |size| size.to_string()));
        let size_name = if at < 3 { "size" } else { "length" };
        let (around, taken) = match self.rng.below(6) {
            0 | 1 => {
                let taken = self.write(at, id, None, Some((code, size)));
                (["INSERT INTO".to_owned(), format!("VALUES ({id}, {code_text}, {size_text})")], taken)
            }
            2 => {
                let taken = self.write(at, id, self.shown_at(at, id), None);
                (["DELETE FROM".to_owned(), format!("WHERE id = {id}")], taken)
            }
            what => {
                let old = self.shown_at(at, id);
                let (mut sets, mut new) = (Vec::new(), old);
                if what != 3 {
                    sets.push(format!("code = {code_text}"));
                    new = new.map(|(_, size)| (code, size));
                }
                if what != 4 {
                    sets.push(format!("{size_name} = {size_text}"));
                    new = new.map(|(code, _)| (code, size));
                }
                let taken = if old.is_some() { self.write(at, id, old, new) } else { true };
                (["UPDATE".to_owned(), format!("SET {} WHERE id = {id}", sets.join(", "))], taken)
            }
        };
        (Act::Write { at, around }, taken)
    }

    fn code(&mut self) -> i64 {
        [1, 7, 999, 1000, 1001, 1999, 2000, 2500][self.rng.below(8)]
    }

    fn size(&mut self) -> Option<i64> {
        [None, Some(-1), Some(0), Some(1), Some(2)][self.rng.below(5)]
    }

    fn code_text(at: u32, code: i64) -> String {
        if at < 3 { format!("'{code}'") } else { code.to_string() }
    }

    /// What a row becomes that holds a code; `None` where it is refused.
    fn repaired(&self, code: i64) -> Option<i64> {
        match code {
            1000.. if self.version >= 3 => Some(code - 1000).filter(|code| *code < 1000),
            _ => Some(code),
        }
    }

    /// Whether a version hides a row from its own clients.
    const fn hides(at: u32, size: Option<i64>) -> bool {
        matches!((at, size), (2 | 3, Some(..=0)))
    }

    fn shown_at(&self, at: u32, id: u64) -> Option<(i64, Option<i64>)> {
        self.rows.get(&id).copied().filter(|(_, size)| !Self::hides(at, *size))
    }

    /// Writes a row at a version; whether it is taken.
    fn write(&mut self, at: u32, id: u64, old: Option<(i64, Option<i64>)>, new: Option<(i64, Option<i64>)>) -> bool {
        let Some((code, size)) = new else {
            if old.is_some() {
                self.rows.remove(&id);
            }
            return true;
        };
        let taken = old.is_none() && self.rows.contains_key(&id);
        let own = Self::hides(at, size) || at >= 3 && code >= 1000;
        match self.repaired(code).filter(|_| !taken && !own) {
            Some(code) => {
                self.rows.insert(id, (code, size));
                true
            }
            None => false,
        }
    }

    fn come(&mut self, to: u32) -> bool {
        if to >= 3 && self.rows.values().any(|(code, _)| *code >= 2000) {
            return false;
        }
        self.version = to;
        for row in self.rows.values_mut().filter(|row| to >= 3 && row.0 >= 1000) {
            row.0 -= 1000;
        }
        true
    }

    /// Returns what a version shows: a line for each row in the order of keys, its values apart by `|`, `∅` for NULL.
    pub fn shown(&self, at: u32) -> String {
        let shown = self.rows.iter().filter(|(_, (_, size))| !Self::hides(at, *size));
        let line = |(id, (code, size)): (&u64, &(i64, Option<i64>))| {
            format!("{id}|{code}|{}", size.map_or_else(|| "∅".to_owned(), |size| size.to_string()))
        };
        shown.map(line).collect::<Vec<_>>().join(" ")
    }

    /// Returns how many rows a version hides.
    pub fn hidden(&self, at: u32) -> usize {
        self.rows.values().filter(|(_, size)| Self::hides(at, *size)).count()
    }
}
