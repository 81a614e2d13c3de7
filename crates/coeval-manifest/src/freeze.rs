//! Freezing: from drafts to a new version, or to the questions that keep it from being known.

use std::collections::{BTreeMap, BTreeSet};

use coeval_core::invalid::nearest;
use coeval_core::{Invalid, Model, Object, Path, Properties, Property, Segment, Type, Value};

use crate::decode;
use crate::detect::{self, detect, fill, pointer};
use crate::diagnostic::Diagnostic;
use crate::draft::Draft;
use crate::edit::{self, DraftEdit};
use crate::fold::{self, State};
use crate::frozen::{self, Frozen, Header};
use crate::load::{Manifest, ModelFile};
use crate::patch::Patch;
use crate::question::{self, Refusal};
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
}

impl<'a> Request<'a> {
    /// Asks to freeze every draft that differs.
    pub fn new(date: &'a str, id: &'a str, context: Context<'a>) -> Self {
        Self { models: &[], message: None, date, id, amend: false, answers: BTreeMap::new(), context }
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

/// What becomes of one model.
struct Proposal {
    operations: Vec<Operation>,
    changes: Patch,
    order: Vec<String>,
    base: State,
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
            let document = document(&header, &proposal);
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
fn amended(manifest: &Manifest, file: &ModelFile) -> bool {
    let head = manifest.versions.heads.first();
    file.versions.last().is_some_and(|last| head == Some(last))
}

fn propose(manifest: &Manifest, file: &ModelFile, request: &Request<'_>) -> Result<Option<(Draft, Proposal)>, Refusal> {
    let history = manifest.history(file).map_err(|found| Refusal::from(found.to_vec()))?;
    let draft = manifest.draft(file)?;
    let replaced = (request.amend && amended(manifest, file)).then(|| history.versions.last()).flatten();
    let base = match replaced {
        Some(last) => history.state_at(last.number - 1),
        None => history.head.clone(),
    };
    check_version(manifest, file, &draft)?;
    let mut given: Vec<Value> = Vec::new();
    let mut operations = draft.operations.clone();
    operations.extend(request.answers.get(&draft.name).into_iter().flatten().cloned());
    if base.model().is_some() {
        let before: Vec<Value> = replaced.iter().flat_map(|last| last.operations.iter().map(Operation::to_value)).collect();
        given = draft.model.as_ref().map_or_else(Vec::new, |after| detect::still_meant(&before, after));
    }
    let own = given.len();
    given.extend(operations);
    let place = |invalid: &Invalid| Refusal::from(vec![decode::place(&file.source, draft.span.clone(), invalid)]);
    let proposal = match (base.model(), &draft.model) {
        (None, None) => None,
        (None, Some(_)) if !given.is_empty() => {
            let invalid =
                Invalid::new("the model was never frozen: there is nothing yet that operations could change").key("operations");
            return Err(place(&invalid.help("take `operations:` out")));
        }
        (None, Some(after)) => Some(added(&base, after).map_err(|e| place(&e))?),
        (Some(_), None) => Some(removed(&base).map_err(|e| place(&e))?),
        (Some(before), Some(after)) => {
            let relative = |invalid: Invalid| from_draft(invalid, own);
            let filled = fill(&given, after).map_err(|e| place(&relative(e)))?;
            let mut working = Some(before.clone());
            let mut operations = Vec::new();
            for (i, value) in filled.iter().enumerate() {
                let here = |e: Invalid| place(&relative(e.beneath(&i.to_string())));
                let operation = Operation::from_value(value).map_err(here)?;
                if let Some(before) = &working {
                    // The expressions are looked at where the operation itself fits.
                    check_expressions(&operation, before, &request.context).map_err(here)?;
                }
                fold::apply(&operation, &mut working, None).map_err(here)?;
                operations.push(operation);
            }
            let Some(mut working) = working else {
                let invalid = Invalid::new("`remove_model` is written as `remove: true` in the draft").beneath("operations");
                return Err(place(&invalid));
            };
            let found = detect(&working, after);
            if !found.questions.is_empty() {
                let asked = found.questions.into_iter().map(|q| question::place(&file.source, &draft, q)).collect();
                return Err(Refusal { questions: asked, errors: Vec::new() });
            }
            for operation in &found.operations {
                check_expressions(operation, &working, &request.context).map_err(|e| place(&Invalid::new(e.message)))?;
                fold::apply_to(operation, &mut working).map_err(|e| place(&e))?;
            }
            operations.extend(found.operations);
            changed(&base, working, after, operations, draft.version.is_some().then_some(request.id))
        }
    };
    // An amended version is written anew even where nothing is left of it.
    let proposal = match (proposal, replaced) {
        (None, Some(_)) => Some(Proposal { operations: Vec::new(), changes: Patch::default(), order: Vec::new(), base }),
        (proposal, _) => proposal,
    };
    Ok(proposal.map(|proposal| (draft, proposal)))
}

/// Looks at an operation's expressions, where the operation itself fits; that it does not is said when it is applied.
fn check_expressions(operation: &Operation, before: &Model, context: &Context<'_>) -> Result<(), Invalid> {
    if operation.check(before).is_err() { Ok(()) } else { operation.lens(before, context).map(drop) }
}

/// Moves the pointer of an operation that the draft gave beneath its `operations`; others have no place in the file.
fn from_draft(mut invalid: Invalid, own: usize) -> Invalid {
    let rest = invalid.at.trim_start_matches('/').to_owned();
    let (index, rest) = rest.split_once('/').map_or((rest.as_str(), String::new()), |(i, rest)| (i, format!("/{rest}")));
    match index.parse::<usize>().ok().and_then(|i| i.checked_sub(own)) {
        Some(index) => invalid.at = format!("/operations/{index}{rest}"),
        None => (invalid.at, invalid.key, invalid.span) = (String::new(), None, None),
    }
    invalid
}

fn check_version(manifest: &Manifest, file: &ModelFile, draft: &Draft) -> Result<(), Refusal> {
    let Some(noted) = &draft.version else { return Ok(()) };
    let last = file.versions.last().map(|i| &manifest.versions.all[*i].id);
    if last == Some(noted) {
        return Ok(());
    }
    let invalid = match last {
        None => Invalid::new("the draft notes a version, and the file has none").help("take `version:` out"),
        Some(last) => Invalid::new(format!("the draft notes another version than the last frozen one, {last}"))
            .help("the draft is older than the file's last version: take that version's changes into it, and note its id"),
    };
    Err(Refusal::from(vec![decode::place(&file.source, draft.span.clone(), &invalid.beneath("version"))]))
}

fn added(base: &State, after: &Model) -> Result<Proposal, Invalid> {
    let changes = Patch::diff(&Value::Object(Object::new()), &after.to_value());
    let operations = vec![Operation::from_value(&detect::value_of("add_model", []))?];
    Ok(Proposal { operations, changes, order: Vec::new(), base: base.clone() })
}

fn removed(base: &State) -> Result<Proposal, Invalid> {
    let gone = Object::from_iter([("op".into(), "replace".into()), ("path".into(), "".into()), ("value".into(), Value::Null)]);
    let changes = Patch::from_value(&Value::List(vec![gone.into()]))?;
    let operations = vec![Operation::from_value(&detect::value_of("remove_model", []))?];
    Ok(Proposal { operations, changes, order: Vec::new(), base: base.clone() })
}

fn changed(base: &State, working: Model, after: &Model, operations: Vec<Operation>, id: Option<&str>) -> Option<Proposal> {
    let names = |model: &Model| model.properties.names().map(str::to_owned).collect::<Vec<_>>();
    let order = if names(&working) == names(after) { Vec::new() } else { names(after) };
    let document = base.document()?;
    let mut target = settled(document, after);
    let unchanged = operations.is_empty() && order.is_empty() && *document == target;
    if unchanged {
        return None;
    }
    if let (Some(id), Value::Object(target)) = (id, &mut target) {
        target.insert("version", id.into());
    }
    let moves: Vec<(String, String)> = operations.iter().filter_map(moved).collect();
    let changes = Patch::diff_with_moves(document, &target, &moves);
    Some(Proposal { operations, changes, order, base: base.clone() })
}

/// The document of a model, each property as it is written in the document before where it means the same, so that Spinta's
/// shorthand is not rewritten.
fn settled(before: &Value, after: &Model) -> Value {
    let mut target = after.to_value();
    let written = before.as_object().and_then(|o| o.get("properties")).and_then(Value::as_object);
    if let (Some(written), Value::Object(target)) = (written, &mut target)
        && let Some(Value::Object(properties)) = target.get_mut("properties")
    {
        for (name, value) in properties.iter_mut() {
            if let Some(old) = written.get(name)
                && Property::from_value(old).ok().as_ref() == after.properties.get(name)
            {
                value.clone_from(old);
            }
        }
    }
    target
}

/// The pointers of what a rename or move moved.
fn moved(operation: &Operation) -> Option<(String, String)> {
    if !matches!(operation.name(), "rename_property" | "move_property") {
        return None;
    }
    let value = operation.to_value();
    let (_, fields) = value.as_object()?.iter().next()?;
    let end = |key: &str| Some(pointer(&Path::parse(fields.as_object()?.get(key)?.as_str()?).ok()?));
    Some((end("from")?, end("to")?))
}

/// The text of a frozen document.
fn document(header: &Header, proposal: &Proposal) -> String {
    let mut object = Object::new();
    object.insert("version", header.to_value());
    object.insert("changes", proposal.changes.to_value());
    object.insert("operations", Value::List(proposal.operations.iter().map(Operation::to_value).collect()));
    if !proposal.order.is_empty() {
        object.insert("order", Value::List(proposal.order.iter().map(|name| name.as_str().into()).collect()));
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
