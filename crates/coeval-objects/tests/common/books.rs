//! Books, about 900 bytes each, as measurements of speed and memory use them; and a store of as many as one likes that keeps none.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use coeval_store::objects::{Attributes, Condition, Listed, MemoryObjects, Object, ObjectCapabilities, Objects, Token};
use coeval_store::{Catalog, Error, Result};
use futures::StreamExt;
use futures::stream::{self, BoxStream};

/// Three versions: the second renames the title and adds a currency, the third counts cents, and keeps the price as it was written.
pub(crate) fn books() -> Arc<Catalog> {
    let texts = ["title", "author", "publisher", "language", "subject", "abstract", "notes", "state"];
    let texts: Vec<String> = texts.iter().map(|name| format!(r#", "{name}": {{"type": "string", "required": true}}"#)).collect();
    let texts = texts.concat();
    let model = format!(
        r#"{{"type": "model", "name": "book", "key": ["id"], "properties": {{
            "id": {{"type": "string", "required": true}}, "price": {{"type": "number", "required": true}}{texts}}}}}"#
    );
    let entry = super::entry(
        &model,
        &[
            &[
                r#"{"rename_property": {"from": "title", "to": "name"}}"#,
                r#"{"add_property": {"path": "currency", "schema": {"type": "string", "required": true}, "value": "'USD'"}}"#,
            ],
            &[r#"{"retype_property": {"path": "price", "schema": {"type": "integer", "required": true},
                "up": "cast(price * 100 as integer)", "down": "cast(price as number) / 100"}}"#],
        ],
    );
    super::catalog(vec![entry], 3)
}

/// Where a book lies.
pub(crate) fn key(number: u64) -> String {
    format!("book/b{number:08}.json")
}

/// A book at version 1, always of the same length.
pub(crate) fn book(number: u64) -> String {
    let (title, price) = (number % 1000, number % 90 + 10);
    format!(
        "{{\n  \"id\": \"b{number:08}\",\n  \"price\": {price}.90,\n  \"title\": \"The book of the number {title:03}\",\n  \
         \"author\": \"{0:.<32}\",\n  \"publisher\": \"{0:.<32}\",\n  \"language\": \"en\",\n  \"subject\": \"{0:.<40}\",\n  \
         \"abstract\": \"{0:.<480}\",\n  \"notes\": \"{0:.<64}\",\n  \"state\": \"{0:.<16}\"\n}}\n",
        "Some text "
    )
}

/// A book that is at the newest version, and small.
pub(crate) fn arrived(number: u64) -> String {
    format!("{{\"id\": \"b{number:08}\", \"_coeval\": {{\"version\": 3}}}}\n")
}

/// So many books, each made up when it is listed or read, and forgotten when it is written. Everything else is kept in memory.
#[derive(Debug)]
pub(crate) struct MadeUp {
    count: u64,
    /// The text of a book.
    text: fn(u64) -> String,
    written: AtomicU64,
    rest: MemoryObjects,
}

impl MadeUp {
    pub(crate) fn new(count: u64, text: fn(u64) -> String) -> Self {
        Self { count, text, written: AtomicU64::new(0), rest: MemoryObjects::new() }
    }

    /// Returns how many were written.
    pub(crate) fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    fn number(&self, key: &str) -> Option<u64> {
        let number = key.strip_prefix("book/b")?.strip_suffix(".json")?.parse().ok()?;
        (number < self.count).then_some(number)
    }
}

#[async_trait]
impl Objects for MadeUp {
    fn name(&self) -> String {
        "made up".to_owned()
    }

    fn capabilities(&self) -> ObjectCapabilities {
        self.rest.capabilities()
    }

    async fn get(&self, key: &str) -> Result<Option<Object>> {
        let Some(number) = self.number(key) else { return self.rest.get(key).await };
        // As requests do: others have their turn in between.
        tokio::task::yield_now().await;
        let (bytes, token) = (Bytes::from((self.text)(number)), Token("first".to_owned()));
        Ok(Some(Object { bytes, token, attributes: Attributes::default() }))
    }

    async fn put(&self, key: &str, bytes: Bytes, attributes: &Attributes, condition: &Condition) -> Result<Token> {
        if self.number(key).is_none() {
            return self.rest.put(key, bytes, attributes, condition).await;
        }
        tokio::task::yield_now().await;
        if *condition != Condition::Unchanged(Token("first".to_owned())) {
            return Err(Error::Conflict { what: key.to_owned() });
        }
        self.written.fetch_add(1, Ordering::Relaxed);
        Ok(Token("second".to_owned()))
    }

    async fn delete(&self, key: &str, condition: &Condition) -> Result<()> {
        self.rest.delete(key, condition).await
    }

    fn list(&self, prefix: &str, after: Option<&str>) -> BoxStream<'_, Result<Listed>> {
        if prefix != "book/" {
            return self.rest.list(prefix, after);
        }
        let first = after.and_then(|after| self.number(after)).map_or(0, |number| number + 1);
        let size = (self.text)(0).len() as u64;
        stream::iter((first..self.count).map(move |number| Ok(Listed { key: key(number), size }))).boxed()
    }
}

/// Returns the most memory that this process ever had, in kB, where the system says it.
pub(crate) fn peak_kb() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}
