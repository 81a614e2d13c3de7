//! A history and what happens to one record, as data: what the generators make, what a failure is cut down to, and the form
//! of the fixed cases in `cases/`.

use coeval_core::history::{Fault, History, Release};
use coeval_core::json;
use coeval_core::op::{Context, Operation, Rewrites};
use coeval_core::patch::Patch;
use coeval_core::schema::{Model, no_shared_types};
use coeval_core::table::Tables;
use coeval_core::value::{Object, Value};

use super::code;

/// A history and what happens to one record.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// The model at version 1.
    pub model: Model,
    /// The operations of version 2, 3, …
    pub releases: Vec<Vec<Operation>>,
    /// Versions that the second cut of the same operations leaves out (L10); events name none of them.
    pub hidden: Vec<u32>,
    /// What happens, in order.
    pub events: Vec<Event>,
}

/// Something that happens to the record.
#[derive(Debug, Clone)]
pub enum Event {
    /// It is created, or deleted and created again.
    Create {
        /// The writer's version.
        at: u32,
        /// The document.
        document: Value,
    },
    /// A client replaces its document.
    Put {
        /// The writer's version.
        at: u32,
        /// The document.
        document: Value,
    },
    /// A client changes its document by a merge patch.
    Merge {
        /// The writer's version.
        at: u32,
        /// The patch.
        patch: Value,
    },
    /// A client changes its document by a JSON patch.
    Patch {
        /// The writer's version.
        at: u32,
        /// The patch.
        patch: Patch,
    },
    /// A client writes back what it read.
    Same {
        /// The client's version.
        at: u32,
    },
    /// Its document is moved to a version's shape.
    Migrate {
        /// The version.
        to: u32,
    },
    /// Its document is moved along a route and back to where it lay.
    Round {
        /// The versions on the way.
        route: Vec<u32>,
    },
    /// Something outside replaces the natural document where it lies.
    Outside {
        /// The new natural document.
        document: Value,
    },
    /// Clients of the versions below this one are gone.
    Retire {
        /// The oldest version that lives.
        before: u32,
    },
}

impl Event {
    fn to_value(&self) -> Value {
        let version = |v: &u32| Value::from(i64::from(*v));
        let (name, fields): (&str, Vec<(&str, Value)>) = match self {
            Self::Create { at, document } => ("create", vec![("at", version(at)), ("document", document.clone())]),
            Self::Put { at, document } => ("put", vec![("at", version(at)), ("document", document.clone())]),
            Self::Merge { at, patch } => ("merge", vec![("at", version(at)), ("patch", patch.clone())]),
            Self::Patch { at, patch } => ("patch", vec![("at", version(at)), ("patch", patch.to_value())]),
            Self::Same { at } => ("same", vec![("at", version(at))]),
            Self::Migrate { to } => ("migrate", vec![("to", version(to))]),
            Self::Round { route } => ("round", vec![("route", Value::List(route.iter().map(version).collect()))]),
            Self::Outside { document } => ("outside", vec![("document", document.clone())]),
            Self::Retire { before } => ("retire", vec![("before", version(before))]),
        };
        object([(name, object(fields))])
    }

    fn from_value(value: &Value) -> Option<Self> {
        let (name, fields) = value.as_object()?.iter().next()?;
        let fields = fields.as_object()?;
        let version = |value: &Value| value.as_i64().and_then(|v| u32::try_from(v).ok());
        let document = || fields.get("document").cloned();
        Some(match name.as_str() {
            "create" => Self::Create { at: version(fields.get("at")?)?, document: document()? },
            "put" => Self::Put { at: version(fields.get("at")?)?, document: document()? },
            "merge" => Self::Merge { at: version(fields.get("at")?)?, patch: fields.get("patch")?.clone() },
            "patch" => Self::Patch { at: version(fields.get("at")?)?, patch: Patch::from_value(fields.get("patch")?).ok()? },
            "same" => Self::Same { at: version(fields.get("at")?)? },
            "migrate" => Self::Migrate { to: version(fields.get("to")?)? },
            "round" => {
                let route = fields.get("route")?.as_list()?;
                Self::Round { route: route.iter().map(version).collect::<Option<_>>()? }
            }
            "outside" => Self::Outside { document: document()? },
            "retire" => Self::Retire { before: version(fields.get("before")?)? },
            _ => return None,
        })
    }

    /// Returns the document that the event carries.
    pub fn document_mut(&mut self) -> Option<&mut Value> {
        match self {
            Self::Create { document, .. } | Self::Put { document, .. } | Self::Outside { document } => Some(document),
            Self::Merge { .. }
            | Self::Patch { .. }
            | Self::Same { .. }
            | Self::Migrate { .. }
            | Self::Round { .. }
            | Self::Retire { .. } => None,
        }
    }

    /// Returns the versions at which clients act in it.
    pub fn versions(&self) -> Vec<u32> {
        match self {
            Self::Create { at, .. }
            | Self::Put { at, .. }
            | Self::Merge { at, .. }
            | Self::Patch { at, .. }
            | Self::Same { at }
            | Self::Migrate { to: at } => vec![*at],
            Self::Round { route } => route.clone(),
            Self::Outside { .. } | Self::Retire { .. } => Vec::new(),
        }
    }

    /// Renumbers the versions that the event names.
    pub fn renumber(&mut self, number: impl Fn(u32) -> u32) {
        match self {
            Self::Create { at, .. }
            | Self::Put { at, .. }
            | Self::Merge { at, .. }
            | Self::Patch { at, .. }
            | Self::Same { at } => *at = number(*at),
            Self::Migrate { to } | Self::Retire { before: to } => *to = number(*to),
            Self::Round { route } => route.iter_mut().for_each(|v| *v = number(*v)),
            Self::Outside { .. } => {}
        }
    }
}

fn object<'a>(entries: impl IntoIterator<Item = (&'a str, Value)>) -> Value {
    Value::Object(entries.into_iter().map(|(key, value)| (key.into(), value)).collect::<Object>())
}

impl Scenario {
    /// Returns a scenario without versions and events.
    pub fn new(model: Model) -> Self {
        Self { model, releases: Vec::new(), hidden: Vec::new(), events: Vec::new() }
    }

    /// Returns the newest version.
    pub fn newest(&self) -> u32 {
        u32::try_from(self.releases.len()).unwrap_or(u32::MAX).saturating_add(1)
    }

    /// Folds the history, each version a cut.
    ///
    /// # Errors
    /// An operation that does not fit.
    pub fn history(&self) -> Result<History, Box<Fault>> {
        self.cut(&[])
    }

    /// Folds the history without cuts at the hidden versions; `None` where none is hidden.
    ///
    /// # Errors
    /// An operation that does not fit.
    pub fn fused(&self) -> Result<Option<History>, Box<Fault>> {
        if self.hidden.is_empty() { Ok(None) } else { self.cut(&self.hidden).map(Some) }
    }

    fn cut(&self, hidden: &[u32]) -> Result<History, Box<Fault>> {
        let mut releases = Vec::new();
        let mut operations = Vec::new();
        for (version, release) in (2..).zip(&self.releases) {
            operations.extend(release.iter().cloned());
            if !hidden.contains(&version) {
                releases.push(Release { version, operations: std::mem::take(&mut operations), order: None });
            }
        }
        with_context(|context| History::new(1, self.model.clone(), &releases, context)).map_err(Box::new)
    }

    /// Returns the scenario as JSON, a line for each event and operation.
    pub fn to_text(&self) -> String {
        let mut out = format!("{{\n  \"model\": {},\n  \"versions\": [", self.model.to_value());
        for (i, release) in self.releases.iter().enumerate() {
            out.push_str(if i > 0 { ",\n    [" } else { "\n    [" });
            let operations: Vec<String> = release.iter().map(|op| op.to_value().to_string()).collect();
            out.push_str(&operations.join(",\n     "));
            out.push(']');
        }
        let hidden: Vec<String> = self.hidden.iter().map(u32::to_string).collect();
        out.push_str("],\n  \"hidden\": [");
        out.push_str(&hidden.join(", "));
        out.push_str("],\n  \"events\": [");
        for (i, event) in self.events.iter().enumerate() {
            out.push_str(if i > 0 { ",\n    " } else { "\n    " });
            out.push_str(&event.to_value().to_string());
        }
        out.push_str("]\n}\n");
        out
    }

    /// Reads what [`Scenario::to_text`] wrote.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub fn from_text(text: &str) -> Result<Self, String> {
        let value = json::parse(text.as_bytes()).map_err(|e| e.to_string())?;
        let field = |name: &str| value.as_object().and_then(|o| o.get(name)).ok_or(format!("`{name}` is missing"));
        let list = |name: &str| field(name)?.as_list().map(<[Value]>::to_vec).ok_or(format!("`{name}` is not a list"));
        let model = Model::from_value(field("model")?, &no_shared_types).map_err(|e| format!("{}: {e}", e.at))?;
        let mut scenario = Self::new(model);
        for release in list("versions")? {
            let operations = release.as_list().unwrap_or_default().iter().map(Operation::from_value);
            scenario.releases.push(operations.collect::<Result<_, _>>().map_err(|e| format!("{}: {e}", e.at))?);
        }
        let version = |v: &Value| v.as_i64().and_then(|v| u32::try_from(v).ok());
        scenario.hidden = list("hidden")?.iter().filter_map(version).collect();
        for event in list("events")? {
            scenario.events.push(Event::from_value(&event).ok_or_else(|| format!("{event} is not an event"))?);
        }
        Ok(scenario)
    }
}

/// Calls a function with the tables and the code that generated operations name.
pub fn with_context<T>(call: impl FnOnce(&Context<'_>) -> T) -> T {
    thread_local! {
        static CODE: (Tables, Rewrites) = (Tables::new(), code::rewrites());
    }
    CODE.with(|(tables, rewrites)| call(&Context { tables, rewrites }))
}

/// Returns the files of what once failed, cut down: each is a history and the events that broke a law.
///
/// # Panics
/// Where there are none.
#[expect(clippy::expect_used, reason = "only tests ask")]
pub fn cases() -> Vec<std::path::PathBuf> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/laws/cases");
    let files = std::fs::read_dir(folder).expect("the cases");
    let mut files: Vec<_> = files.map(|entry| entry.expect("a case").path()).collect();
    files.sort();
    assert!(!files.is_empty(), "there are no cases");
    files
}
