//! `coeval freeze`: makes a version of what the drafts say.

use std::collections::BTreeMap;
use std::io::{self, BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};

use chrono::{SecondsFormat, Utc};
use coeval_core::{Object, Value};

use coeval_manifest::freeze::{self, Freeze, Request};
use coeval_manifest::question::{Asked, Refusal};
use coeval_manifest::{Diagnostic, Manifest};
use coeval_plan::table::Ability;

use super::changes::{Changes, show_all};
use crate::atomic;
use crate::era::{Era, compile};
use crate::error::{CommandError, Kind, Outcome, Result};
use crate::store::{ability, choose};
use crate::ui::Ui;
use crate::workspace::Workspace;

/// Makes a new version of the models whose drafts were edited
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The models to freeze [default: all]
    #[arg(value_name = "MODEL")]
    models: Vec<String>,

    /// What the version is about
    #[arg(short, long, value_name = "TEXT")]
    message: Option<String>,

    /// Replace the last version, which no store may have applied yet
    #[arg(long)]
    amend: bool,

    /// Say what would be frozen, and write nothing
    #[arg(long)]
    dry_run: bool,
}

/// Answers to questions, by model.
type Answers = BTreeMap<String, Vec<Value>>;

/// Freezes, asking on a terminal what cannot be known.
pub(super) fn run(args: &Args, folder: Option<&Path>, ui: &mut Ui) -> Result<Outcome> {
    let workspace = Workspace::open(folder, ui)?;
    let date = Utc::now().to_rfc3339_opts(SecondsFormat::Secs, true);
    let id = uuid::Uuid::now_v7().to_string();
    let mut request = Request::new(&date, &id, workspace.context());
    request.models = &args.models;
    request.message = args.message.as_deref();
    request.amend = args.amend;
    let frozen = loop {
        match freeze::freeze(&workspace.manifest, &request) {
            Ok(frozen) => break frozen,
            Err(refusal) => {
                if !answers(&refusal, &mut request.answers, ui)? {
                    return Err(refusal.into());
                }
            }
        }
    };
    let Some(version) = frozen.version.clone() else {
        ui.say("nothing to freeze: the drafts say what the last version says")?;
        ui.field("version", Value::Null);
        return Ok(Outcome::Done);
    };
    let number = version.number.unwrap_or_default();
    let manifest = check(&workspace, &frozen)?;
    let migrate = steps(&workspace, &manifest, &frozen, number)?;
    let frozen = if migrate.is_empty() {
        frozen
    } else {
        request.migrate = migrate;
        let frozen = freeze::freeze(&workspace.manifest, &request)?;
        check(&workspace, &frozen)?;
        frozen
    };
    if !args.dry_run {
        let files: Vec<(PathBuf, String)> =
            frozen.files.iter().map(|(path, text)| (workspace.root.join(path), text.clone())).collect();
        atomic::write_all(&files)?;
    }
    let verb = match (args.dry_run, args.amend) {
        (true, _) => "would freeze",
        (false, true) => "amended",
        (false, false) => "froze",
    };
    ui.say(&ui.paint("1", &format!("{verb} version {number}")))?;
    ui.field("version", i64::from(number));
    ui.field("id", version.id.as_str());
    ui.field("written", !args.dry_run);
    let models = frozen.models.iter();
    let changes = models.map(|m| Changes::of(&m.name, m.before.as_ref(), &m.operations, &workspace.context()));
    show_all(&changes.collect::<Vec<_>>(), ui)?;
    ui.field("files", Value::List(frozen.files.iter().map(|(path, _)| ui.path(path).as_str().into()).collect()));
    Ok(Outcome::Done)
}

/// Compiles what would be written, so that no version is frozen that could not be used.
fn check(workspace: &Workspace, frozen: &Freeze) -> Result<Manifest> {
    let manifest = workspace.with(&frozen.files)?;
    for (path, _) in &frozen.files {
        for file in manifest.files.iter().filter(|file| *file.source.path == **path) {
            compile(&manifest, file, &workspace.context()).map_err(|found| {
                // The place is in a text that nobody has seen; the draft is what can be corrected.
                let placed =
                    found.into_iter().map(|mut diagnostic| {
                        diagnostic.place =
                            workspace.manifest.files.iter().find(|f| *f.source.path == **path).and_then(|f| {
                                f.documents.first().map(|draft| f.source.place(draft.span.start..draft.span.start))
                            });
                        diagnostic.help.get_or_insert_with(|| "correct the draft".to_owned());
                        diagnostic
                    });
                CommandError::from(placed.collect::<Vec<_>>())
            })?;
        }
    }
    Ok(manifest)
}

/// Returns the steps that bring the tables of the frozen models to the version, for those whose backend has tables.
fn steps(workspace: &Workspace, manifest: &Manifest, frozen: &Freeze, number: u32) -> Result<BTreeMap<String, Vec<Value>>> {
    let mut out = BTreeMap::new();
    let versions: Vec<u32> = manifest.versions.all.iter().map(|version| version.number).collect();
    for model in &frozen.models {
        let Some(file) = manifest.files.iter().find(|file| *file.source.path == *model.path) else { continue };
        let eras = compile(manifest, file, &workspace.context())?;
        let Some(era) = eras.iter().find(|era| era.contains(number)) else { continue };
        let Some((backend, ability)) = table_backend(workspace, era, number) else { continue };
        let own: Vec<u32> = versions.iter().copied().filter(|v| *v <= number && era.contains(*v)).collect();
        let before = (number > era.first).then(|| number - 1);
        let steps = coeval_plan::lower(&model.name, &era.history, &own, before, number, ability).map_err(|unsuitable| {
            let diagnostic = Diagnostic::error("no-table", unsuitable.message.clone()).help(unsuitable.help.clone());
            let draft = workspace.manifest.files.iter().find(|file| *file.source.path == *model.path);
            let draft = draft.and_then(|file| file.documents.first().map(|d| file.source.place(d.span.start..d.span.start)));
            CommandError::new(Kind::Refused, draft.map(|place| diagnostic.clone().at(place)).unwrap_or(diagnostic))
        })?;
        let back = steps.iter().rev().filter_map(coeval_plan::Step::reverse);
        let list = |steps: Vec<Value>| Value::List(steps);
        let entry = Object::from_iter([
            ("backend".into(), backend.as_str().into()),
            ("upgrade".into(), list(steps.iter().map(coeval_plan::Step::to_value).collect())),
            ("downgrade".into(), list(back.map(|step| step.to_value()).collect())),
        ]);
        out.insert(model.name.clone(), vec![entry.into()]);
    }
    Ok(out)
}

/// The backend of a model, where it has tables.
fn table_backend(workspace: &Workspace, era: &Era, number: u32) -> Option<(String, Ability)> {
    let model = era.history.model(number)?;
    let said = model.options.get("backend").and_then(|backend| backend.as_str());
    // A model whose backend is not known can be frozen all the same.
    let name = choose(workspace, said, &model.name).ok()?;
    let url = &workspace.manifest.config.backend(&name)?.url;
    Some((name, ability(url)?))
}

/// Asks the questions on a terminal and adds the answers; false where nobody can be asked, or nobody answers.
fn answers(refusal: &Refusal, answers: &mut Answers, ui: &mut Ui) -> Result<bool> {
    let terminal = io::stdin().is_terminal() && io::stderr().is_terminal();
    if !terminal || ui.is_json() || !refusal.errors.is_empty() {
        return Ok(false);
    }
    let mut given = false;
    let mut subjects: Vec<&str> = Vec::new();
    for asked in &refusal.questions {
        // An answer to one question often answers the next: what is renamed is not removed. It is asked again if not.
        if given && subjects.contains(&asked.model.as_str()) {
            continue;
        }
        let chosen =
            ask(asked, &mut io::stdin().lock(), &mut io::stderr().lock()).map_err(|e| CommandError::io("the terminal", &e))?;
        let Some(operations) = chosen else { return Ok(false) };
        answers.entry(asked.model.clone()).or_default().extend(operations);
        subjects.push(&asked.model);
        given = true;
    }
    Ok(given)
}

/// Asks one question; `None` where nothing was chosen.
fn ask(asked: &Asked, from: &mut dyn BufRead, to: &mut dyn Write) -> io::Result<Option<Vec<Value>>> {
    let candidates = &asked.question.candidates;
    if candidates.is_empty() {
        return Ok(None);
    }
    writeln!(to, "{}: {}", asked.path, asked.question.text)?;
    for (index, candidate) in candidates.iter().enumerate() {
        writeln!(to, "  {}  {}", index + 1, candidate.text)?;
        for line in candidate.lines().lines() {
            writeln!(to, "     {}", line.trim_start())?;
        }
    }
    loop {
        write!(to, "Which? 1-{}, or Enter to write it into the draft yourself: ", candidates.len())?;
        to.flush()?;
        let mut line = String::new();
        if from.read_line(&mut line)? == 0 || line.trim().is_empty() {
            return Ok(None);
        }
        let chosen = line.trim().parse::<usize>().ok().and_then(|n| candidates.get(n.checked_sub(1)?));
        if let Some(candidate) = chosen {
            return Ok(Some(candidate.operations.clone()));
        }
    }
}

#[cfg(test)]
mod tests {
    use coeval_core::value;
    use coeval_manifest::detect::{Candidate, Question};

    use super::*;

    fn asked() -> Asked {
        let candidate = |text: &str, operation: Value| Candidate { text: text.to_owned(), operations: vec![operation] };
        Asked {
            model: "task".to_owned(),
            path: "models/task.yaml".to_owned(),
            question: Question {
                code: "renamed-or-removed",
                at: String::new(),
                key: None,
                text: "was it renamed?".to_owned(),
                candidates: vec![
                    candidate("yes", value!({"rename_property": {"from": "a", "to": "b"}})),
                    candidate("no", value!({"remove_property": {"path": "a"}})),
                ],
            },
            diagnostic: coeval_manifest::Diagnostic::question("renamed-or-removed", "was it renamed?"),
        }
    }

    #[test]
    fn a_number_chooses_and_anything_else_is_asked_again() {
        let mut shown = Vec::new();
        let chosen = ask(&asked(), &mut "x\n3\n2\n".as_bytes(), &mut shown).unwrap();
        assert_eq!(chosen, Some(vec![value!({"remove_property": {"path": "a"}})]));
        let shown = String::from_utf8(shown).unwrap();
        assert_eq!(shown.matches("Which?").count(), 3);
        assert!(shown.contains("  1  yes\n     - rename_property: {from: a, to: b}\n"), "{shown}");
    }

    #[test]
    fn an_empty_line_and_the_end_choose_nothing() {
        for input in ["\n", ""] {
            assert_eq!(ask(&asked(), &mut input.as_bytes(), &mut Vec::new()).unwrap(), None);
        }
    }
}
