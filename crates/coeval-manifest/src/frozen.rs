//! One frozen version of a model: its header, its changes, its operations, what migrates it and what validates it.

use coeval_core::decode::{found, known_keys, object, optional_string, required, string, strings};
use coeval_core::{Invalid, Object, Value};

use crate::patch::Patch;
use crate::step::Step;

/// What identifies a version of the manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// A UUID; version 7 in versions that coeval froze.
    pub id: String,
    /// Its number; `None` in legacy versions, which are numbered by date.
    pub number: Option<u32>,
    /// When it was frozen, as written.
    pub date: String,
    /// The id of the version before it; none for the first.
    pub parents: Vec<String>,
    /// What it is about.
    pub message: Option<String>,
    /// `sha256:` and the digest of the document without it; `None` in legacy versions.
    pub digest: Option<String>,
    /// The digests of the tables that `lookup` reads, by name.
    pub tables: Vec<(String, String)>,
}

/// A frozen document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frozen {
    /// Which version it belongs to.
    pub header: Header,
    /// The model at the parent version → the model at this one.
    pub changes: Patch,
    /// What the changes mean, one mapping each; `None` in legacy versions, where they are derived.
    pub operations: Option<Vec<Value>>,
    /// The names of the properties in order, where it differs from appending.
    pub order: Vec<String>,
    /// What runs on a backend.
    pub migrate: Vec<Migrate>,
    /// What must hold for every record afterwards.
    pub validate: Vec<Value>,
}

/// What a version runs on one backend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Migrate {
    /// The backend's name.
    pub backend: String,
    /// What Spinta calls its `type`: `schema` or `data`.
    pub kind: Option<String>,
    /// The way there.
    pub upgrade: Steps,
    /// The way back.
    pub downgrade: Steps,
}

/// Steps, in one of the two spellings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Steps {
    /// Spinta's calls.
    Calls(Vec<Step>),
    /// Values, one a step; what they mean is the planner's.
    Values(Vec<Value>),
}

impl Header {
    /// Reads the value at `version`.
    ///
    /// # Errors
    /// Unknown or missing keys, values of the wrong kind.
    pub fn from_value(value: &Value) -> Result<Self, Invalid> {
        let object = object(value, "a version")?;
        known_keys(object, &["id", "number", "date", "parents", "message", "digest", "tables"])?;
        let number = match object.get("number") {
            None => None,
            Some(value) => {
                let number = value.as_i64().and_then(|n| u32::try_from(n).ok()).filter(|n| *n > 0);
                let fail = || Invalid::new(format!("expected a number from 1 on, found {}", found(value))).beneath("number");
                Some(number.ok_or_else(fail)?)
            }
        };
        let parents = strings(object, "parents")?;
        if parents.len() > 1 {
            let invalid = Invalid::new("a version has one parent at most").beneath("1").beneath("parents");
            return Err(invalid.help("`coeval rebase` puts two lines of versions one after the other"));
        }
        let tables = match object.get("tables") {
            None => Vec::new(),
            Some(value) => coeval_core::decode::object(value, "the digests of tables")
                .and_then(|tables| {
                    tables.iter().map(|(name, _)| Ok((name.to_string(), string(tables, name)?.to_owned()))).collect()
                })
                .map_err(|e: Invalid| e.beneath("tables"))?,
        };
        Ok(Self {
            id: string(object, "id")?.to_owned(),
            number,
            date: string(object, "date")?.to_owned(),
            parents,
            message: optional_string(object, "message")?.map(str::to_owned),
            digest: optional_string(object, "digest")?.map(str::to_owned),
            tables,
        })
    }

    /// Returns the header as a value, keys in the order in which they are written.
    pub fn to_value(&self) -> Value {
        let list = |texts: &[String]| Value::List(texts.iter().map(|t| t.as_str().into()).collect());
        let mut out = Object::new();
        out.insert("id", self.id.as_str().into());
        if let Some(number) = self.number {
            out.insert("number", i64::from(number).into());
        }
        out.insert("date", self.date.as_str().into());
        if self.number.is_some() {
            out.insert("parents", list(&self.parents));
        }
        if let Some(message) = &self.message {
            out.insert("message", message.as_str().into());
        }
        if !self.tables.is_empty() {
            let tables: Object = self.tables.iter().map(|(n, d)| (n.as_str().into(), d.as_str().into())).collect();
            out.insert("tables", tables.into());
        }
        if let Some(digest) = &self.digest {
            out.insert("digest", digest.as_str().into());
        }
        out.into()
    }
}

impl Frozen {
    /// Reads a frozen document and checks its digest.
    ///
    /// # Errors
    /// Unknown keys, values of the wrong kind, a digest that is not the document's.
    pub fn from_value(value: &Value) -> Result<Self, Invalid> {
        let frozen = Self::trusted(value)?;
        match &frozen.header.digest {
            Some(digest) => check_digest(value, digest)?,
            None if frozen.header.number.is_some() || frozen.operations.is_some() => {
                let invalid =
                    Invalid::new("the frozen version has no `digest`, so nothing tells whether it was edited").beneath("version");
                return Err(invalid.help("take the document from your version control as it was"));
            }
            None => {}
        }
        Ok(frozen)
    }

    /// Reads a frozen document whose digest was checked before.
    ///
    /// # Errors
    /// Unknown keys, values of the wrong kind.
    pub fn trusted(value: &Value) -> Result<Self, Invalid> {
        let object = object(value, "a frozen version")?;
        let known = ["version", "changes", "operations", "order", "migrate", "validate"];
        if object.get("version").is_none() {
            let invalid = Invalid::new("this is not a frozen version: it has no `version`");
            return Err(invalid.help("the first document of a file is its draft; each further one is written by `coeval freeze`"));
        }
        known_keys(object, &known)?;
        let header = Header::from_value(required(object, "version")?).map_err(|e| e.beneath("version"))?;
        let list = |key: &str| -> Result<Option<&[Value]>, Invalid> {
            let Some(value) = object.get(key) else { return Ok(None) };
            let fail = || Invalid::new(format!("expected a list, found {}", found(value))).beneath(key);
            value.as_list().map(Some).ok_or_else(fail)
        };
        let migrate = list("migrate")?.unwrap_or_default().iter().enumerate();
        let migrate = migrate.map(|(i, v)| Migrate::from_value(v).map_err(|e| e.beneath(&i.to_string()).beneath("migrate")));
        Ok(Self {
            changes: object
                .get("changes")
                .map_or_else(|| Ok(Patch::default()), Patch::from_value)
                .map_err(|e| e.beneath("changes"))?,
            operations: list("operations")?.map(<[Value]>::to_vec).or_else(|| header.digest.is_some().then(Vec::new)),
            order: strings(object, "order")?,
            migrate: migrate.collect::<Result<_, _>>()?,
            validate: list("validate")?.unwrap_or_default().to_vec(),
            header,
        })
    }

    /// Returns whether it is a legacy version, whose operations are derived.
    pub fn is_legacy(&self) -> bool {
        self.operations.is_none()
    }
}

/// Returns the digest of a frozen document: of its canonical JSON, `digest` left out.
pub fn digest(document: &Value) -> String {
    let bare = match document {
        Value::Object(object) => {
            let mut object = object.clone();
            if let Some(Value::Object(version)) = object.get_mut("version") {
                version.remove("digest");
            }
            Value::Object(object)
        }
        other => other.clone(),
    };
    format!("sha256:{}", bare.digest())
}

fn check_digest(document: &Value, digest_found: &str) -> Result<(), Invalid> {
    let actual = digest(document);
    if actual == digest_found {
        return Ok(());
    }
    let invalid = Invalid::new("this frozen version was edited: its digest does not match").beneath("digest").beneath("version");
    Err(invalid.help("a frozen version never changes: take the document from your version control as it was,\nand put the change into the draft, the first document of the file"))
}

impl Migrate {
    fn from_value(value: &Value) -> Result<Self, Invalid> {
        let object = object(value, "what runs on a backend")?;
        known_keys(object, &["type", "backend", "upgrade", "downgrade"])?;
        let steps =
            |key: &str| object.get(key).map_or(Ok(Steps::Values(Vec::new())), Steps::from_value).map_err(|e| e.beneath(key));
        Ok(Self {
            backend: string(object, "backend")?.to_owned(),
            kind: optional_string(object, "type")?.map(str::to_owned),
            upgrade: steps("upgrade")?,
            downgrade: steps("downgrade")?,
        })
    }
}

impl Steps {
    fn from_value(value: &Value) -> Result<Self, Invalid> {
        match value {
            Value::String(text) => Ok(Self::Calls(Step::parse(text)?)),
            Value::List(items) => Ok(Self::Values(items.clone())),
            other => Err(Invalid::new(format!("expected steps, found {}", found(other)))),
        }
    }

    /// Returns whether there is no step.
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Calls(steps) => steps.is_empty(),
            Self::Values(steps) => steps.is_empty(),
        }
    }
}
