//! What was seen at one place of many records.

use std::collections::{HashMap, HashSet};

use coeval_core::schema::Type;
use coeval_core::{Object, Value};

/// How many distinct strings are remembered: an enum has at most so many.
pub(crate) const DISTINCT: usize = 12;
/// How many lines are remembered of what is rare.
const LINES: usize = 5;
/// How many keys of an object are told apart; one with more is a map.
const KEYS: usize = 1000;

/// The places at which something was seen: how often, and the first lines.
#[derive(Debug, Clone, Default)]
pub(crate) struct Places {
    /// How often.
    pub(crate) count: usize,
    /// The first lines.
    pub(crate) lines: Vec<usize>,
}

impl Places {
    fn note(&mut self, line: usize) {
        self.count += 1;
        if self.lines.len() < LINES && self.lines.last() != Some(&line) {
            self.lines.push(line);
        }
    }

    fn absorb(&mut self, other: &Self) {
        self.count += other.count;
        self.lines.extend(&other.lines);
        self.lines.sort_unstable();
        self.lines.dedup();
        self.lines.truncate(LINES);
    }
}

/// What was seen at one place.
#[derive(Debug, Clone, Default)]
pub(crate) struct Shape {
    /// Null.
    pub(crate) nulls: Places,
    /// True and false.
    pub(crate) booleans: Places,
    /// Numbers of 64 bits without fraction.
    pub(crate) integers: Places,
    /// Other numbers.
    pub(crate) numbers: Places,
    /// Strings.
    pub(crate) strings: Places,
    /// What the strings are.
    pub(crate) texts: Texts,
    /// Lists.
    pub(crate) lists: Places,
    /// What their items are.
    pub(crate) items: Option<Box<Shape>>,
    /// Objects.
    pub(crate) objects: Places,
    /// What is in them.
    pub(crate) inside: Option<Box<Objects>>,
}

/// What the strings at one place are.
#[derive(Debug, Clone, Default)]
pub(crate) struct Texts {
    /// The distinct ones, in the order in which they were seen, as long as they are few.
    pub(crate) distinct: Vec<String>,
    /// Whether there are more.
    pub(crate) many: bool,
    /// The types that some string is not of.
    refuted: [bool; FORMATS.len()],
}

/// Types that are written as strings.
const FORMATS: [Type; 4] = [Type::Uuid, Type::Date, Type::Datetime, Type::Time];

impl Texts {
    fn note(&mut self, value: &Value, text: &str) {
        for (refuted, ty) in self.refuted.iter_mut().zip(&FORMATS) {
            *refuted = *refuted || !ty.admits(value);
        }
        if !self.many && !self.distinct.iter().any(|known| known == text) {
            self.many = self.distinct.len() == DISTINCT;
            if self.many {
                self.distinct.clear();
            } else {
                self.distinct.push(text.to_owned());
            }
        }
    }

    /// Returns the type that every string is of.
    pub(crate) fn format(&self) -> Option<&'static Type> {
        const ALL: &[Type] = &FORMATS;
        ALL.iter().zip(&self.refuted).find(|(_, refuted)| !**refuted).map(|(ty, _)| ty)
    }

    fn absorb(&mut self, other: &Self) {
        for (refuted, other) in self.refuted.iter_mut().zip(&other.refuted) {
            *refuted = *refuted || *other;
        }
        for text in &other.distinct {
            if !self.distinct.contains(text) {
                self.distinct.push(text.clone());
            }
        }
        self.many = self.many || other.many || self.distinct.len() > DISTINCT;
    }
}

/// What was seen in the objects at one place.
#[derive(Debug, Clone, Default)]
pub(crate) struct Objects {
    /// How many objects.
    pub(crate) count: usize,
    /// How many entries they have together.
    pub(crate) entries: usize,
    /// The values by key, in the order in which keys were seen.
    pub(crate) shapes: Vec<(String, Shape)>,
    /// The first lines that lack a key that was seen before, by key.
    pub(crate) missing: Vec<Places>,
    /// The values of keys beyond those that are told apart.
    pub(crate) rest: Option<Box<Shape>>,
    index: HashMap<String, usize>,
}

impl Shape {
    /// Takes one value on.
    pub(crate) fn note(&mut self, value: &Value, line: usize) {
        match value {
            Value::Null => self.nulls.note(line),
            Value::Bool(_) => self.booleans.note(line),
            Value::Number(number) if number.to_i64().is_some() => self.integers.note(line),
            Value::Number(_) => self.numbers.note(line),
            Value::String(text) => {
                self.strings.note(line);
                self.texts.note(value, text.as_str());
            }
            Value::List(items) => {
                self.lists.note(line);
                let shape = self.items.get_or_insert_default();
                for item in items {
                    shape.note(item, line);
                }
            }
            Value::Object(object) => {
                self.objects.note(line);
                self.inside.get_or_insert_default().note(object, line);
            }
        }
    }

    /// Returns how many values were seen, null included.
    pub(crate) fn count(&self) -> usize {
        self.nulls.count + self.kinds().iter().map(|(_, places)| places.count).sum::<usize>()
    }

    /// Returns the kinds of JSON that were seen, the most frequent first; null is none.
    pub(crate) fn kinds(&self) -> Vec<(&'static str, Places)> {
        let mut numbers = self.integers.clone();
        numbers.absorb(&self.numbers);
        let all = [
            ("string", self.strings.clone()),
            ("number", numbers),
            ("boolean", self.booleans.clone()),
            ("list", self.lists.clone()),
            ("object", self.objects.clone()),
        ];
        let mut seen: Vec<_> = all.into_iter().filter(|(_, places)| places.count > 0).collect();
        seen.sort_by_key(|(_, places)| std::cmp::Reverse(places.count));
        seen
    }

    /// Takes on what was seen elsewhere, as if it had been here.
    pub(crate) fn absorb(&mut self, other: &Self) {
        self.nulls.absorb(&other.nulls);
        self.booleans.absorb(&other.booleans);
        self.integers.absorb(&other.integers);
        self.numbers.absorb(&other.numbers);
        self.strings.absorb(&other.strings);
        self.texts.absorb(&other.texts);
        self.lists.absorb(&other.lists);
        self.objects.absorb(&other.objects);
        if let Some(items) = &other.items {
            self.items.get_or_insert_default().absorb(items);
        }
        if let Some(inside) = &other.inside {
            self.inside.get_or_insert_default().absorb(inside);
        }
    }
}

impl Objects {
    /// Takes one object on.
    pub(crate) fn note(&mut self, object: &Object, line: usize) {
        self.count += 1;
        self.entries += object.len();
        for (key, value) in object {
            match self.shape(key.as_str()) {
                Some(shape) => shape.note(value, line),
                None => self.rest.get_or_insert_default().note(value, line),
            }
        }
        let present: HashSet<&str> = object.iter().map(|(key, _)| key.as_str()).collect();
        for ((key, _), missing) in self.shapes.iter().zip(&mut self.missing) {
            if missing.lines.len() < LINES && !present.contains(key.as_str()) {
                missing.note(line);
            }
        }
    }

    fn shape(&mut self, key: &str) -> Option<&mut Shape> {
        let at = match self.index.get(key) {
            Some(at) => *at,
            None if self.shapes.len() == KEYS => return None,
            None => {
                self.index.insert(key.to_owned(), self.shapes.len());
                self.shapes.push((key.to_owned(), Shape::default()));
                self.missing.push(Places::default());
                self.shapes.len() - 1
            }
        };
        self.shapes.get_mut(at).map(|(_, shape)| shape)
    }

    /// Returns all values as if they were at one place.
    pub(crate) fn values(&self) -> Shape {
        let mut out = Shape::default();
        self.shapes.iter().for_each(|(_, shape)| out.absorb(shape));
        if let Some(rest) = &self.rest {
            out.absorb(rest);
        }
        out
    }

    /// Returns how many objects lack a key.
    pub(crate) fn lacking(&self, at: usize) -> Places {
        let count = self.count.saturating_sub(self.shapes.get(at).map_or(0, |(_, shape)| shape.count()));
        // A key that came late was missing from the lines before; those were not noted.
        Places { count, lines: self.missing.get(at).map(|places| places.lines.clone()).unwrap_or_default() }
    }

    fn absorb(&mut self, other: &Self) {
        self.count += other.count;
        self.entries += other.entries;
        for ((key, shape), missing) in other.shapes.iter().zip(&other.missing) {
            match self.shape(key) {
                Some(own) => own.absorb(shape),
                None => self.rest.get_or_insert_default().absorb(shape),
            }
            if let Some(at) = self.index.get(key.as_str())
                && let Some(places) = self.missing.get_mut(*at)
            {
                places.absorb(missing);
            }
        }
        if let Some(rest) = &other.rest {
            self.rest.get_or_insert_default().absorb(rest);
        }
    }
}
