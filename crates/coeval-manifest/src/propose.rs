//! What becomes of one model: from the head and the draft to changes and operations, or to questions.

use coeval_core::op::{Context, Operation};
use coeval_core::{Invalid, Model, Object, Path, Property, Value};

use crate::decode;
use crate::detect::{self, detect, fill, pointer};
use crate::draft::Draft;
use crate::fold::{self, State};
use crate::freeze::{Request, amended};
use crate::load::{Manifest, ModelFile};
use crate::patch::Patch;
use crate::question::{self, Refusal};

/// What becomes of one model.
pub(crate) struct Proposal {
    pub(crate) operations: Vec<Operation>,
    pub(crate) changes: Patch,
    pub(crate) order: Vec<String>,
    pub(crate) base: State,
}

/// Compares a model's draft with the head, or with what came before it where the head is amended. `None`: nothing changed.
pub(crate) fn propose(
    manifest: &Manifest,
    file: &ModelFile,
    request: &Request<'_>,
) -> Result<Option<(Draft, Proposal)>, Refusal> {
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
            changed(&base, &working, after, operations, draft.version.is_some().then_some(request.id))
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
    if let Some(index) = index.parse::<usize>().ok().and_then(|i| i.checked_sub(own)) {
        invalid.at = format!("/operations/{index}{rest}");
    } else {
        (invalid.at, invalid.key, invalid.span) = (String::new(), None, None);
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

fn changed(base: &State, working: &Model, after: &Model, operations: Vec<Operation>, id: Option<&str>) -> Option<Proposal> {
    let names = |model: &Model| model.properties.names().map(str::to_owned).collect::<Vec<_>>();
    let order = if names(working) == names(after) { Vec::new() } else { names(after) };
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
