//! The folder of a manifest: found, read, and its models compiled.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use coeval_core::json;
use coeval_core::op::{Context, Rewrites};
use coeval_core::table::{Table, Tables};

use coeval_manifest::config::Config;
use coeval_manifest::yaml;
use coeval_manifest::{Diagnostic, Manifest, ModelFile, Place, Source};

use crate::cache;
use crate::era::{Era, compile};
use crate::error::{CommandError, Kind, Result};
use crate::ui::Ui;
use crate::version::Wanted;

/// The largest file of a manifest that is read. The largest that people write are a thousandth of it.
const FILE_LIMIT: u64 = 64 << 20;
/// How deep folders are searched for files.
const FOLDER_DEPTH: usize = 16;

/// A manifest on the disk.
pub(crate) struct Workspace {
    /// The folder of `coeval.yaml`.
    pub(crate) root: PathBuf,
    /// The manifest.
    pub(crate) manifest: Manifest,
    /// The tables for `lookup`.
    pub(crate) tables: Tables,
    config: Source,
    rewrites: Rewrites,
}

impl Workspace {
    /// Finds and reads the manifest: in `folder`, else in the nearest folder upward that has one.
    ///
    /// # Errors
    /// No manifest, and what keeps it from being loaded.
    pub(crate) fn open(folder: Option<&Path>, ui: &mut Ui) -> Result<Self> {
        let root = find(folder)?;
        let config_path = root.join("coeval.yaml");
        let config = Source::from_bytes("coeval.yaml", read(&config_path, "coeval.yaml")?)?;
        let folders = Config::read(&config);
        let mut files = Vec::new();
        if let Ok(config) = &folders {
            let mut names = vec![&config.models, &config.migrations];
            names.dedup();
            for folder in names {
                collect(&root, folder.trim_end_matches('/'), &["yaml", "yml"], FOLDER_DEPTH, &mut files)?;
            }
        }
        let known = files.iter().map(|(path, _)| path.clone()).chain(["coeval.yaml".to_owned()]);
        ui.manifest_at(prefix(&root), known);
        let folders = folders?;
        let tables = tables(&root, &folders.tables)?;
        let manifest = Manifest::load(&config, files, cache::reader())?;
        Ok(Self { root, manifest, tables, config, rewrites: Rewrites::new() })
    }

    /// Returns what operations need beside the model.
    pub(crate) fn context(&self) -> Context<'_> {
        Context { tables: &self.tables, rewrites: &self.rewrites }
    }

    /// Returns the number of the newest version; 0 in a new manifest.
    pub(crate) fn head(&self) -> u32 {
        self.manifest.versions.head().map_or(0, |version| version.number)
    }

    /// Returns the number of the version that is asked for.
    ///
    /// # Errors
    /// There is no such version.
    pub(crate) fn version(&self, wanted: Wanted) -> Result<u32> {
        let head = self.head();
        if head == 0 {
            let help = "`coeval freeze` makes version 1 of the drafts";
            return Err(CommandError::usage("no-version", "nothing is frozen yet", help));
        }
        match wanted {
            Wanted::Latest => Ok(head),
            Wanted::Number(number) if number <= head => Ok(number),
            Wanted::Number(number) => {
                let help = format!("the newest version is {head}; what is only in a draft has no version before `coeval freeze`");
                Err(CommandError::usage("no-version", format!("there is no version {number}"), help))
            }
        }
    }

    /// Returns the file of a model; where none is named, that of the only one.
    ///
    /// # Errors
    /// No such model, or several to choose from.
    pub(crate) fn model(&self, name: Option<&str>) -> Result<&ModelFile> {
        let Some(name) = name else {
            let names: Vec<&str> = self.manifest.files.iter().filter_map(ModelFile::name).collect();
            return match self.manifest.files.as_slice() {
                [only] => Ok(only),
                [] => Err(CommandError::usage("no-model", "the manifest has no model", "`coeval init --example` writes one")),
                _ => {
                    let help = format!("say which with `--model`: {}", names.join(", "));
                    Err(CommandError::usage("which-model", "the manifest has several models", help))
                }
            };
        };
        self.manifest.file(name).map_err(|diagnostic| CommandError::new(Kind::Usage, *diagnostic))
    }

    /// Compiles the versions of a model, after checking that its tables are those it was frozen with.
    ///
    /// # Errors
    /// What is wrong with the manifest.
    pub(crate) fn compile(&self, file: &ModelFile) -> Result<Vec<Era>> {
        let conflicts = self.manifest.conflicts();
        if !conflicts.is_empty() {
            return Err(conflicts.into());
        }
        self.check_tables(file)?;
        Ok(compile(&self.manifest, file, &self.context())?)
    }

    /// Compiles a model's versions and returns the era that has all of `versions`.
    ///
    /// # Errors
    /// As [`Workspace::compile`], and versions that do not have the model.
    pub(crate) fn era(&self, file: &ModelFile, versions: &[u32]) -> Result<Era> {
        let eras = self.compile(file)?;
        let name = file.name().unwrap_or_default();
        let lacking = versions.iter().find(|v| !eras.iter().any(|era| era.contains(**v)));
        if let Some(version) = lacking {
            let help = match eras.iter().find(|era| era.first > *version) {
                Some(era) => format!("it begins with version {}", era.first),
                None if eras.is_empty() => "`coeval freeze` makes a version of its draft".to_owned(),
                None => "it was removed before".to_owned(),
            };
            return Err(CommandError::usage("no-version", format!("the model `{name}` is not in version {version}"), help));
        }
        let found = eras.into_iter().find(|era| versions.iter().all(|v| era.contains(*v)));
        found.ok_or_else(|| {
            let help = "records of the one are not records of the other";
            CommandError::usage(
                "no-version",
                format!("the model `{name}` was removed between these versions, and added anew"),
                help,
            )
        })
    }

    fn check_tables(&self, file: &ModelFile) -> Result<()> {
        let Ok(history) = self.manifest.history(file) else { return Ok(()) };
        let mut wrong = Vec::new();
        for (index, version) in history.versions.iter().enumerate() {
            for (name, digest) in &version.frozen.header.tables {
                let table = self.tables.get(name);
                if table.is_some_and(|table| table.digest() == digest.trim_start_matches("sha256:")) {
                    continue;
                }
                let place = file.documents.get(index + 1).map(|d| file.source.place(d.span.start..d.span.start));
                let path = format!("{}{name}.json", self.manifest.config.tables);
                let (code, message) = match table {
                    None => ("no-table", format!("version {} reads the table `{name}`, and {path} is missing", version.number)),
                    Some(_) => ("table-edited", format!("{path} is not what it was when version {} was frozen", version.number)),
                };
                let mut diagnostic = Diagnostic::error(code, message);
                diagnostic.place = place;
                wrong.push(diagnostic.help(
                    "take the file from your version control as it was; to look up something else, give the new table another name",
                ));
            }
        }
        if wrong.is_empty() { Ok(()) } else { Err(wrong.into()) }
    }

    /// Returns the manifest with the new texts of some of its files, as it will be when they are written.
    ///
    /// # Errors
    /// What keeps it from being loaded.
    pub(crate) fn with(&self, texts: &[(String, String)]) -> Result<Manifest> {
        let others = self.manifest.files.iter().map(|file| (file.source.path.to_string(), file.source.text.to_string()));
        let mut files: Vec<(String, String)> = others.filter(|(path, _)| texts.iter().all(|(new, _)| new != path)).collect();
        files.extend(texts.iter().cloned());
        let files = files.into_iter().map(|(path, text)| (path, text.into_bytes()));
        Ok(Manifest::load(&self.config, files, None)?)
    }
}

impl Drop for Workspace {
    /// Keeps what was folded, once, however the command ended.
    fn drop(&mut self) {
        cache::keep(&self.manifest);
    }
}

fn find(folder: Option<&Path>) -> Result<PathBuf> {
    if let Some(given) = folder {
        let root = if given.is_file() { given.parent().unwrap_or(given).to_owned() } else { given.to_owned() };
        if root.join("coeval.yaml").is_file() {
            return Ok(root);
        }
        let message = format!("{} has no coeval.yaml", given.display());
        return Err(CommandError::usage("no-manifest", message, "`coeval init` makes a manifest"));
    }
    let here = std::env::current_dir().map_err(|e| CommandError::io("the current folder", &e))?;
    let found = here.ancestors().find(|folder| folder.join("coeval.yaml").is_file());
    let none = || {
        let help = "`coeval init` makes a manifest here; `-C DIR` names the folder of another";
        CommandError::usage("no-manifest", "there is no coeval.yaml here or in a folder above", help)
    };
    // Relative where it can be, so that paths are shown as they are reached.
    found.map(|root| if root == here { PathBuf::from(".") } else { root.to_owned() }).ok_or_else(none)
}

/// What stands before the paths of the manifest's files to reach them from the current folder.
fn prefix(root: &Path) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    if root == Path::new(".") {
        return String::new();
    }
    match here.strip_prefix(root) {
        Ok(beneath) if root.is_absolute() => "../".repeat(beneath.components().count()),
        _ => format!("{}/", root.display().to_string().trim_end_matches('/')),
    }
}

/// Reads a file of the manifest.
fn read(path: &Path, shown: &str) -> Result<Vec<u8>> {
    let fail = |e: io::Error| CommandError::io(shown, &e);
    let length = fs::metadata(path).map_err(fail)?.len();
    if length > FILE_LIMIT {
        let message = format!("{shown} has {} MiB: no file of a manifest is that large", length >> 20);
        let place = Place::in_text(shown, "", 0..0);
        let help = "records do not belong into the manifest; at most 64 MiB are read";
        return Err(CommandError::new(Kind::Refused, Diagnostic::error("too-large", message).at(place).help(help)));
    }
    fs::read(path).map_err(fail)
}

/// Reads the files of a folder whose names have one of the endings, folders beneath included; paths relative to `root`.
fn collect(root: &Path, folder: &str, endings: &[&str], depth: usize, files: &mut Vec<(String, Vec<u8>)>) -> Result<()> {
    let entries = match fs::read_dir(root.join(folder)) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(CommandError::io(folder, &error)),
    };
    for entry in entries {
        let entry = entry.map_err(|e| CommandError::io(folder, &e))?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        if name.starts_with('.') {
            continue;
        }
        let path = format!("{folder}/{name}");
        let metadata = fs::metadata(entry.path()).map_err(|e| CommandError::io(&path, &e))?;
        if metadata.is_dir() {
            if depth > 0 {
                collect(root, &path, endings, depth - 1, files)?;
            }
        } else if name.rsplit_once('.').is_some_and(|(_, ending)| endings.contains(&ending)) {
            let bytes = read(&entry.path(), &path)?;
            files.push((path, bytes));
        }
    }
    Ok(())
}

fn tables(root: &Path, folder: &str) -> Result<Tables> {
    let mut files = Vec::new();
    collect(root, folder.trim_end_matches('/'), &["json"], FOLDER_DEPTH, &mut files)?;
    let mut tables = Tables::new();
    let mut wrong = Vec::new();
    for (path, bytes) in files {
        let name = path.rsplit('/').next().unwrap_or_default().trim_end_matches(".json").to_owned();
        match table(&name, &path, bytes) {
            Ok(table) => tables.insert(table),
            Err(diagnostic) => wrong.push(*diagnostic),
        }
    }
    if wrong.is_empty() { Ok(tables) } else { Err(wrong.into()) }
}

fn table(name: &str, path: &str, bytes: Vec<u8>) -> std::result::Result<Table, Box<Diagnostic>> {
    let source = Source::from_bytes(path, bytes)?;
    let value = json::parse(source.text.as_bytes()).map_err(|error| {
        let place = source.place(error.at..error.at + error.length);
        Box::new(Diagnostic::error("invalid-json", error.message).at(place).help("a table is a JSON object of rows"))
    })?;
    Table::from_value(name, &value).map_err(|invalid| {
        // JSON is YAML, so that the places of the one are those of the other.
        let span = yaml::parse(&source.text, 0..source.text.len())
            .map_or(0..0, |node| yaml::locate(&node, &invalid.at, invalid.key.as_deref(), invalid.span.as_ref(), &source.text));
        let mut out = Diagnostic::error("invalid", invalid.message).at(source.place(span));
        out.help = invalid.help;
        Box::new(out)
    })
}
