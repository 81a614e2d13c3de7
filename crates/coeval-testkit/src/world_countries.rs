//! Nine real releases of a data set as nine versions: `examples/world-countries`, loaded.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use coeval_core::history::History;
use coeval_core::json;
use coeval_core::lens::Stored;
use coeval_core::op::{Context, Rewrites};
use coeval_core::schema::{Model, Property};
use coeval_core::table::{Table, Tables};
use coeval_core::value::Object;
use coeval_core::{Type, Value};
use coeval_manifest::{Manifest, Source};
use coeval_store::ledger::VersionId;
use coeval_store::records::{Change, Expect, Key};
use coeval_store::{Backend, Catalog, Era, ModelEntry};

/// The releases, that of version 1 first.
pub const RELEASES: [&str; 9] = ["1.4.0", "1.6.0", "1.7.0", "1.8.0", "2.0.0", "3.0.0", "4.0.0", "5.0.0", "5.1.0"];

/// The model over all versions, and its records.
#[derive(Debug)]
pub struct World {
    /// The model.
    pub history: History,
    /// The records of each release, as JSON lines.
    pub releases: Vec<Vec<String>>,
}

/// Returns the folder of the example.
pub fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../examples/world-countries")
}

fn text(name: &str) -> String {
    fs::read_to_string(folder().join(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
}

/// Loads the example.
///
/// # Panics
/// If it is not as it should be.
pub fn load() -> World {
    load_as(|_| {})
}

/// Loads the example without the model's key, so that records of all releases can lie beside each other.
///
/// # Panics
/// As [`load`].
pub fn load_without_key() -> World {
    load_as(|model| model.key.clear())
}

fn load_as(change: impl FnOnce(&mut Model)) -> World {
    let model = ("models/country.yaml".to_owned(), text("models/country.yaml").into_bytes());
    let config = Source::new("coeval.yaml", text("coeval.yaml"));
    let manifest = Manifest::load(&config, vec![model], None).unwrap_or_else(|e| panic!("{e:?}"));
    let table = |name: &&str| {
        let value = json::parse(text(&format!("tables/{name}.json")).as_bytes()).unwrap_or_else(|e| panic!("{name}: {e}"));
        Table::from_value(name, &value).unwrap_or_else(|e| panic!("{name}: {e}"))
    };
    let tables: Tables = ["countries", "currencies", "language_names", "languages"].iter().map(table).collect();
    let versions = manifest.model("country").unwrap_or_else(|e| panic!("{e:?}"));
    let mut life = versions.lives().remove(0);
    change(&mut life.model);
    let context = Context { tables: &tables, rewrites: &Rewrites::new() };
    let history = History::new(life.first, life.model, &life.releases, &context).unwrap_or_else(|e| panic!("{e}"));
    World { history, releases: RELEASES.iter().map(release).collect() }
}

fn release(name: &&str) -> Vec<String> {
    let packed = fs::read(folder().join(format!("data/{name}.jsonl.zst"))).unwrap_or_else(|e| panic!("{name}: {e}"));
    let plain = zstd::decode_all(packed.as_slice()).unwrap_or_else(|e| panic!("{name}: {e}"));
    String::from_utf8(plain).unwrap_or_else(|e| panic!("{name}: {e}")).lines().map(str::to_owned).collect()
}

/// The store's versions of the example: those of its one model.
fn catalog(history: History) -> Catalog {
    let entry = ModelEntry { name: "country".to_owned(), eras: vec![Era { first: 1, end: None, history }] };
    let versions = (1..=9).map(|number| VersionId { number, id: format!("0193e5a0-7c00-7000-8000-{number:012}") }).collect();
    Catalog { versions, models: vec![entry], ..Catalog::default() }
}

/// Every record of every release, with the release and the line as its key.
#[derive(Debug)]
pub struct Lines {
    /// The model over nine versions.
    pub catalog: Arc<Catalog>,
    /// What each version publishes.
    pub releases: Vec<Vec<Value>>,
}

impl Lines {
    /// Loads the example with the two properties of the key.
    ///
    /// # Panics
    /// If it is not as it should be.
    pub fn load() -> Self {
        let property = |ty: Type| Property { required: true, ..Property::new(ty) };
        let World { history, releases } = load_as(|model| {
            model.properties.insert("release", property(Type::String));
            model.properties.insert("line", property(Type::Integer));
            model.key = vec!["release".to_owned(), "line".to_owned()];
        });
        let document = |release: &str, (line, text): (i64, &String)| {
            let mut document = json::parse(text.as_bytes()).unwrap_or_else(|e| panic!("{text}: {}", e.message));
            if let Value::Object(object) = &mut document {
                object.insert("release", release.into());
                object.insert("line", line.into());
            }
            document
        };
        let release = |(name, lines): (&&str, &Vec<String>)| (0..).zip(lines).map(|line| document(name, line)).collect();
        Self { catalog: Arc::new(catalog(history)), releases: RELEASES.iter().zip(&releases).map(release).collect() }
    }

    /// Returns the types of what a version shows.
    pub fn types(&self, version: u32) -> BTreeMap<String, Type> {
        let model = self.catalog.models[0].eras[0].history.model(version);
        model
            .into_iter()
            .flat_map(|model| model.properties.iter().map(|(name, property)| (name.to_owned(), property.ty.clone())))
            .collect()
    }

    /// Writes each release at its version, as clients of coeval do.
    ///
    /// # Panics
    /// Where the store refuses one.
    pub async fn write(&self, store: &dyn Backend) {
        for (version, documents) in (1..).zip(&self.releases) {
            for document in documents {
                let put = Change::Put(document.to_string());
                let written = store.records().write("country", None, version, &put, &Expect::Anything).await;
                assert!(written.is_ok(), "{document} at {version}: {written:?}");
            }
        }
    }
}

/// Returns the key of one of [`Lines`].
///
/// # Panics
/// Where it has none.
pub fn key_of(document: &Object) -> String {
    let part = |name: &str| document.get(name).unwrap_or_else(|| panic!("no {name} in {document:?}"));
    let release = part("release").as_str().unwrap_or_default();
    Key(vec![release.to_owned(), part("line").to_string()]).to_string()
}

/// Compares what a version shows in plain SQL and to clients of coeval, by key, with what the document store shows.
///
/// # Panics
/// Where they differ.
pub async fn same(documents: &dyn Backend, store: &dyn Backend, version: u32, plain: &BTreeMap<String, Value>) {
    let expected = records(documents, version).await;
    let found = records(store, version).await;
    for (key, document) in &expected {
        assert_eq!(plain.get(key), Some(document), "{key} at {version}, in plain SQL");
        assert_eq!(found.get(key), Some(document), "{key} at {version}");
    }
    assert_eq!((plain.len(), found.len()), (expected.len(), expected.len()), "at {version}");
}

/// What clients of coeval read of all records at a version, by key.
///
/// # Panics
/// Where one is hidden, or cannot be read.
pub async fn records(store: &dyn Backend, version: u32) -> BTreeMap<String, Value> {
    let (mut out, mut after) = (BTreeMap::new(), None);
    loop {
        let page = store.records().list("country", version, after.as_deref(), 100).await;
        let page = page.unwrap_or_else(|e| panic!("at {version}: {e:?}"));
        assert_eq!(page.hidden, []);
        for found in page.records {
            let document = json::parse(found.text.as_bytes()).unwrap_or_else(|e| panic!("{}: {}", found.key, e.message));
            out.insert(found.key.to_string(), document);
        }
        match page.next {
            Some(next) => after = Some(next),
            None => return out,
        }
    }
}

/// Records of all releases and what clients did to them, as the core has it: what a store has to show.
#[derive(Debug)]
pub struct Replay {
    /// The model over nine versions.
    pub catalog: Arc<Catalog>,
    /// What each version publishes: keys and documents.
    releases: Vec<Vec<(String, Value)>>,
    records: BTreeMap<String, Stored>,
    edits: usize,
}

impl Replay {
    /// Loads the model without its key, every so many lines of each release, and the first of each form that occurs.
    ///
    /// # Panics
    /// If the example is not as it should be.
    pub fn load(every: usize) -> Self {
        let World { history, releases } = load_without_key();
        let catalog = Arc::new(catalog(history));
        let mut forms = BTreeSet::new();
        let mut of = |version: usize, (line, text): (usize, &String)| {
            let document = json::parse(text.as_bytes()).unwrap_or_else(|e| panic!("{text}: {}", e.message));
            let chosen = forms.insert((version, form(&document, 1))) || line % every == 0;
            chosen.then(|| (format!("00000000-0000-4000-8000-{version:04}{line:08}"), document))
        };
        let mut release =
            |(version, lines): (usize, &Vec<String>)| lines.iter().enumerate().filter_map(|line| of(version, line)).collect();
        let releases = (1..).zip(&releases).map(&mut release).collect();
        Self { catalog, releases, records: BTreeMap::new(), edits: 0 }
    }

    /// Returns the model over its versions.
    pub fn history(&self) -> &History {
        &self.catalog.models[0].eras[0].history
    }

    /// Returns the types of what a version shows, and that of the key.
    pub fn types(&self, version: u32) -> BTreeMap<String, Type> {
        let properties = self.history().model(version).into_iter().flat_map(|model| model.properties.iter());
        let types = properties.map(|(name, property)| (name.to_owned(), property.ty.clone()));
        types.chain([("_id".to_owned(), Type::Uuid)]).collect()
    }

    /// Returns what a release publishes: keys and documents, which are there from now on.
    ///
    /// # Panics
    /// A document that does not fit its version.
    pub fn publish(&mut self, version: u32) -> Vec<(String, Value)> {
        let release = self.releases[version as usize - 1].clone();
        for (key, document) in &release {
            let stored = self.history().create(version, document.clone()).unwrap_or_else(|e| panic!("{key}: {e:?}"));
            self.records.insert(key.clone(), stored);
        }
        release
    }

    /// Sets a property of a record at one of the versions up to one, to what another record has there, and returns what a client
    /// has to do: the version, the key, the property and the value. Call after call goes through records, versions and properties.
    ///
    /// # Panics
    /// A value that does not fit.
    pub fn edit(&mut self, newest: u32) -> (u32, String, String, Value) {
        let n = self.edits;
        self.edits += 1;
        let keys: Vec<&String> = self.records.keys().collect();
        let key = keys[n * 7 % keys.len()].clone();
        let version = u32::try_from(n * 4 % newest as usize).unwrap_or_default() + 1;
        let donor = &self.records[keys[(n * 31 + 5) % keys.len()]];
        let (donor, stored) = (self.read(donor, version), &self.records[&key]);
        let mut document = self.read(stored, version);
        let properties = &donor.as_object().map(|object| object.iter().cloned().collect::<Vec<_>>()).unwrap_or_default();
        let (name, value) = properties[n * 5 % properties.len()].clone();
        if let Value::Object(object) = &mut document {
            object.insert(name.as_str(), value.clone());
        }
        let put = self.history().put(stored, version, &document);
        if let Some(stored) = put.unwrap_or_else(|e| panic!("{key}.{} at {version}: {e:?}", name.as_str())) {
            self.records.insert(key.clone(), stored);
        }
        (version, key, name.as_str().to_owned(), value)
    }

    fn read(&self, stored: &Stored, version: u32) -> Value {
        self.history().read(stored, version).unwrap_or_else(|e| panic!("{version}: {e:?}"))
    }

    /// Compares what a store shows at a version, by key, with what it has to show.
    ///
    /// # Panics
    /// Where it differs.
    pub fn compare(&self, version: u32, found: &BTreeMap<String, Value>, what: &str) {
        let mut wrong = Vec::new();
        for (key, stored) in &self.records {
            let expected = self.read(stored, version);
            let Some(row) = found.get(key) else {
                wrong.push(format!("{key} is not there"));
                continue;
            };
            if *row == expected {
                continue;
            }
            let (row, expected) = (row.as_object(), expected.as_object());
            let names = row.iter().chain(&expected).flat_map(|object| object.iter()).map(|(name, _)| name.as_str());
            for name in names.collect::<BTreeSet<&str>>() {
                let [row, expected] = [row, expected].map(|object| object.and_then(|object| object.get(name)));
                if row != expected {
                    wrong.push(format!("{key}.{name}: {row:?} instead of {expected:?}"));
                }
            }
        }
        let count = wrong.len();
        wrong.truncate(20);
        assert!(wrong.is_empty(), "{what}, version {version}: {count} differ\n{}", wrong.join("\n"));
        assert_eq!(found.len(), self.records.len(), "{what}, version {version}");
    }
}

/// What a value looks like, as deep as asked for: two records of one form are much the same to a conversion.
fn form(value: &Value, depth: usize) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::Bool(yes) => yes.to_string(),
        Value::Number(_) => "0".to_owned(),
        Value::String(text) => if text.as_str().is_empty() { "''" } else { "'a'" }.to_owned(),
        Value::List(items) => match (items.first(), depth) {
            (None, _) => "[]".to_owned(),
            (Some(_), 0) => "[..]".to_owned(),
            (Some(first), _) => format!("[{}, {}]", form(first, depth - 1), items.len().min(3)),
        },
        Value::Object(object) if depth == 0 => if object.is_empty() { "{}" } else { "{..}" }.to_owned(),
        Value::Object(object) => {
            let forms: BTreeSet<String> = object.iter().map(|(_, value)| form(value, depth - 1)).collect();
            format!("{{{}}}", forms.into_iter().collect::<Vec<_>>().join(", "))
        }
    }
}
