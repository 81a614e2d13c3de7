//! Rebasing: of two lines of versions, one is put after the other.
//!
//! The line that was begun first stays as it is. The versions of the other get new numbers, parents and ids; what they change
//! stays, and is folded again on what now comes before.

use std::collections::{BTreeMap, BTreeSet};

use coeval_core::{Path, Value};

use crate::decode;
use crate::diagnostic::Diagnostic;
use crate::edit::{self, DraftEdit};
use crate::fold::State;
use crate::freeze::text_of;
use crate::frozen::{Frozen, Header};
use crate::load::{Manifest, ModelFile};

/// What a version does to one file, for telling whether two lines clash.
struct Touch {
    /// The document: file and index.
    document: (usize, usize),
    paths: Vec<Path>,
    /// Words of its expressions: what they may read.
    words: BTreeSet<String>,
    /// Whether it adds, removes or renames the model.
    whole: bool,
}

/// Puts the lines that were begun later after the first, where they touch different properties. Returns new texts of files;
/// none where there is only one line.
///
/// # Errors
/// What clashes, both places named, and documents that do not load.
pub fn rebase(manifest: &Manifest, new_id: &mut dyn FnMut() -> String) -> Result<Vec<(String, String)>, Vec<Diagnostic>> {
    if manifest.versions.is_linear() {
        return Ok(Vec::new());
    }
    let trunk = manifest.versions.trunk();
    let all = &manifest.versions.all;
    let mut lines: Vec<Vec<usize>> =
        manifest.versions.heads.iter().map(|head| manifest.versions.line(*head)[trunk..].to_vec()).collect();
    lines.sort_by_key(|line| line.first().map(|first| (all[*first].date.clone(), all[*first].id.clone())));
    let mut work = Work { manifest, states: BTreeMap::new(), texts: BTreeMap::new(), done: Vec::new() };
    let mut rest = lines.into_iter();
    let first = rest.next().unwrap_or_default();
    let mut last = (0, None);
    for index in &first {
        for document in &all[*index].documents {
            let (frozen, _) = work.read(*document).map_err(|e| vec![*e])?;
            work.step(*document, &frozen).map_err(|e| vec![*e])?;
            let text = work.original(*document);
            work.texts.entry(document.0).or_default().push(text);
        }
        last = (all[*index].number, Some(all[*index].id.clone()));
    }
    for line in rest {
        work.clashes(&line)?;
        for index in line {
            last = (last.0 + 1, work.replay(index, last.0 + 1, last.1.as_ref(), new_id())?);
        }
    }
    work.finish().map_err(|e| vec![*e])
}

struct Work<'a> {
    manifest: &'a Manifest,
    /// The models as they are after what was put in line so far, by file.
    states: BTreeMap<usize, State>,
    /// The documents after the trunk, by file.
    texts: BTreeMap<usize, Vec<String>>,
    /// What is in line after the trunk.
    done: Vec<Touch>,
}

impl Work<'_> {
    fn file(&self, file: usize) -> &ModelFile {
        &self.manifest.files[file]
    }

    fn original(&self, (file, document): (usize, usize)) -> String {
        let file = self.file(file);
        let text = &file.source.text[file.documents[document].span.clone()];
        if text.ends_with('\n') { text.to_owned() } else { format!("{text}\n") }
    }

    fn read(&self, (file, document): (usize, usize)) -> Result<(Frozen, Value), Box<Diagnostic>> {
        let file = self.file(file);
        let span = file.documents[document].span.clone();
        let value = decode::document(&file.source, span.clone())?;
        let frozen = Frozen::from_value(&value).map_err(|invalid| Box::new(decode::place(&file.source, span, &invalid)))?;
        Ok((frozen, value))
    }

    /// Folds a document on what is in line so far.
    fn step(&mut self, at: (usize, usize), frozen: &Frozen) -> Result<(), Box<Diagnostic>> {
        let file = &self.manifest.files[at.0];
        if !self.states.contains_key(&at.0) {
            let history = self.manifest.history(file).map_err(|found| Box::new(found[0].clone()))?;
            self.states.insert(at.0, history.head.clone());
        }
        let state = self.states.entry(at.0).or_default();
        let folded = state.step(frozen);
        folded.map_err(|invalid| {
            let mut found = decode::place(&file.source, file.documents[at.1].span.clone(), &invalid);
            found.code = "clash";
            found.message = format!("this version does not fit after the other line: {}", found.message);
            found.help = Some(HELP.to_owned());
            Box::new(found)
        })?;
        self.done.push(touch(at, frozen));
        Ok(())
    }

    /// Everything that a line touches and what is in line so far touches too.
    fn clashes(&self, line: &[usize]) -> Result<(), Vec<Diagnostic>> {
        let mut found = Vec::new();
        for document in line.iter().flat_map(|index| &self.manifest.versions.all[*index].documents) {
            let (frozen, _) = self.read(*document).map_err(|e| vec![*e])?;
            let own = touch(*document, &frozen);
            for other in self.done.iter().filter(|other| other.document.0 == own.document.0) {
                let Some(what) = clash(&own, other) else { continue };
                let place = |(file, document): (usize, usize)| self.file(file).place_of_version(document);
                let message = format!("two lines of versions clash: both touch {what}");
                let diagnostic = Diagnostic::error("clash", message).at(place(own.document));
                found.push(diagnostic.label(place(other.document), "the other").help(HELP));
            }
        }
        if found.is_empty() { Ok(()) } else { Err(found) }
    }

    /// Puts a version after the last one. Returns its new id.
    fn replay(
        &mut self,
        index: usize,
        number: u32,
        parent: Option<&String>,
        id: String,
    ) -> Result<Option<String>, Vec<Diagnostic>> {
        for document in self.manifest.versions.all[index].documents.clone() {
            let (frozen, value) = self.read(document).map_err(|e| vec![*e])?;
            let parents = parent.into_iter().cloned().collect();
            let header = Header { id: id.clone(), number: Some(number), parents, digest: None, ..frozen.header.clone() };
            let Value::Object(mut object) = value else { continue };
            object.insert("version", header.to_value());
            // Its steps speak of the versions that it followed; they are worked out anew for those that it follows now.
            object.remove("migrate");
            self.step(document, &frozen).map_err(|e| vec![*e])?;
            self.texts.entry(document.0).or_default().push(format!("---\n{}", text_of(object)));
        }
        Ok(Some(id))
    }

    fn finish(self) -> Result<Vec<(String, String)>, Box<Diagnostic>> {
        let trunk = self.manifest.versions.trunk();
        let mut out = Vec::new();
        for (index, documents) in &self.texts {
            let file = self.file(*index);
            // What the trunk holds stands before everything that follows it.
            let kept = file.versions.iter().filter(|v| (self.manifest.versions.all[**v].number as usize) <= trunk).count();
            let end = file.documents.get(kept + 1).map_or(file.source.text.len(), |part| part.span.start);
            let last = documents.last().and_then(|text| decode_id(text));
            let text = edit::edit_draft(
                &file.source,
                file.documents[0].span.clone(),
                DraftEdit { cut_operations: false, version: last.as_deref() },
            )?;
            let grown = text.len() - file.source.text.len();
            let mut text = text[..end + grown].to_owned();
            if !text.ends_with('\n') {
                text.push('\n');
            }
            text.push_str(&documents.concat());
            if text != *file.source.text {
                out.push((file.source.path.to_string(), text));
            }
        }
        Ok(out)
    }
}

const HELP: &str = "take one of the two out, `coeval rebase` the rest, and make its edit again in the draft";

/// The id of a frozen document's text.
fn decode_id(text: &str) -> Option<String> {
    let value = decode::document(&crate::source::Source::new("", text), 0..text.len()).ok()?;
    value.as_object()?.get("version")?.as_object()?.get("id")?.as_str().map(str::to_owned)
}

fn clash(a: &Touch, b: &Touch) -> Option<String> {
    if a.whole || b.whole {
        return Some("the whole model".to_owned());
    }
    let near = a.paths.iter().find(|p| b.paths.iter().any(|q| p.contains(q) || q.contains(p)));
    if let Some(path) = near {
        return Some(format!("`{path}`"));
    }
    let reads = |a: &Touch, b: &Touch| b.paths.iter().find(|p| p.last_name().is_some_and(|name| a.words.contains(name))).cloned();
    reads(a, b).or_else(|| reads(b, a)).map(|path| format!("`{path}`, which an expression reads"))
}

fn touch(document: (usize, usize), frozen: &Frozen) -> Touch {
    let mut out = Touch { document, paths: Vec::new(), words: BTreeSet::new(), whole: false };
    for value in frozen.operations.iter().flatten() {
        let Some((name, fields)) = value.as_object().and_then(|o| o.iter().next()) else { continue };
        out.whole |= matches!(name.as_str(), "add_model" | "remove_model" | "rename_model");
        let Some(fields) = fields.as_object() else { continue };
        for (key, value) in fields {
            match (key.as_str(), value) {
                ("path" | "from" | "to" | "property", Value::String(text)) => out.paths.extend(Path::parse(text)),
                ("properties" | "reads" | "writes", Value::List(items)) => {
                    out.paths.extend(items.iter().filter_map(Value::as_str).filter_map(|text| Path::parse(text).ok()));
                }
                ("up" | "down" | "schemas", Value::Object(by_path)) if name.as_str() == "transform" => {
                    for (path, value) in by_path {
                        out.paths.extend(Path::parse(path));
                        words(value, &mut out.words);
                    }
                }
                ("value" | "up" | "down" | "expr" | "policy", value) => words(value, &mut out.words),
                _ => {}
            }
        }
    }
    for change in &frozen.changes.0 {
        let mut tokens = change.path().split('/').skip(1);
        match (tokens.next(), tokens.next()) {
            (Some("properties"), Some(name)) => out.paths.push(Path::name(&name.replace("~1", "/").replace("~0", "~"))),
            // Options and keys of the model are one thing.
            (Some(other), _) => out.paths.push(Path::name(&format!("/{other}"))),
            (None, _) => out.whole = true,
        }
    }
    out
}

fn words(value: &Value, out: &mut BTreeSet<String>) {
    match value {
        Value::String(text) => {
            out.extend(text.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|w| !w.is_empty()).map(str::to_owned));
        }
        Value::Object(object) => object.iter().for_each(|(_, value)| words(value, out)),
        Value::List(items) => items.iter().for_each(|value| words(value, out)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
