//! Loading a manifest, lazily: files are cut into documents and the headers of versions read; a model's versions are folded
//! when it is asked for.

use std::ops::Range;
use std::sync::OnceLock;

use coeval_core::history::Fault;
use coeval_core::invalid::nearest;
use coeval_core::{Invalid, Value};

use crate::config::Config;
use crate::decode;
use crate::diagnostic::Diagnostic;
use crate::draft::Draft;
use crate::frozen::Frozen;
use crate::history::{ModelHistory, cache_key};
use crate::migration_file::Migration;
use crate::shared::SharedTypes;
use crate::source::{Place, Source};
use crate::sql_text::{self, SqlText};
use crate::versions::{self, Found, Version, Versions};
use crate::yaml::{self, Document};

/// Finds what was kept under a key; lies outside the tree that version control sees.
pub type CacheGet = dyn Fn(&str) -> Option<Vec<u8>> + Send + Sync;

/// A manifest.
pub struct Manifest {
    /// What `coeval.yaml` says.
    pub config: Config,
    /// The files of models.
    pub files: Vec<ModelFile>,
    /// The versions of the whole.
    pub versions: Versions,
    /// What is wrong with files that only matter to drafts.
    pub broken: Vec<Diagnostic>,
    types: Vec<Source>,
    shared: OnceLock<Result<SharedTypes, Vec<Diagnostic>>>,
    migrations: Vec<Source>,
    cache: Option<Box<CacheGet>>,
}

/// A file that describes a model.
pub struct ModelFile {
    /// Its text.
    pub source: Source,
    /// Its documents, the draft first.
    pub documents: Vec<Document>,
    /// The version of each frozen document, as an index into the manifest's versions.
    pub versions: Vec<usize>,
    name: OnceLock<Option<String>>,
    history: OnceLock<Result<Loaded, Vec<Diagnostic>>>,
}

struct Loaded {
    history: ModelHistory,
    /// What a cache should keep, where it did not have it.
    fresh: Option<(String, Vec<u8>)>,
}

impl Manifest {
    /// Loads a manifest from the text of `coeval.yaml` and the files of its folders, each with its path relative to it. Files
    /// that are not YAML are passed over.
    ///
    /// # Errors
    /// Whatever keeps versions from being known: the configuration, unreadable files, headers that contradict each other.
    /// What is wrong inside a version is found when its model is asked for, what is wrong with drafts when they are.
    pub fn load(
        config: &Source,
        files: impl IntoIterator<Item = (String, Vec<u8>)>,
        cache: Option<Box<CacheGet>>,
    ) -> Result<Self, Vec<Diagnostic>> {
        let config = Config::read(config).map_err(|e| vec![*e])?;
        let mut sources = Vec::new();
        let mut wrong = Vec::new();
        for (path, bytes) in files {
            if !is_yaml(&path) {
                continue;
            }
            match Source::from_bytes(&path, bytes) {
                Ok(source) => sources.push(source),
                Err(diagnostic) => wrong.push(*diagnostic),
            }
        }
        if !wrong.is_empty() {
            return Err(wrong);
        }
        // The order in which files are found must not matter.
        sources.sort_by(|a, b| a.path.cmp(&b.path));
        let folder = config.migrations.clone();
        let (migrations, sources): (Vec<_>, Vec<_>) = sources.into_iter().partition(|s| s.path.starts_with(&folder));
        let mut out = Self {
            config,
            files: Vec::new(),
            versions: Versions::default(),
            broken: Vec::new(),
            types: Vec::new(),
            shared: OnceLock::new(),
            migrations,
            cache,
        };
        for source in sources {
            out.sort_in(source);
        }
        out.read_headers()?;
        Ok(out)
    }

    /// Puts a file where it belongs: to the models where it has frozen versions, else by what its draft says.
    fn sort_in(&mut self, source: Source) {
        let documents = yaml::split(&source.text);
        if documents.len() < 2 {
            let span = documents.first().map_or(0..0, |d| d.span.clone());
            match decode::document(&source, span) {
                Err(diagnostic) => self.broken.push(*diagnostic),
                Ok(value) if value.as_object().and_then(|o| o.get("type")).and_then(Value::as_str) == Some("type") => {
                    return self.types.push(source);
                }
                Ok(_) => {}
            }
        }
        let (name, history) = (OnceLock::new(), OnceLock::new());
        self.files.push(ModelFile { source, documents, versions: Vec::new(), name, history });
    }

    fn read_headers(&mut self) -> Result<(), Vec<Diagnostic>> {
        let mut found = Vec::new();
        let mut wrong = Vec::new();
        for (file, model) in self.files.iter().enumerate() {
            for (document, part) in model.documents.iter().enumerate().skip(1) {
                match versions::header(&model.source, part.span.clone()) {
                    Ok(header) => found.push(Found { header, file, document }),
                    Err(diagnostic) => wrong.push(*diagnostic),
                }
            }
        }
        if !wrong.is_empty() {
            return Err(wrong);
        }
        let place = |file: usize, document: usize| self.files[file].place_of_version(document);
        let versions = Versions::build(found, &place)?;
        for (index, version) in versions.all.iter().enumerate() {
            for (file, document) in &version.documents {
                let list = &mut self.files[*file].versions;
                list.resize(list.len().max(*document), 0);
                list[document - 1] = index;
            }
        }
        self.versions = versions;
        if self.versions.is_linear() {
            for file in &self.files {
                if let Some(at) = (1..file.versions.len()).find(|i| file.versions[*i] <= file.versions[i - 1]) {
                    let message = "the versions of this file are out of order, or one occurs twice";
                    let help = "frozen documents stand in the order of their numbers";
                    wrong.push(Diagnostic::error("out-of-order", message).at(file.place_of_version(at + 1)).help(help));
                }
            }
        }
        if wrong.is_empty() { Ok(()) } else { Err(wrong) }
    }

    /// Returns the versions that follow the same parent, as findings that name both files. Empty in a healthy manifest.
    pub fn conflicts(&self) -> Vec<Diagnostic> {
        let trunk = self.versions.trunk();
        let lines: Vec<Vec<usize>> = self.versions.heads.iter().map(|head| self.versions.line(*head)).collect();
        let Some((first, rest)) = lines.split_first() else { return Vec::new() };
        let place = |line: &[usize]| {
            let (file, document) = self.versions.all[line[trunk]].documents[0];
            self.files[file].place_of_version(document)
        };
        let conflict = |line: &Vec<usize>| {
            let (a, b) = (place(first), place(line));
            let base = if trunk == 0 { "begin the manifest".to_owned() } else { format!("follow version {trunk}") };
            let message = format!("two versions {base}: one in {}, one in {}", a.path, b.path);
            let help = "`coeval rebase` puts one after the other";
            Diagnostic::error("two-heads", message).at(a).label(b, "the other").help(help)
        };
        rest.iter().map(conflict).collect()
    }

    /// Returns the file of the model that is called `name` at the head, or in a draft that was never frozen.
    ///
    /// # Errors
    /// No model of that name, with the nearest one.
    pub fn file(&self, name: &str) -> Result<&ModelFile, Box<Diagnostic>> {
        let by_stem = |file: &&ModelFile| file.stem() == name && file.name() == Some(name);
        let found = self.files.iter().find(by_stem).or_else(|| self.files.iter().find(|file| file.name() == Some(name)));
        found.ok_or_else(|| {
            let names: Vec<&str> = self.files.iter().filter_map(ModelFile::name).collect();
            let mut out = Diagnostic::error("unknown-model", format!("there is no model `{name}`"));
            out.help = match nearest(name, names.iter().copied()) {
                Some(near) => Some(format!("did you mean `{near}`?")),
                None if names.len() <= 20 && !names.is_empty() => Some(format!("models: {}", names.join(", "))),
                None => None,
            };
            Box::new(out)
        })
    }

    /// Returns the versions of a model's file, folding them where that was not done yet. Where the manifest has several
    /// lines of versions, only those that all lines share.
    ///
    /// # Errors
    /// What is wrong in the first document that does not fold.
    pub fn history<'a>(&self, file: &'a ModelFile) -> Result<&'a ModelHistory, &'a [Diagnostic]> {
        let loaded = file.history.get_or_init(|| self.fold(file));
        loaded.as_ref().map(|loaded| &loaded.history).map_err(Vec::as_slice)
    }

    /// Returns the versions of the model called `name`.
    ///
    /// # Errors
    /// As [`Manifest::file`] and [`Manifest::history`].
    pub fn model(&self, name: &str) -> Result<&ModelHistory, Vec<Diagnostic>> {
        let file = self.file(name).map_err(|e| vec![*e])?;
        self.history(file).map_err(<[Diagnostic]>::to_vec)
    }

    /// Folds every model and returns all that is wrong, two models of one name and conflicting lines included.
    pub fn check(&self) -> Vec<Diagnostic> {
        let mut found = self.conflicts();
        let mut names: std::collections::HashMap<&str, &ModelFile> = std::collections::HashMap::new();
        for file in &self.files {
            match self.history(file) {
                Err(wrong) => found.extend_from_slice(wrong),
                Ok(history) => {
                    let Some(name) = history.model().map(|m| m.name.as_str()) else { continue };
                    if let Some(other) = names.insert(name, file) {
                        let message = format!("two files describe the model `{name}`");
                        let diagnostic = Diagnostic::error("duplicate-model", message).at(file.source.place(0..0));
                        found.push(diagnostic.label(other.source.place(0..0), "the other"));
                    }
                }
            }
        }
        found
    }

    /// Returns the draft of a model's file.
    ///
    /// # Errors
    /// What is wrong with the draft, or with the shared types.
    pub fn draft(&self, file: &ModelFile) -> Result<Draft, Vec<Diagnostic>> {
        let shared = self.shared_types().map_err(<[Diagnostic]>::to_vec)?;
        let span = file.documents.first().map_or(0..0, |d| d.span.clone());
        Draft::read(&file.source, span, shared).map_err(|e| vec![*e])
    }

    /// Returns the shared types.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn shared_types(&self) -> Result<&SharedTypes, &[Diagnostic]> {
        self.shared.get_or_init(|| SharedTypes::read(&self.types)).as_ref().map_err(Vec::as_slice)
    }

    /// Returns the standalone migrations in the order in which they run.
    ///
    /// # Errors
    /// What is wrong with the files, missing dependencies and circles.
    pub fn migrations(&self) -> Result<Vec<Migration>, Vec<Diagnostic>> {
        let mut all = Vec::new();
        let mut wrong = Vec::new();
        for source in &self.migrations {
            match Migration::read(source) {
                Ok(migrations) => all.extend(migrations),
                Err(found) => wrong.extend(found),
            }
        }
        if !wrong.is_empty() {
            return Err(wrong);
        }
        let order = crate::migration_order::order(&all)?;
        Ok(order.into_iter().map(|i| all[i].clone()).collect())
    }

    /// Returns the SQL of the standalone migrations: in the order in which they run, else, where there is none, as the files
    /// stand. [`Manifest::migrations`] says what is wrong with them.
    pub fn migration_texts(&self) -> Vec<SqlText> {
        let mut texts: Vec<SqlText> = self.migrations.iter().flat_map(sql_text::of_migrations).collect();
        if let Ok(order) = self.migrations() {
            texts.sort_by_key(|text| order.iter().position(|migration| migration.id == text.owner));
        }
        texts
    }

    /// Returns the paths of the files of standalone migrations.
    pub fn migration_paths(&self) -> impl Iterator<Item = &str> {
        self.migrations.iter().map(|source| &*source.path)
    }

    /// Returns the raw SQL of a model's draft.
    pub fn draft_texts(&self, file: &ModelFile) -> Vec<SqlText> {
        let Some(draft) = file.documents.first() else { return Vec::new() };
        sql_text::of_model(&file.source, draft.span.clone(), file.name().unwrap_or_default())
    }

    /// Places what the core finds wrong with an operation when it folds a history: most often an expression.
    pub fn place_fault(&self, file: &ModelFile, fault: &Fault) -> Diagnostic {
        let at = file.versions.iter().position(|version| self.versions.all[*version].number == fault.version);
        let mut invalid = fault.invalid.clone().beneath(&fault.operation.to_string()).beneath("operations");
        let Some(part) = at.and_then(|at| file.documents.get(at + 1)) else {
            invalid.at.clear();
            return decode::place(&file.source, file.documents.first().map_or(0..0, |d| d.span.clone()), &invalid);
        };
        decode::place(&file.source, part.span.clone(), &invalid)
    }

    /// Returns what a cache should keep of the models that were folded and that it did not have: keys and contents.
    pub fn fresh(&self) -> impl Iterator<Item = (&str, &[u8])> {
        let loaded = self.files.iter().filter_map(|file| file.history.get()?.as_ref().ok()?.fresh.as_ref());
        loaded.map(|(key, bytes)| (key.as_str(), bytes.as_slice()))
    }

    /// Returns the message that a version was frozen with.
    pub fn message(&self, version: &Version) -> Option<String> {
        let (file, document) = version.documents.first()?;
        let file = &self.files[*file];
        let value = decode::document(&file.source, file.documents[*document].span.clone()).ok()?;
        value.as_object()?.get("version")?.as_object()?.get("message")?.as_str().map(str::to_owned)
    }

    fn fold(&self, file: &ModelFile) -> Result<Loaded, Vec<Diagnostic>> {
        let linear = self.versions.is_linear();
        let trunk = if linear { usize::MAX } else { self.versions.trunk() };
        let numbers: Vec<u32> = file.versions.iter().map(|v| self.versions.all[*v].number).collect();
        let key = linear.then(|| cache_key(file.frozen_text()));
        if let (Some(cache), Some(key)) = (&self.cache, &key)
            && let Some(history) = cache(key).and_then(|bytes| ModelHistory::decode(&bytes, &numbers).ok())
        {
            return Ok(Loaded { history, fresh: None });
        }
        let mut history = ModelHistory::default();
        let mut documents = Vec::with_capacity(numbers.len());
        for (part, number) in file.documents.iter().skip(1).zip(numbers) {
            if usize::try_from(number).unwrap_or(usize::MAX) > trunk {
                continue;
            }
            let value = decode::document(&file.source, part.span.clone()).map_err(|e| vec![*e])?;
            let pushed = Frozen::from_value(&value).and_then(|frozen| history.push(number, frozen));
            pushed.map_err(|invalid| vec![decode::place(&file.source, part.span.clone(), &invalid)])?;
            documents.push(value);
        }
        let fresh = key.filter(|_| self.cache.is_some()).map(|key| (key, history.encode(&documents)));
        Ok(Loaded { history, fresh })
    }
}

impl ModelFile {
    /// Places what is wrong with a document of the file: 0 is the draft, then the frozen versions.
    pub fn place(&self, document: usize, invalid: &Invalid) -> Diagnostic {
        let span = self.documents.get(document).map_or(0..0, |d| d.span.clone());
        decode::place(&self.source, span, invalid)
    }

    /// Returns the name of the model at the head; for one that was never frozen, its draft's. Reads as little as it can.
    pub fn name(&self) -> Option<&str> {
        self.name.get_or_init(|| self.frozen_name().or_else(|| self.draft_name())).as_deref()
    }

    /// The file's name without folder and ending.
    fn stem(&self) -> &str {
        let name = self.source.path.rsplit('/').next().unwrap_or_default();
        name.rsplit_once('.').map_or(name, |(stem, _)| stem)
    }

    /// The name that the last change of `/name` gave.
    fn frozen_name(&self) -> Option<String> {
        for part in self.documents.iter().skip(1).rev() {
            let text = &self.source.text[part.span.clone()];
            let named = text
                .match_indices("/name")
                .any(|(at, _)| matches!(text.as_bytes().get(at.wrapping_sub(1)), Some(b' ' | b'"' | b'\'')));
            if !named {
                continue;
            }
            let value = decode::document(&self.source, part.span.clone()).ok()?;
            let changes = value.as_object()?.get("changes")?.as_list()?;
            let name = changes.iter().rev().find_map(|change| {
                let change = change.as_object()?;
                (change.get("path")?.as_str() == Some("/name")).then(|| change.get("value")?.as_str().map(str::to_owned))?
            });
            if name.is_some() {
                return name;
            }
        }
        None
    }

    fn draft_name(&self) -> Option<String> {
        let value = decode::document(&self.source, self.documents.first()?.span.clone()).ok()?;
        value.as_object()?.get("name")?.as_str().map(str::to_owned)
    }

    /// The text from the first frozen document on.
    fn frozen_text(&self) -> &str {
        self.documents.get(1).map_or("", |part| &self.source.text[part.span.start..])
    }

    /// Where the id of a frozen document stands.
    pub(crate) fn place_of_version(&self, document: usize) -> Place {
        let span: Range<usize> = self.documents[document].span.clone();
        let node = yaml::parse(&self.source.text, span.clone());
        let id = node.ok().and_then(|node| Some(node.get("version")?.get("id")?.span.range()));
        self.source.place(id.unwrap_or(span))
    }
}

/// Whether a file's ending says that it is YAML.
fn is_yaml(path: &str) -> bool {
    path.rsplit_once('.').is_some_and(|(_, ending)| matches!(ending, "yaml" | "yml"))
}
