//! Regular expressions whose matches are the same by both rules for which one is taken.
//!
//! The language takes the leftmost match, and of those that begin there the first one in the order of alternatives and of greed;
//! PostgreSQL the longest. Where each character can be read at one place of the pattern only, both are the same: greed reads on
//! wherever that can lead to a match, and there is one way to read on. Such patterns are the deterministic ones of
//! Brüggemann-Klein and Wood, *One-Unambiguous Regular Languages* (1998), found by the positions of Glushkov. What they match is
//! written anew with nothing in it that goes by a locale: letters, digits and the like are ranges of characters.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use coeval_core::expr::{Pattern, ReplacementPart, replacement_parts};
use regex_syntax::ParserBuilder;
use regex_syntax::hir::{Capture, Class, ClassUnicode, ClassUnicodeRange, Hir, HirKind, Look, Repetition};

/// The most places of a pattern that are looked at: `[0-9]{3}` has three.
const PLACES: usize = 1000;
/// The longest text of a pattern.
const LENGTH: usize = 100_000;
/// The highest number of repetitions that PostgreSQL knows.
const REPETITIONS: u32 = 255;

/// A call of `regexp_replace`, as PostgreSQL takes it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Call {
    /// The pattern.
    pub(super) pattern: String,
    /// The replacement; `None` where it is computed and stays as it is.
    pub(super) replacement: Option<String>,
}

/// Returns the same pattern and replacement in PostgreSQL's language. `replacement` is what takes the place of a match; `None` where it
/// is computed.
///
/// # Errors
/// Why PostgreSQL may find something else, as what is so about the pattern.
pub(super) fn translated(pattern: &Pattern, replacement: Option<&str>) -> Result<Call, &'static str> {
    let parsed = ParserBuilder::new().case_insensitive(pattern.ignores_case()).nest_limit(50).build().parse(pattern.source());
    let hir = parsed.map_err(|_| "the pattern is no regular expression")?;
    let parts = replacement.map(replacement_parts);
    let (core, has_twins) = twins(&hir).map_or((&hir, false), |core| (core, true));
    let mut places = Places::default();
    let whole = places.read(core, false)?;
    if pattern.is_global() && whole.nullable {
        return Err("the pattern may match an empty text, with `g`");
    }
    places.follow.push(whole.first);
    if !places.follow.iter().all(|next| places.are_apart(next)) {
        return Err("the pattern can be read in several ways");
    }
    let named = |part: &ReplacementPart<'_>| match part {
        ReplacementPart::Group(group) => Some(*group),
        ReplacementPart::Text(_) => None,
    };
    let wanted: BTreeSet<usize> = match &parts {
        Some(parts) => parts.iter().filter_map(named).filter(|group| *group > 0).collect(),
        None => places.groups.keys().copied().collect(),
    };
    // What is never read is no part of what was parsed, nor are its groups, which a computed replacement may name all the same.
    let is_whole = match &parts {
        Some(_) => wanted.iter().all(|group| places.groups.contains_key(group)),
        None => places.groups.len() + 1 == pattern.groups(),
    };
    if !is_whole {
        return Err("a group is never read");
    }
    if wanted.iter().any(|group| has_twins || places.groups.get(group) == Some(&true)) {
        return Err("a group is read several times");
    }
    // Groups that nobody reads are none.
    let names: BTreeMap<usize, usize> = wanted.iter().zip(1..).map(|(group, name)| (*group, name)).collect();
    let mut out = String::new();
    write(&hir, &|group| names.contains_key(&group), &mut out)?;
    let replacement = parts.map(|parts| parts.into_iter().map(|part| replaced(part, &names)).collect());
    Ok(Call { pattern: out, replacement })
}

/// A part of a replacement in PostgreSQL's language, given the new names of groups.
fn replaced(part: ReplacementPart<'_>, names: &BTreeMap<usize, usize>) -> String {
    match part {
        ReplacementPart::Text(text) => text.replace('\\', "\\\\"),
        ReplacementPart::Group(group) => names.get(&group).map_or_else(|| "\\&".to_owned(), |name| format!("\\{name}")),
    }
}

/// What alternatives have in common that differ only in whether they hold at the beginning or the end of the text, as in `^ +| +$`: of
/// those that match at a place, the first one matches most.
fn twins(hir: &Hir) -> Option<&Hir> {
    let HirKind::Alternation(branches) = hir.kind() else { return None };
    let cores: Vec<&Hir> = branches.iter().map(stripped).collect::<Option<_>>()?;
    let (first, others) = cores.split_first()?;
    others.iter().all(|other| other == first).then_some(*first)
}

/// An alternative without what says where it holds.
fn stripped(branch: &Hir) -> Option<&Hir> {
    let HirKind::Concat(parts) = branch.kind() else { return None };
    let is = |part: &Hir, look: Look| matches!(part.kind(), HirKind::Look(known) if *known == look);
    let inner = match parts.as_slice() {
        [first, inner @ .., last] if is(first, Look::Start) && is(last, Look::End) => inner,
        [first, inner @ ..] if is(first, Look::Start) => inner,
        [inner @ .., last] if is(last, Look::End) => inner,
        all => all,
    };
    if let [one] = inner { Some(one) } else { None }
}

/// The places at which characters are read, and which come after which.
#[derive(Default)]
struct Places {
    classes: Vec<ClassUnicode>,
    follow: Vec<BTreeSet<usize>>,
    /// The groups, and whether each is read several times.
    groups: BTreeMap<usize, bool>,
}

/// A part of a pattern.
struct Extent {
    nullable: bool,
    first: BTreeSet<usize>,
    last: BTreeSet<usize>,
}

impl Extent {
    const fn empty() -> Self {
        Self { nullable: true, first: BTreeSet::new(), last: BTreeSet::new() }
    }
}

impl Places {
    fn read(&mut self, hir: &Hir, again: bool) -> Result<Extent, &'static str> {
        match hir.kind() {
            HirKind::Empty | HirKind::Look(Look::Start | Look::End) => Ok(Extent::empty()),
            HirKind::Look(_) => Err("the pattern asks for words or lines"),
            HirKind::Literal(literal) => {
                let text = std::str::from_utf8(&literal.0).map_err(|_| "the pattern has bytes that are no text")?;
                let mut whole = Extent::empty();
                for character in text.chars() {
                    let place = self.place(ClassUnicode::new([ClassUnicodeRange::new(character, character)]))?;
                    whole = self.then(whole, place);
                }
                Ok(whole)
            }
            HirKind::Class(Class::Unicode(class)) if class.ranges().is_empty() => Err("a part of the pattern matches nothing"),
            HirKind::Class(Class::Unicode(class)) => self.place(class.clone()),
            HirKind::Class(Class::Bytes(_)) => Err("the pattern has bytes that are no text"),
            HirKind::Capture(capture) => {
                self.groups.insert(number(capture), again);
                self.read(&capture.sub, again)
            }
            HirKind::Repetition(repetition) => self.repeated(repetition, again),
            HirKind::Concat(parts) => {
                let mut whole = Extent::empty();
                for part in parts {
                    let part = self.read(part, again)?;
                    whole = self.then(whole, part);
                }
                Ok(whole)
            }
            HirKind::Alternation(branches) => {
                let mut whole = Extent { nullable: false, ..Extent::empty() };
                for branch in branches {
                    if whole.nullable {
                        return Err("an alternative that may match an empty text is not the last one");
                    }
                    let branch = self.read(branch, again)?;
                    whole.nullable = branch.nullable;
                    whole.first.extend(branch.first);
                    whole.last.extend(branch.last);
                }
                Ok(whole)
            }
        }
    }

    fn repeated(&mut self, repetition: &Repetition, again: bool) -> Result<Extent, &'static str> {
        let Repetition { min, max, greedy, sub } = repetition;
        if !greedy && *max != Some(*min) {
            return Err("the pattern takes as little as it can");
        }
        let again = again || max.is_none_or(|max| max > 1);
        // As so many copies, each within the one before it where it may be missing: `x(x(x)?)?`.
        let copies = max.unwrap_or_else(|| (*min).max(1));
        let mut whole = Extent::empty();
        for nth in (0..copies).rev() {
            let copy = self.read(sub, again)?;
            if max.is_none() && nth + 1 == copies {
                for last in &copy.last {
                    self.follow[*last].extend(&copy.first);
                }
            }
            whole = self.then(copy, whole);
            whole.nullable |= nth >= *min;
        }
        Ok(whole)
    }

    fn place(&mut self, class: ClassUnicode) -> Result<Extent, &'static str> {
        if self.classes.len() == PLACES {
            return Err("the pattern is too long");
        }
        let place = BTreeSet::from([self.classes.len()]);
        self.classes.push(class);
        self.follow.push(BTreeSet::new());
        Ok(Extent { nullable: false, first: place.clone(), last: place })
    }

    fn then(&mut self, before: Extent, after: Extent) -> Extent {
        for last in &before.last {
            self.follow[*last].extend(&after.first);
        }
        let (mut first, mut last) = (before.first, after.last);
        if before.nullable {
            first.extend(after.first);
        }
        if after.nullable {
            last.extend(before.last);
        }
        Extent { nullable: before.nullable && after.nullable, first, last }
    }

    /// Whether each character can be read at one of some places only.
    fn are_apart(&self, places: &BTreeSet<usize>) -> bool {
        let ranges = places.iter().flat_map(|place| self.classes[*place].ranges());
        let mut ranges: Vec<(char, char)> = ranges.map(|range| (range.start(), range.end())).collect();
        ranges.sort_unstable();
        ranges.windows(2).all(|pair| pair[0].1 < pair[1].0)
    }
}

/// The number of a group.
fn number(capture: &Capture) -> usize {
    usize::try_from(capture.index).unwrap_or(usize::MAX)
}

/// Writes a pattern in PostgreSQL's language.
fn write(hir: &Hir, is_wanted: &dyn Fn(usize) -> bool, out: &mut String) -> Result<(), &'static str> {
    if out.len() > LENGTH {
        return Err("the pattern is too long");
    }
    match hir.kind() {
        HirKind::Empty => out.push_str("(?:)"),
        HirKind::Literal(literal) => {
            let text = std::str::from_utf8(&literal.0).map_err(|_| "the pattern has bytes that are no text")?;
            for character in text.chars() {
                put(character, out)?;
            }
        }
        HirKind::Class(Class::Unicode(class)) => write_class(class, out)?,
        HirKind::Class(Class::Bytes(_)) => return Err("the pattern has bytes that are no text"),
        HirKind::Look(Look::Start) => out.push('^'),
        HirKind::Look(Look::End) => out.push('$'),
        HirKind::Look(_) => return Err("the pattern asks for words or lines"),
        HirKind::Repetition(Repetition { min, max, sub, .. }) => {
            if max.unwrap_or(*min) > REPETITIONS {
                return Err("the pattern counts beyond 255");
            }
            out.push_str("(?:");
            write(sub, is_wanted, out)?;
            // Writing to a string cannot fail.
            let _ = match max {
                Some(max) => write!(out, "){{{min},{max}}}"),
                None => write!(out, "){{{min},}}"),
            };
        }
        HirKind::Capture(capture) => {
            out.push_str(if is_wanted(number(capture)) { "(" } else { "(?:" });
            write(&capture.sub, is_wanted, out)?;
            out.push(')');
        }
        HirKind::Concat(parts) => {
            for part in parts {
                write(part, is_wanted, out)?;
            }
        }
        HirKind::Alternation(branches) => {
            for (at, branch) in branches.iter().enumerate() {
                out.push_str(if at == 0 { "(?:" } else { "|" });
                write(branch, is_wanted, out)?;
            }
            out.push(')');
        }
    }
    Ok(())
}

fn write_class(class: &ClassUnicode, out: &mut String) -> Result<(), &'static str> {
    let mut others = class.clone();
    others.negate();
    let negated = others.ranges().len() < class.ranges().len() && !others.ranges().is_empty();
    out.push_str(if negated { "[^" } else { "[" });
    let mut is_empty = true;
    for range in if negated { &others } else { class }.ranges() {
        // No text of PostgreSQL has the character of the number 0.
        let (start, end) = (range.start().max('\u{1}'), range.end());
        if start > end {
            continue;
        }
        is_empty = false;
        put(start, out)?;
        if start < end {
            out.push('-');
            put(end, out)?;
        }
    }
    if is_empty {
        return Err("a part of the pattern matches nothing");
    }
    out.push(']');
    Ok(())
}

/// Writes a character that means itself.
fn put(character: char, out: &mut String) -> Result<(), &'static str> {
    let number = u32::from(character);
    // Writing to a string cannot fail.
    let _ = match number {
        0 => return Err("the pattern has the character of the number 0"),
        _ if character.is_ascii_alphanumeric() => write!(out, "{character}"),
        1..=0xFFFF => write!(out, "\\u{number:04x}"),
        _ => write!(out, "\\U{number:08x}"),
    };
    Ok(())
}
