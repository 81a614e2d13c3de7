//! The draft: the first document of a model's file, what the model should become.

use std::ops::Range;

use coeval_core::decode::{flag, object, optional_string, string};
use coeval_core::{Invalid, Model, Object, Value};

use crate::decode;
use crate::diagnostic::Diagnostic;
use crate::shared::SharedTypes;
use crate::source::Source;

/// A draft.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// The model's name.
    pub name: String,
    /// The model; `None` where the draft removes it.
    pub model: Option<Model>,
    /// What the edit means where it cannot be detected, one mapping each, as written.
    pub operations: Vec<Value>,
    /// The id of the version that the draft was frozen as, where it is noted (Spinta's `version`).
    pub version: Option<String>,
    /// The bytes of the file that it is.
    pub span: Range<usize>,
}

impl Draft {
    /// Reads a draft.
    ///
    /// # Errors
    /// What is wrong, in its place.
    pub fn read(source: &Source, span: Range<usize>, shared: &SharedTypes) -> Result<Self, Box<Diagnostic>> {
        let value = decode::document(source, span.clone())?;
        let read = Self::from_value(&value, span.clone(), shared);
        read.map_err(|invalid| {
            let mut found = decode::place(source, span, &invalid);
            if found.code == "unknown-type" {
                let name = invalid.message.split('`').nth(1).unwrap_or_default().to_owned();
                if let Some(near) = coeval_core::invalid::nearest(&name, shared.names()) {
                    found.help = Some(format!("did you mean the shared type `{near}`?"));
                }
            }
            Box::new(found)
        })
    }

    fn from_value(value: &Value, span: Range<usize>, shared: &SharedTypes) -> Result<Self, Invalid> {
        let entries = object(value, "a model")?;
        let kind = optional_string(entries, "type")?;
        if kind != Some("model") {
            let help = "the first document of a file says `type: model`, or `type: type` for a shared type";
            return Err(match kind {
                Some(kind) => Invalid::new(format!("unknown kind of document `{kind}`")).beneath("type").help(help),
                None => Invalid::new("`type` is missing").help(help),
            });
        }
        let name = string(entries, "name")?.to_owned();
        check_name(&name)?;
        let operations = match entries.get("operations") {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::List(items)) => items.clone(),
            Some(_) => return Err(Invalid::new("expected a list of operations").beneath("operations")),
        };
        let remove = entries.get("remove").is_some() && flag(entries, "remove")?;
        let bare: Object = entries.iter().filter(|(key, _)| !matches!(key.as_str(), "operations" | "remove")).cloned().collect();
        let model = if remove { None } else { Some(Model::from_value(&bare.into(), &|name| shared.get(name))?) };
        let version = optional_string(entries, "version")?.map(str::to_owned);
        Ok(Self { name, model, operations, version, span })
    }
}

/// Refuses names that would clash with what stores make of them.
fn check_name(name: &str) -> Result<(), Invalid> {
    let version =
        name.rsplit_once("_v").is_some_and(|(_, digits)| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()));
    let invalid = if name.is_empty() || name.starts_with('_') {
        Invalid::new("a model's name begins with a letter").help("names that begin with `_` are coeval's own")
    } else if version {
        Invalid::new(format!("`{name}` could be mistaken for a version of `{}`", name.rsplit_once("_v").unwrap_or_default().0))
            .help("views of versions are called so; choose another name")
    } else {
        return Ok(());
    };
    Err(invalid.beneath("name"))
}
