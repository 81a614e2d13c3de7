//! Every file of `cases/` is a script and its files in one text: files are set, edited and frozen, and what comes out is
//! compared. `UPDATE_CASES=1` writes what came out into the script.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use coeval_core::Model;
use coeval_core::history::History;
use coeval_core::op::{Context, Rewrites};
use coeval_core::table::Tables;
use coeval_manifest::freeze::{Request, freeze};
use coeval_manifest::question::Refusal;
use coeval_manifest::rebase::rebase;
use coeval_manifest::{Diagnostic, Manifest, ModelFile, Source};

/// `-- COMMAND --` and the lines below it. What comes before the first is a comment.
struct Section {
    command: String,
    body: String,
}

fn sections(text: &str) -> (String, Vec<Section>) {
    let mut comment = String::new();
    let mut out: Vec<Section> = Vec::new();
    for line in text.split_inclusive('\n') {
        if let Some(command) = line.trim_end().strip_prefix("-- ").and_then(|l| l.strip_suffix(" --")) {
            out.push(Section { command: command.to_owned(), body: String::new() });
        } else {
            out.last_mut().map_or(&mut comment, |s| &mut s.body).push_str(line);
        }
    }
    (comment, out)
}

#[derive(Default)]
struct World {
    files: BTreeMap<String, String>,
    saved: BTreeMap<String, BTreeMap<String, String>>,
    frozen: usize,
}

impl World {
    fn load(&self) -> Result<Manifest, Vec<Diagnostic>> {
        let config = self.files.get("coeval.yaml").cloned().unwrap_or_else(|| "name: shop\n".to_owned());
        let files =
            self.files.iter().filter(|(path, _)| *path != "coeval.yaml").map(|(p, t)| (p.clone(), t.clone().into_bytes()));
        Manifest::load(&Source::new("coeval.yaml", config), files.collect::<Vec<_>>(), None)
    }

    /// Runs a command; its output is compared with the section's body. `None` where the section only sets something.
    fn run(&mut self, section: &Section) -> Option<String> {
        let mut words = section.command.split_whitespace();
        match words.next().unwrap_or_default() {
            "edit" => {
                let path = words.next().expect("edit PATH");
                let text = self.files.get_mut(path).unwrap_or_else(|| panic!("{path} is not there"));
                for line in section.body.lines() {
                    let (old, new) = line.split_once(" => ").unwrap_or_else(|| panic!("no ` => ` in {line}"));
                    let (old, new) = (old.replace("\\n", "\n"), new.replace("\\n", "\n"));
                    assert!(text.contains(&old), "{path} has no {old:?}:\n{text}");
                    *text = text.replacen(&old, &new, 1);
                }
                None
            }
            "freeze" => Some(self.freeze(&words.collect::<Vec<_>>())),
            "check" => Some(self.check()),
            "rebase" => Some(self.rebase()),
            "show" => Some(self.files.get(words.next().expect("show PATH")).cloned().unwrap_or_default()),
            "remove" => {
                self.files.remove(words.next().expect("remove PATH"));
                None
            }
            "save" => {
                self.saved.insert(words.collect(), self.files.clone());
                None
            }
            "restore" => {
                self.files = self.saved[&words.collect::<String>()].clone();
                None
            }
            // Takes a file as another branch has it; where both have versions of their own, the other's are appended.
            "merge" => {
                let other = &self.saved[words.next().expect("merge NAME PATH")];
                for path in words {
                    let (ours, theirs) = (&self.files[path], &other[path]);
                    let mut text = ours.clone();
                    let known = documents(ours);
                    documents(theirs).iter().skip(1).filter(|d| !known.contains(d)).for_each(|d| text.push_str(d));
                    self.files.insert(path.to_owned(), text);
                }
                None
            }
            path => {
                self.files.insert(path.to_owned(), section.body.clone());
                None
            }
        }
    }

    fn new_id(&mut self) -> String {
        self.frozen += 1;
        format!("0194e5c8-0000-7000-8000-{:012}", self.frozen)
    }

    fn freeze(&mut self, words: &[&str]) -> String {
        let manifest = match self.load() {
            Ok(manifest) => manifest,
            Err(found) => return rendered(&found),
        };
        let id = self.new_id();
        let date = format!("2026-11-21T10:{:02}:00Z", self.frozen);
        let models: Vec<String> = words.iter().filter(|w| !w.starts_with('-')).map(|w| (*w).to_owned()).collect();
        let amend = words.contains(&"--amend");
        let (tables, rewrites) = (Tables::new(), Rewrites::new());
        let context = Context { tables: &tables, rewrites: &rewrites };
        let request = Request { models: &models, amend, ..Request::new(&date, &id, context) };
        match freeze(&manifest, &request) {
            Err(refusal) => {
                answer(&manifest, &request, &refusal);
                rendered(&refusal.diagnostics().cloned().collect::<Vec<_>>())
            }
            Ok(done) if done.version.is_none() => {
                self.frozen -= 1;
                "nothing to freeze\n".to_owned()
            }
            Ok(done) => {
                let out = self.write(done.files);
                let again = self.load().map(|m| freeze(&m, &Request { models: &models, ..Request::new("", "", context) }));
                assert!(again.is_ok_and(|r| r.is_ok_and(|r| r.version.is_none())), "a second freeze changes nothing:\n{out}");
                out
            }
        }
    }

    /// Writes files and returns what was appended to each, the draft where it changed.
    fn write(&mut self, files: Vec<(String, String)>) -> String {
        let mut out = String::new();
        for (path, text) in files {
            let old = self.files.get(&path).cloned().unwrap_or_default();
            let _ = writeln!(out, "{path}:");
            let kept: BTreeSet<&str> = documents(&old).into_iter().collect();
            for document in documents(&text).into_iter().filter(|d| !kept.contains(d)) {
                out.push_str(document);
            }
            self.files.insert(path, text);
        }
        out
    }

    fn check(&self) -> String {
        match self.load() {
            Err(found) => rendered(&found),
            Ok(manifest) => {
                let found = manifest.check();
                let head = manifest.versions.head().map_or("none".to_owned(), |v| v.number.to_string());
                if found.is_empty() {
                    for file in &manifest.files {
                        core_folds(&manifest, file);
                    }
                }
                if found.is_empty() { format!("head {head}\n") } else { rendered(&found) }
            }
        }
    }

    fn rebase(&mut self) -> String {
        let manifest = self.load().unwrap_or_else(|found| panic!("{}", rendered(&found)));
        let ids: Vec<String> = (0..4).map(|_| self.new_id()).collect();
        let mut ids = ids.into_iter();
        match rebase(&manifest, &mut || ids.next().expect("an id")) {
            Err(found) => rendered(&found),
            Ok(files) => self.write(files),
        }
    }
}

/// The core folds every life of a model and comes to the same model.
fn core_folds(manifest: &Manifest, file: &ModelFile) {
    let (tables, rewrites) = (Tables::new(), Rewrites::new());
    let context = Context { tables: &tables, rewrites: &rewrites };
    let history = manifest.history(file).expect("it was checked");
    for life in history.lives() {
        let core = History::new(life.first, life.model, &life.releases, &context);
        let core = core.unwrap_or_else(|fault| panic!("{}", manifest.place_fault(file, &fault).render(false)));
        for release in &life.releases {
            let (ours, theirs) = (history.at(release.version), core.model(release.version));
            let names = |model: Option<&Model>| model.map(|m| m.properties.names().map(str::to_owned).collect::<Vec<_>>());
            assert_eq!(names(ours.as_ref()), names(theirs.map(|m| &**m)));
        }
    }
}

/// Every candidate that is whole answers its question: pasted alone, it gives no error, and the question is gone.
fn answer(manifest: &Manifest, request: &Request<'_>, refusal: &Refusal) {
    for asked in &refusal.questions {
        for candidate in asked.question.candidates.iter().filter(|c| !c.lines().contains('…')) {
            let answers = BTreeMap::from([(asked.model.clone(), candidate.operations.clone())]);
            let Err(next) = freeze(manifest, &Request { answers, ..request.clone() }) else { continue };
            let wrong = next.errors.iter().map(|d| d.render(false)).collect::<Vec<_>>();
            assert!(wrong.is_empty(), "{}:\n{}{}", asked.question.text, candidate.lines(), wrong.concat());
            assert!(!next.questions.contains(asked), "{} stays after\n{}", asked.question.text, candidate.lines());
        }
    }
}

fn documents(text: &str) -> Vec<&str> {
    coeval_manifest::yaml::split(text).into_iter().map(|d| &text[d.span]).collect()
}

fn rendered(found: &[Diagnostic]) -> String {
    found.iter().map(|d| d.render(false)).collect()
}

#[test]
fn cases() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let mut paths: Vec<_> = fs::read_dir(&folder).expect("cases").map(|e| e.expect("a case").path()).collect();
    paths.sort();
    assert!(paths.len() > 5, "the cases are there");
    let mut failed = Vec::new();
    for path in paths {
        let text = fs::read_to_string(&path).expect("a case");
        let (comment, sections) = sections(&text);
        let mut world = World::default();
        let mut actual = comment;
        for section in &sections {
            let body = world.run(section).unwrap_or_else(|| section.body.clone());
            let _ = write!(actual, "-- {} --\n{body}", section.command);
        }
        if actual == text {
            continue;
        }
        if std::env::var_os("UPDATE_CASES").is_some() {
            fs::write(&path, actual).expect("writable");
        } else {
            failed.push(format!("== {}\n{actual}", path.display()));
        }
    }
    assert!(failed.is_empty(), "UPDATE_CASES=1 takes these over:\n{}", failed.join("\n"));
}
