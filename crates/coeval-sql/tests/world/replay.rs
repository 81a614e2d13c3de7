//! What is written, and what has to be read then.

use std::collections::BTreeMap;
use std::sync::Arc;

use coeval_core::Value;
use coeval_core::history::History;
use coeval_core::json;
use coeval_core::lens::Stored;
use coeval_testkit::world_countries::{World, load_without_key};

/// The newest version.
pub(crate) const NEWEST: u32 = 9;

/// A database in which the views of all versions are.
pub(crate) trait Views {
    /// Inserts a record through the view of a version.
    fn insert(&mut self, version: u32, key: &str, document: &Value);
    /// Sets a property of a record through the view of a version.
    fn update(&mut self, version: u32, key: &str, name: &str, value: &Value);
    /// What a version shows of all records, by key.
    fn read(&mut self, version: u32) -> BTreeMap<String, Value>;
}

/// The records as the lens has them.
pub(crate) struct Replay {
    pub(crate) history: Arc<History>,
    records: BTreeMap<String, Stored>,
    documents: BTreeMap<String, (u32, Value)>,
}

/// The key of a record: the release's number and the line.
fn key(version: u32, line: usize) -> String {
    format!("00000000-0000-4000-8000-{version:04}{line:08}")
}

impl Replay {
    /// Loads the records of some versions, every so many lines.
    pub(crate) fn load(versions: &[u32], step: usize) -> Self {
        let World { history, releases } = load_without_key();
        let mut documents = BTreeMap::new();
        for (version, lines) in (1..).zip(&releases).filter(|(version, _)| versions.contains(version)) {
            for (line, text) in lines.iter().enumerate().step_by(step) {
                documents.insert(key(version, line), (version, json::parse(text.as_bytes()).unwrap()));
            }
        }
        Self { history: Arc::new(history), records: BTreeMap::new(), documents }
    }

    /// Inserts every record at its own version.
    pub(crate) fn insert(&mut self, views: &mut dyn Views) {
        for (key, (version, document)) in &self.documents {
            views.insert(*version, key, document);
            self.records.insert(key.clone(), self.history.create(*version, document.clone()).unwrap());
        }
    }

    /// Sets properties through versions in turn, to what other records have there.
    pub(crate) fn update(&mut self, views: &mut dyn Views) -> usize {
        let keys: Vec<String> = self.records.keys().cloned().collect();
        let mut done = 0;
        for (n, key) in keys.iter().enumerate() {
            for turn in 0..3 {
                let version = u32::try_from((n * 7 + turn * 4) % 9).unwrap() + 1;
                let other = &self.records[&keys[(n * 31 + turn * 17 + 5) % keys.len()]];
                let donor = self.history.read(other, version).unwrap();
                let properties = &self.history.model(version).unwrap().properties;
                let (name, _): (&str, _) = properties.iter().nth((n * 5 + turn * 11) % properties.len()).unwrap();
                let value = donor.as_object().unwrap().get(name).unwrap().clone();
                let mut document = self.history.read(&self.records[key], version).unwrap();
                let Value::Object(object) = &mut document else { panic!("a record is an object") };
                object.insert(name, value.clone());
                match self.history.put(&self.records[key], version, &document) {
                    Ok(Some(stored)) => {
                        self.records.insert(key.clone(), stored);
                    }
                    Ok(None) => {}
                    Err(refused) => panic!("{key}.{name} at {version}: {refused}"),
                }
                views.update(version, key, name, &value);
                done += 1;
            }
        }
        done
    }

    /// Compares what all versions show of all records.
    pub(crate) fn compare(&self, views: &mut dyn Views) {
        let mut wrong = Vec::new();
        for version in 1..=NEWEST {
            let rows = views.read(version);
            assert_eq!(rows.len(), self.records.len(), "version {version}");
            for (key, stored) in &self.records {
                let expected = self.history.read(stored, version).unwrap();
                let (expected, row) = (expected.as_object().unwrap(), rows[key].as_object().unwrap());
                for (name, value) in expected {
                    let found = row.get(name.as_str());
                    if found != Some(value) {
                        wrong.push(format!("{key} at {version}, {}: expected {value}, found {found:?}", name.as_str()));
                    }
                }
                assert_eq!(row.len(), expected.len(), "{key} at {version}");
            }
        }
        assert!(wrong.is_empty(), "{} differ\n{}", wrong.len(), wrong.iter().take(25).cloned().collect::<Vec<_>>().join("\n"));
    }
}
