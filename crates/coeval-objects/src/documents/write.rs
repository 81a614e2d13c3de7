//! A write at a version: what the record becomes, and where it is put.

use bytes::Bytes;
use coeval_core::document::Document;
use coeval_core::patch::Patch;
use coeval_core::{Value, json};
use coeval_store::objects::{Attributes, Condition, Object, Token};
use coeval_store::records::{Change, Expect, Key, State, Written};
use coeval_store::{Error, Result};

use super::convert::{key_text, key_values, lines};
use super::template::{Packing, key_names};
use super::view::{Lying, View, unpack};
use super::{Documents, STAMP, pages, problem, revision};

impl Documents {
    /// Writes once.
    ///
    /// # Errors
    /// [`Error::Conflict`] where somebody else was faster, or what is expected is not so.
    pub(super) async fn attempt(&self, view: &View<'_>, key: Option<&Key>, change: &Change, expect: &Expect) -> Result<Written> {
        let key = key_of(view, key, change)?;
        let object = match &key {
            Some(key) if view.place.template.object_of(key).is_some() => view.object(key)?,
            Some(key) => match pages::search(self, view, key).await? {
                Some((object, _)) => object,
                None => partition(view, change)?,
            },
            None => partition(view, change)?,
        };
        let key = key.unwrap_or_else(|| Key(vec![uuid::Uuid::now_v7().to_string()]));
        let object = if object.is_empty() { view.object(&key)? } else { object };
        let (lying, file) = self.find(view, &object, &key).await?;
        let token = lying.as_ref().map(|lying| lying.token.clone());
        expected(expect, token.as_ref(), &key)?;
        let Some(document) = changed(view, lying.as_ref(), change)? else {
            let state = State(token.map(|token| token.0).unwrap_or_default());
            return Ok(Written { key, state, created: false, changed: false });
        };
        if let Some(values) = key_values(view.era(), &document)
            && values != key.0
        {
            let reason = format!("the document has the key `{}`; a record's key does not change", values.join("/"));
            return Err(Error::BadRecord { key: key.to_string(), reason });
        }
        let created = lying.is_none();
        let by = if matches!(change, Change::Put(_)) { "put" } else { "patch" };
        let token = self.store(view, &object, lying.as_ref(), file.as_ref(), &document, by).await?;
        Ok(Written { key, state: State(token.0), created, changed: true })
    }

    /// Writes a document to where it belongs.
    async fn store(
        &self,
        view: &View<'_>,
        object: &str,
        lying: Option<&Lying>,
        file: Option<&Object>,
        document: &Document,
        by: &str,
    ) -> Result<Token> {
        let unwritable = |error| Error::BadRecord { key: object.to_owned(), reason: problem::unreadable(&error) };
        let mut bytes = document.write(&document.stored).map_err(unwritable)?;
        let template = &view.place.template;
        let before = lying.map(|lying| &lying.object).or(file);
        if template.lines {
            bytes = with_line(template.packing, object, before, lying.map(|lying| lying.line), &bytes)?;
        } else if view.place.revisions {
            bytes = revision::record(self, view.place, object, before, bytes, by).await?;
        }
        let bytes = template.packing.pack(bytes).map_err(|error| Error::failed(object, error.to_string()))?;
        let (mut attributes, condition) = match before {
            Some(before) => (before.attributes.clone(), Condition::Unchanged(before.token.clone())),
            None => (new_attributes(template.lines, template.packing), Condition::Absent),
        };
        if !template.lines && self.objects.capabilities().metadata {
            attributes.metadata.insert(STAMP.to_owned(), document.stored.version.to_string());
        }
        self.objects.put(object, Bytes::from(bytes), &attributes, &condition).await
    }
}

/// What a record is to become: its document, and whether it is new; `None` where nothing changes.
fn changed(view: &View<'_>, lying: Option<&Lying>, change: &Change) -> Result<Option<Document>> {
    let history = &view.era().history;
    let parsed = |text: &str| {
        json::parse(text.as_bytes())
            .map_err(|error| Error::BadRecord { key: "the document".to_owned(), reason: error.to_string() })
    };
    let Some(lying) = lying else {
        let Change::Put(text) = change else {
            return Err(Error::Conflict { what: "there is no record to patch".to_owned() });
        };
        let value = parsed(text)?;
        let mut stored = history.create(view.at, value.clone())?;
        if stored.document.identical(&value) {
            stored.text = Some(text.trim().into());
        }
        return Ok(Some(Document::new(view.pinned(stored), &view.format, view.place.template.lines)));
    };
    let stored = &lying.document.stored;
    let next = match change {
        Change::Put(text) => history.put(stored, view.at, &parsed(text)?)?,
        Change::MergePatch(text) => history.merge_patch(stored, view.at, &parsed(text)?)?,
        Change::JsonPatch(text) => history.json_patch(stored, view.at, &patch(&parsed(text)?)?)?,
    };
    let Some(next) = next else { return Ok(None) };
    let mut document = lying.document.clone();
    document.extra.remove("from");
    let next = view.pinned(next);
    let unwritable = |error| Error::BadRecord { key: "the record".to_owned(), reason: problem::unreadable(&error) };
    let bytes = document.write(&next).map_err(unwritable)?;
    Document::read(&bytes, &view.format).map(Some).map_err(unwritable)
}

/// Returns the key of what is to be written: the one that is given, else the document's own.
fn key_of(view: &View<'_>, key: Option<&Key>, change: &Change) -> Result<Option<Key>> {
    if let Some(key) = key {
        return Ok(Some(key.clone()));
    }
    let Change::Put(text) = change else {
        return Err(Error::BadRecord { key: "a patch".to_owned(), reason: "it does not say which record it is for".to_owned() });
    };
    let bad = |reason: String| Error::BadRecord { key: "the document".to_owned(), reason };
    let value = json::parse(text.as_bytes()).map_err(|error| bad(error.to_string()))?;
    let Some(model) = view.era().history.model(view.at) else { return Ok(None) };
    let object = value.as_object().ok_or_else(|| bad("it is not an object".to_owned()))?;
    let values: Option<Vec<String>> = key_names(model).iter().map(|name| key_text(object, name)).collect();
    match values {
        Some(values) => Ok(Some(Key(values))),
        None if model.key.is_empty() && !view.place.template.lines => Ok(None),
        None => Err(bad(format!("it lacks its key: {}", key_names(model).join(", ")))),
    }
}

/// Returns the file of a record whose properties beside the key decide about it; empty where the key alone does.
fn partition(view: &View<'_>, change: &Change) -> Result<String> {
    if !view.place.template.lines {
        return Ok(String::new());
    }
    let Change::Put(text) = change else {
        return Err(Error::Conflict { what: "there is no record to patch".to_owned() });
    };
    let bad = |reason: String| Error::BadRecord { key: "the document".to_owned(), reason };
    let value = json::parse(text.as_bytes()).map_err(|error| bad(error.to_string()))?;
    // The template goes by the names of the newest version.
    let stored = view.era().history.create(view.at, value)?;
    let newest = view.era().history.read(&stored, view.era().history.newest())?;
    let object = newest.as_object().and_then(|object| view.place.template.object_with(&|name| key_text(object, name)));
    object.ok_or_else(|| bad(format!("it lacks a property that `{}` needs", view.place.template)))
}

/// Refuses what is not as it is expected.
pub(super) fn expected(expect: &Expect, token: Option<&Token>, key: &Key) -> Result<()> {
    let conflict = |what: String| Err(Error::Conflict { what });
    match (expect, token) {
        (Expect::Absent, Some(_)) => conflict(format!("`{key}` is there already")),
        (Expect::Present | Expect::Unchanged(_), None) => conflict(format!("`{key}` is not there")),
        (Expect::Unchanged(state), Some(token)) if state.0 != token.0 => conflict(format!("`{key}`")),
        _ => Ok(()),
    }
}

/// Returns the bytes of a file of lines in which one is replaced or added; not packed.
fn with_line(packing: Packing, object: &str, before: Option<&Object>, line: Option<usize>, bytes: &[u8]) -> Result<Vec<u8>> {
    let text = before.map(|before| unpack(packing, &before.bytes, object)).transpose()?.unwrap_or_default();
    let mut out = Vec::with_capacity(text.len() + bytes.len());
    for (at, old) in lines(&text).enumerate() {
        out.extend_from_slice(if line == Some(at) { bytes } else { old });
    }
    if line.is_none() {
        if out.last().is_some_and(|last| *last != b'\n') {
            out.push(b'\n');
        }
        out.extend_from_slice(bytes);
    }
    Ok(out)
}

fn new_attributes(lines: bool, packing: Packing) -> Attributes {
    let mut attributes = Attributes::default();
    let content = match (packing, lines) {
        (Packing::Plain, false) => "application/json",
        (Packing::Plain, true) => "application/x-ndjson",
        (Packing::Gzip, _) => "application/gzip",
        (Packing::Zstd, _) => "application/zstd",
    };
    attributes.headers.insert("content-type".to_owned(), content.to_owned());
    attributes
}

fn patch(value: &Value) -> Result<Patch> {
    Patch::from_value(value)
        .map_err(|e| Error::BadRecord { key: "the patch".to_owned(), reason: format!("{}: {}", e.at, e.message) })
}
