//! The versions of the whole manifest: their numbers, their line, and where two lines begin.

use std::collections::HashMap;
use std::ops::Range;

use crate::decode;
use crate::diagnostic::Diagnostic;
use crate::frozen::Header;
use crate::source::Source;

/// A version of the manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// Its number, from 1.
    pub number: u32,
    /// Its id.
    pub id: String,
    /// When it was frozen, as written.
    pub date: String,
    /// The id of the version before it.
    pub parent: Option<String>,
    /// The documents that it consists of: file and document, by index.
    pub documents: Vec<(usize, usize)>,
}

/// All versions of the manifest.
#[derive(Debug, Clone, Default)]
pub struct Versions {
    /// In the order of their numbers; where there are several lines, those of one number beside each other.
    pub all: Vec<Version>,
    by_id: HashMap<String, usize>,
    /// The versions that no other follows, by index: one, unless two lines must be rebased; none in a new manifest.
    pub heads: Vec<usize>,
}

/// A frozen document's header and where it stands.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) header: Header,
    pub(crate) file: usize,
    pub(crate) document: usize,
}

impl Versions {
    /// Returns the version with an id.
    pub fn get(&self, id: &str) -> Option<&Version> {
        self.by_id.get(id).map(|i| &self.all[*i])
    }

    /// Returns the newest version; `None` in a new manifest. Of two lines, the one whose head was frozen first.
    pub fn head(&self) -> Option<&Version> {
        self.heads.iter().map(|i| &self.all[*i]).min_by(|a, b| (&a.date, &a.id).cmp(&(&b.date, &b.id)))
    }

    /// Returns whether there is a single line of versions.
    pub fn is_linear(&self) -> bool {
        self.heads.len() < 2
    }

    /// Returns a head's line, oldest first.
    pub fn line(&self, head: usize) -> Vec<usize> {
        let mut line = vec![head];
        while let Some(parent) = line.last().and_then(|i| self.all[*i].parent.as_ref()).and_then(|id| self.by_id.get(id)) {
            line.push(*parent);
        }
        line.reverse();
        line
    }

    /// Returns how many versions all lines have in common.
    pub fn trunk(&self) -> usize {
        let mut lines = self.heads.iter().map(|head| self.line(*head));
        let Some(first) = lines.next() else { return 0 };
        lines.fold(first.len(), |length, line| first.iter().zip(&line).take(length).take_while(|(a, b)| a == b).count())
    }

    pub(crate) fn build(
        found: Vec<Found>,
        place: &dyn Fn(usize, usize) -> crate::source::Place,
    ) -> Result<Self, Vec<Diagnostic>> {
        let mut out = Self::default();
        let mut wrong = Vec::new();
        let (legacy, numbered): (Vec<Found>, Vec<Found>) = found.into_iter().partition(|f| f.header.number.is_none());
        out.add_legacy(legacy);
        for Found { header, file, document } in numbered {
            let number = header.number.unwrap_or_default();
            let parent = header.parents.into_iter().next();
            if let Some(known) = out.by_id.get(&header.id).map(|i| &mut out.all[*i]) {
                if (known.number, &known.parent) != (number, &parent) {
                    let message =
                        format!("two documents of version {} say different things about its number or parent", header.id);
                    let other = known.documents[0];
                    let diagnostic = Diagnostic::error("version-differs", message).at(place(file, document));
                    wrong.push(diagnostic.label(place(other.0, other.1), "the other"));
                }
                known.documents.push((file, document));
                continue;
            }
            out.by_id.insert(header.id.clone(), out.all.len());
            out.all.push(Version { number, id: header.id, date: header.date, parent, documents: vec![(file, document)] });
        }
        let mut order: Vec<usize> = (0..out.all.len()).collect();
        order.sort_by(|a, b| {
            let (a, b) = (&out.all[*a], &out.all[*b]);
            (a.number, &a.date, &a.id).cmp(&(b.number, &b.date, &b.id))
        });
        out.all = order.into_iter().map(|i| out.all[i].clone()).collect();
        out.by_id = out.all.iter().enumerate().map(|(i, v)| (v.id.clone(), i)).collect();
        out.check_parents(place, &mut wrong);
        let mut followed = vec![false; out.all.len()];
        for parent in out.all.iter().filter_map(|v| v.parent.as_ref()) {
            if let Some(i) = out.by_id.get(parent) {
                followed[*i] = true;
            }
        }
        out.heads = (0..out.all.len()).filter(|i| !followed[*i]).collect();
        if wrong.is_empty() { Ok(out) } else { Err(wrong) }
    }

    /// Numbers legacy versions by date, those of one file in the order of the file.
    fn add_legacy(&mut self, legacy: Vec<Found>) {
        let mut dated: Vec<(String, Found)> = Vec::with_capacity(legacy.len());
        for found in legacy {
            let earlier = dated.last().filter(|(_, last)| last.file == found.file).map(|(date, _)| date.clone());
            let date = earlier.filter(|date| *date > found.header.date).unwrap_or_else(|| found.header.date.clone());
            dated.push((date, found));
        }
        dated.sort_by(|a, b| a.0.cmp(&b.0));
        for (_, Found { header, file, document }) in dated {
            if let Some(known) = self.by_id.get(&header.id) {
                self.all[*known].documents.push((file, document));
                continue;
            }
            let parent = self.all.last().map(|v| v.id.clone());
            self.by_id.insert(header.id.clone(), self.all.len());
            let number = u32::try_from(self.all.len()).unwrap_or(u32::MAX - 1) + 1;
            self.all.push(Version { number, id: header.id, date: header.date, parent, documents: vec![(file, document)] });
        }
    }

    fn check_parents(&self, place: &dyn Fn(usize, usize) -> crate::source::Place, wrong: &mut Vec<Diagnostic>) {
        for version in &self.all {
            let here = || place(version.documents[0].0, version.documents[0].1);
            let parent = version.parent.as_ref().map(|id| (id, self.get(id)));
            if let Some((id, None)) = parent {
                let message = format!("version {} follows {id}, which no file of the manifest has", version.number);
                let help = "a file is missing: take it from your version control";
                wrong.push(Diagnostic::error("missing-parent", message).at(here()).help(help));
                continue;
            }
            let expected = parent.and_then(|(_, parent)| parent).map_or(1, |parent| parent.number + 1);
            if version.number != expected {
                let message = format!("version {} should have the number {expected}: one more than its parent's", version.number);
                wrong.push(Diagnostic::error("wrong-number", message).at(here()));
            }
        }
    }
}

/// Reads the header of a frozen document without reading the document, where it is written as `freeze` writes it.
pub(crate) fn header(source: &Source, span: Range<usize>) -> Result<Header, Box<Diagnostic>> {
    if let Some(header) = quick(&source.text[span.clone()]) {
        return Ok(header);
    }
    let value = decode::document(source, span.clone())?;
    let header = match value.as_object().and_then(|o| o.get("version")) {
        Some(version) => Header::from_value(version).map_err(|e| e.beneath("version")),
        None => crate::frozen::Frozen::from_value(&value).map(|frozen| frozen.header),
    };
    header.map_err(|invalid| Box::new(decode::place(source, span, &invalid)))
}

fn quick(text: &str) -> Option<Header> {
    let rest = text.strip_prefix("---\nversion: {id: ")?;
    let rest = &rest[..rest.find('\n')?];
    let (id, rest) = rest.split_once(", number: ")?;
    let (number, rest) = rest.split_once(", date: ")?;
    let (date, rest) = rest.split_once(", parents: [")?;
    let (parents, rest) = rest.split_once(']')?;
    let word = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    let time = |text: &str| text.bytes().all(|b| b.is_ascii_digit() || b"-:TZ.+".contains(&b));
    // What looks like a number to YAML (`1e5`) is left to its parser.
    let exact = id.contains('-') && word(id) && date.contains(':') && time(date) && rest.starts_with([',', '}']);
    let parent = parents.is_empty() || (word(parents) && parents.contains('-'));
    (exact && parent).then_some(())?;
    Some(Header {
        id: id.to_owned(),
        number: Some(number.parse().ok()?),
        date: date.to_owned(),
        parents: if parents.is_empty() { Vec::new() } else { vec![parents.to_owned()] },
        message: None,
        digest: None,
        tables: Vec::new(),
    })
}
