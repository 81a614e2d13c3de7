//! Freezing: from drafts to a new version, or to the questions that keep it from being known.

use std::collections::{BTreeMap, BTreeSet};

use coeval_core::invalid::nearest;
use coeval_core::{Invalid, Model, Object, Path, Properties, Segment, Type, Value};

use crate::decode;
use crate::detect::pointer;
use crate::diagnostic::Diagnostic;
use crate::draft::Draft;
use crate::edit::{self, DraftEdit};
use crate::fold;
use crate::frozen::{self, Frozen, Header};
use crate::load::{Manifest, ModelFile};
use crate::propose::{Proposal, propose};
use crate::question::Refusal;
use crate::source::Source;
use crate::yaml::emit;
use coeval_core::op::{Context, Operation};
use coeval_core::table::Tables;

/// What to freeze, and what a pure function cannot know.
#[derive(Clone)]
pub struct Request<'a> {
    /// The models, by the names of their drafts; all where empty.
    pub models: &'a [String],
    /// What the version is about.
    pub message: Option<&'a str>,
    /// The time, as `2026-11-21T10:00:00Z`.
    pub date: &'a str,
    /// A new UUID of version 7.
    pub id: &'a str,
    /// Whether the last version is replaced.
    pub amend: bool,
    /// Operations that answer questions, by the model's name in the draft; they follow those of the draft.
    pub answers: BTreeMap<String, Vec<Value>>,
    /// The tables that `lookup` can read, and the code that `rewrite` names.
    pub context: Context<'a>,
    /// What runs on the models' backends, by the model's name in the draft: the entries of `migrate`.
    pub migrate: BTreeMap<String, Vec<Value>>,
}

impl<'a> Request<'a> {
    /// Asks to freeze every draft that differs.
    pub fn new(date: &'a str, id: &'a str, context: Context<'a>) -> Self {
        Self { models: &[], message: None, date, id, amend: false, answers: BTreeMap::new(), context, migrate: BTreeMap::new() }
    }
}

/// A freeze that can be written.
#[derive(Debug, Clone, Default)]
pub struct Freeze {
    /// The version; `None` where no draft differs from the head.
    pub version: Option<Header>,
    /// What changed, by model.
    pub models: Vec<FrozenModel>,
    /// The new texts of files, by path.
    pub files: Vec<(String, String)>,
}

/// What a freeze does to one model.
#[derive(Debug, Clone)]
pub struct FrozenModel {
    /// The model's name.
    pub name: String,
    /// The path of its file.
    pub path: String,
    /// The model before; `None` for a new one.
    pub before: Option<Model>,
    /// The operations.
    pub operations: Vec<Operation>,
}

/// Freezes the drafts that differ from the head. A pure function: the caller writes the files, all or none.
///
/// # Errors
/// Questions that only a person can answer, and everything that is wrong with the drafts.
pub fn freeze(manifest: &Manifest, request: &Request<'_>) -> Result<Freeze, Refusal> {
    let conflicts = manifest.conflicts();
    if !conflicts.is_empty() {
        return Err(conflicts.into());
    }
    let files = selected(manifest, request.models)?;
    let head = manifest.versions.head();
    if request.amend && head.is_none_or(|head| is_legacy(manifest, head.documents[0])) {
        return Err(vec![Diagnostic::error("no-amend", "there is no version to amend")].into());
    }
    let mut refusal = Refusal::default();
    let mut proposals = Vec::new();
    for file in files {
        match propose(manifest, file, request) {
            Ok(Some((draft, proposal))) => proposals.push((file, draft, proposal)),
            Ok(None) => {}
            Err(other) => refusal.extend(other),
        }
    }
    if refusal.is_empty() {
        refusal.errors = dangling(manifest, &proposals);
    }
    if !refusal.is_empty() {
        return Err(refusal);
    }
    if proposals.is_empty() || (request.amend && request.message.is_none() && unchanged(manifest, &proposals)) {
        return Ok(Freeze::default());
    }
    let message = match (request.message, head) {
        (None, Some(head)) if request.amend => manifest.message(head),
        (message, _) => message.map(str::to_owned),
    };
    let (number, parents) = match head {
        None => (1, Vec::new()),
        Some(head) if request.amend => (head.number, head.parent.iter().cloned().collect()),
        Some(head) => (head.number + 1, vec![head.id.clone()]),
    };
    let (id, date) = (request.id.to_owned(), request.date.to_owned());
    let header = Header { id, number: Some(number), date, parents, message, digest: None, tables: Vec::new() };
    write(manifest, request, &header, proposals)
}

fn write(
    manifest: &Manifest,
    request: &Request<'_>,
    header: &Header,
    proposals: Vec<(&ModelFile, Draft, Proposal)>,
) -> Result<Freeze, Refusal> {
    let mut out = Freeze { version: Some(header.clone()), ..Freeze::default() };
    for (file, draft, proposal) in proposals {
        let mut header = header.clone();
        header.tables = tables(request.context.tables, &proposal.operations);
        let edit = DraftEdit { cut_operations: true, version: draft.version.is_some().then_some(request.id) };
        let mut text = edit::edit_draft(&file.source, draft.span.clone(), edit)?;
        if request.amend && amended(manifest, file) {
            let last = file.documents.last().map_or(0, |d| d.span.len());
            text.truncate(text.len() - last);
        }
        if !(proposal.changes.0.is_empty() && proposal.operations.is_empty() && proposal.order.is_empty()) {
            let migrate = request.migrate.get(&draft.name).map_or(&[][..], Vec::as_slice);
            let document = document(&header, &proposal, migrate);
            check(&file.source, &document, &proposal, &draft)?;
            text = edit::append(&text, &document);
        }
        out.files.push((file.source.path.to_string(), text));
        out.models.push(FrozenModel {
            name: draft.name,
            path: file.source.path.to_string(),
            before: proposal.base.model().cloned(),
            operations: proposal.operations,
        });
    }
    Ok(out)
}

/// The files of the models that were named; all where none was.
fn selected<'a>(manifest: &'a Manifest, names: &[String]) -> Result<Vec<&'a ModelFile>, Refusal> {
    if names.is_empty() {
        // A file that is broken is said to be so only where everything is asked for.
        let broken: Vec<Diagnostic> = manifest.broken.clone();
        return if broken.is_empty() { Ok(manifest.files.iter().collect()) } else { Err(broken.into()) };
    }
    let by_draft = |name: &String| {
        let known = manifest.files.iter().filter_map(|file| Some((manifest.draft(file).ok()?.name, file)));
        known.into_iter().find(|(n, _)| n == name).map(|(_, file)| file)
    };
    names.iter().map(|name| manifest.file(name).or_else(|error| by_draft(name).ok_or(error)).map_err(Refusal::from)).collect()
}

fn is_legacy(manifest: &Manifest, (file, document): (usize, usize)) -> bool {
    let file = &manifest.files[file];
    let history = manifest.history(file);
    history.is_ok_and(|history| history.versions.get(document - 1).is_none_or(|version| version.frozen.is_legacy()))
}

/// Whether the last document of a file belongs to the head, which is being amended.
pub(crate) fn amended(manifest: &Manifest, file: &ModelFile) -> bool {
    let head = manifest.versions.heads.first();
    file.versions.last().is_some_and(|last| head == Some(last))
}

/// The text of a frozen document.
fn document(header: &Header, proposal: &Proposal, migrate: &[Value]) -> String {
    let mut object = Object::new();
    object.insert("version", header.to_value());
    object.insert("changes", proposal.changes.to_value());
    object.insert("operations", Value::List(proposal.operations.iter().map(Operation::to_value).collect()));
    if !proposal.order.is_empty() {
        object.insert("order", Value::List(proposal.order.iter().map(|name| name.as_str().into()).collect()));
    }
    if !migrate.is_empty() {
        object.insert("migrate", Value::List(migrate.to_vec()));
    }
    text_of(object)
}

/// Writes a frozen document, its digest computed.
pub(crate) fn text_of(mut document: Object) -> String {
    let digest = frozen::digest(&Value::Object(document.clone()));
    if let Some(Value::Object(version)) = document.get_mut("version") {
        version.insert("digest", digest.into());
    }
    emit::document(&document, &["version", "order"])
}

/// Reads a new document back and folds it, so that nothing is written that would not load.
fn check(source: &Source, document: &str, proposal: &Proposal, draft: &Draft) -> Result<(), Refusal> {
    let read = Source::new(source.path.clone(), document);
    let value = decode::document(&read, 0..document.len())?;
    let mut state = proposal.base.clone();
    let folded = Frozen::from_value(&value).and_then(|frozen| state.step(&frozen));
    let agrees = match (state.model(), &draft.model) {
        (Some(model), Some(after)) => {
            let mut model = model.clone();
            model.options.clone_from(&after.options);
            model == *after || fold::reconcile(&mut model, after).is_ok()
        }
        (None, None) => true,
        _ => false,
    };
    let message = match folded {
        Ok(_) if agrees => return Ok(()),
        Ok(_) => "it does not lead to the draft".to_owned(),
        Err(invalid) => invalid.message,
    };
    let message = format!("the version that this draft gives would not load: {message}");
    let help = "this is a fault of coeval; nothing was written";
    Err(vec![Diagnostic::error("internal", message).at(source.place(draft.span.clone())).help(help)].into())
}

/// Whether an amended version would be what it is.
fn unchanged(manifest: &Manifest, proposals: &[(&ModelFile, Draft, Proposal)]) -> bool {
    proposals.iter().all(|(file, _, proposal)| {
        let last = manifest.history(file).ok().and_then(|history| history.versions.last());
        amended(manifest, file)
            && last.is_some_and(|last| {
                let own: Vec<Value> = proposal.operations.iter().map(Operation::to_value).collect();
                last.frozen.operations.as_ref() == Some(&own)
                    && last.frozen.changes == proposal.changes
                    && last.frozen.order == proposal.order
            })
    })
}

/// The tables that the operations look up, with their digests.
fn tables(known: &Tables, operations: &[Operation]) -> Vec<(String, String)> {
    let texts: Vec<String> = operations.iter().map(|operation| operation.to_value().to_string()).collect();
    let used = |name: &str| texts.iter().any(|text| text.contains("lookup(") && text.contains(name));
    known.iter().filter(|t| used(t.name())).map(|t| (t.name().to_owned(), t.digest().to_owned())).collect()
}

/// References to models that would not exist.
fn dangling(manifest: &Manifest, proposals: &[(&ModelFile, Draft, Proposal)]) -> Vec<Diagnostic> {
    let frozen: BTreeSet<&str> = proposals.iter().map(|(file, ..)| &*file.source.path).collect();
    let mut names: BTreeSet<&str> = manifest
        .files
        .iter()
        .filter(|f| !frozen.contains(&*f.source.path) && !f.versions.is_empty())
        .filter_map(ModelFile::name)
        .collect();
    names.extend(proposals.iter().filter(|(_, draft, _)| draft.model.is_some()).map(|(_, draft, _)| draft.name.as_str()));
    let mut found = Vec::new();
    for (file, draft, _) in proposals {
        let Some(model) = &draft.model else { continue };
        let mut refs = Vec::new();
        refs_in(&model.properties, &Path::root(), &mut refs);
        for (path, target) in refs {
            if names.contains(target) {
                continue;
            }
            let mut invalid =
                Invalid::new(format!("`{path}` refers to the model `{target}`, which does not exist")).beneath("model");
            invalid.at = format!("{}{}", pointer(&path), invalid.at);
            invalid.help = match nearest(target, names.iter().copied()) {
                Some(near) => Some(format!("did you mean `{near}`?")),
                None => Some("freeze the model it refers to in the same version, or before".to_owned()),
            };
            let mut diagnostic = decode::place(&file.source, draft.span.clone(), &invalid);
            diagnostic.code = "unknown-model";
            found.push(diagnostic);
        }
    }
    found
}

fn refs_in<'a>(properties: &'a Properties, path: &Path, out: &mut Vec<(Path, &'a str)>) {
    for (name, property) in properties.iter() {
        refs_in_type(&property.ty, path.join(name), out);
    }
}

fn refs_in_type<'a>(ty: &'a Type, path: Path, out: &mut Vec<(Path, &'a str)>) {
    match ty {
        Type::Ref { model } => out.push((path, model)),
        Type::Object(properties) => refs_in(properties, &path, out),
        Type::Array { items, .. } => refs_in_type(&items.ty, path.child(Segment::Items), out),
        Type::Map { values } => refs_in_type(&values.ty, path.child(Segment::Values), out),
        Type::Union { of, .. } => of.iter().for_each(|property| refs_in_type(&property.ty, path.clone(), out)),
        Type::String
        | Type::Integer
        | Type::Number
        | Type::Float
        | Type::Decimal { .. }
        | Type::Boolean
        | Type::Date
        | Type::Time
        | Type::Datetime
        | Type::Uuid
        | Type::Bytes
        | Type::Json
        | Type::Enum { .. } => {}
    }
}
