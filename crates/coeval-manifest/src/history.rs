//! The versions of one model, and what a cache keeps of them.

use coeval_core::decode::{object, required};
use coeval_core::{Invalid, Model, Object, Value, json};
use sha2::{Digest, Sha256};

use crate::fold::State;
use crate::frozen::Frozen;
use coeval_core::history::Release;
use coeval_core::op::Operation;

/// Changes with every release that reads or folds differently.
const CACHE_FORMAT: &str = "coeval-manifest cache 1";

/// One version of one model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelVersion {
    /// The number of the manifest's version.
    pub number: u32,
    /// The document.
    pub frozen: Frozen,
    /// Its operations, those of legacy versions derived.
    pub operations: Vec<Operation>,
}

/// A model from one `add_model` to the next `remove_model`: what the core folds into a history.
#[derive(Debug, Clone)]
pub struct Life {
    /// The version that added it.
    pub first: u32,
    /// The model at that version.
    pub model: Model,
    /// The versions that changed it.
    pub releases: Vec<Release>,
    /// The version that removed it.
    pub ended: Option<u32>,
}

/// All versions of one model, oldest first.
#[derive(Debug, Clone, Default)]
pub struct ModelHistory {
    /// The versions that touched the model.
    pub versions: Vec<ModelVersion>,
    /// The model after the last of them.
    pub head: State,
}

impl ModelHistory {
    /// Takes one more version on.
    ///
    /// # Errors
    /// As [`State::step`].
    pub fn push(&mut self, number: u32, frozen: Frozen) -> Result<(), Invalid> {
        let operations = self.head.step(&frozen)?;
        self.versions.push(ModelVersion { number, frozen, operations });
        Ok(())
    }

    /// Returns the model at the head; `None` where it was removed, or never frozen.
    pub fn model(&self) -> Option<&Model> {
        self.head.model()
    }

    /// Returns the state at a version of the manifest: after the last version up to it that touched the model.
    pub fn state_at(&self, number: u32) -> State {
        if self.versions.last().is_none_or(|last| last.number <= number) {
            return self.head.clone();
        }
        let mut state = State::default();
        for version in self.versions.iter().take_while(|v| v.number <= number) {
            // All of them folded when the history was made.
            if state.step(&version.frozen).is_err() {
                break;
            }
        }
        state
    }

    /// Returns the model at a version of the manifest.
    pub fn at(&self, number: u32) -> Option<Model> {
        self.state_at(number).model().cloned()
    }

    /// Returns the model's lives: it begins with `add_model` and ends with `remove_model`, and may begin anew.
    pub fn lives(&self) -> Vec<Life> {
        let mut lives: Vec<Life> = Vec::new();
        let mut state = State::default();
        for version in &self.versions {
            let before = state.model().is_some();
            // All of them folded when the history was made.
            if state.step(&version.frozen).is_err() {
                break;
            }
            let order = Some(version.frozen.order.clone()).filter(|order| !order.is_empty());
            match (before, state.model(), lives.last_mut()) {
                (false, Some(model), _) => {
                    let model = model.clone();
                    lives.push(Life { first: version.number, model, releases: Vec::new(), ended: None });
                }
                (true, None, Some(life)) => life.ended = Some(version.number),
                (true, Some(_), Some(life)) => {
                    let operations = version.operations.clone();
                    life.releases.push(Release { version: version.number, operations, order });
                }
                _ => {}
            }
        }
        lives
    }

    /// Writes what a cache keeps, so that reading it spares parsing, checking and folding.
    pub fn encode(&self, documents: &[Value]) -> Vec<u8> {
        let or_null = |value: Option<Value>| value.unwrap_or(Value::Null);
        let operations = self.versions.iter().map(|v| Value::List(v.operations.iter().map(Operation::to_value).collect()));
        let mut out = Object::new();
        out.insert("format", CACHE_FORMAT.into());
        out.insert("document", or_null(self.head.document().cloned()));
        out.insert("model", or_null(self.model().map(Model::to_value)));
        out.insert("versions", Value::List(documents.to_vec()));
        out.insert("operations", Value::List(operations.collect()));
        Value::Object(out).to_string().into_bytes()
    }

    /// Reads what [`ModelHistory::encode`] wrote. `numbers` are those of the versions, which the whole manifest decides.
    ///
    /// # Errors
    /// Anything that is not such a text; the caller then folds anew.
    pub fn decode(bytes: &[u8], numbers: &[u32]) -> Result<Self, Invalid> {
        let value = json::parse(bytes).map_err(|e| Invalid::new(e.message))?;
        let entry = object(&value, "a cache entry")?;
        let list = |key: &str| required(entry, key)?.as_list().ok_or_else(|| Invalid::new("expected a list"));
        if entry.get("format").and_then(Value::as_str) != Some(CACHE_FORMAT) || list("versions")?.len() != numbers.len() {
            return Err(Invalid::new("the cache is another release's"));
        }
        let some = |key: &str| entry.get(key).filter(|value| **value != Value::Null);
        let head = State::from_parts(some("document").cloned(), some("model"))?;
        let mut versions = Vec::with_capacity(numbers.len());
        for ((document, operations), number) in list("versions")?.iter().zip(list("operations")?).zip(numbers) {
            let operations =
                operations.as_list().unwrap_or_default().iter().map(Operation::from_value).collect::<Result<_, _>>()?;
            versions.push(ModelVersion { number: *number, frozen: Frozen::trusted(document)?, operations });
        }
        Ok(Self { versions, head })
    }
}

/// Returns the key under which the history of a file is kept: the digest of its frozen documents. Editing the draft keeps it.
pub fn cache_key(frozen: &str) -> String {
    let mut digest = Sha256::new();
    digest.update(CACHE_FORMAT);
    digest.update([0]);
    digest.update(frozen);
    digest.finalize().iter().fold(String::with_capacity(64), |mut text, byte| {
        for digit in [byte >> 4, byte & 15] {
            text.push(char::from_digit(u32::from(digit), 16).unwrap_or('0'));
        }
        text
    })
}
