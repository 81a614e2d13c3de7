//! S3 as a store of objects, against a real server: `testing/s3 cargo nextest run --package coeval-objects`.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod errors;
mod faults;
mod listing;
mod survival;

use std::collections::BTreeMap;
use std::sync::Arc;

use coeval_objects::open;
use coeval_store::objects::{Attributes, Condition, Objects, Token, conformance, probe};
use coeval_store::{Error, Result};
use futures::TryStreamExt;
use uuid::Uuid;

/// Returns what the harness says about its server.
fn server() -> BTreeMap<String, String> {
    let said = std::env::var("COEVAL_TEST_S3");
    let said = said.expect("COEVAL_TEST_S3 is not set: run `./test`, or `testing/s3 COMMAND…`, which start a server");
    said.split(' ').map(|pair| pair.split_once('=').unwrap()).map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// Opens a store at a prefix of its own.
fn fresh() -> Arc<dyn Objects> {
    at(&fresh_prefix(), &[])
}

fn fresh_prefix() -> String {
    Uuid::now_v7().to_string()
}

/// Opens a store at a prefix, with some options other than the server's.
fn at(prefix: &str, other: &[(&str, &str)]) -> Arc<dyn Objects> {
    let mut options = server();
    let url = format!("{}/{prefix}", options.remove("url").unwrap());
    options.retain(|name, _| !name.starts_with("reader_"));
    options.extend(other.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    open(&url, &options).unwrap()
}

async fn put(store: &dyn Objects, key: &str, text: &str, condition: &Condition) -> Result<Token> {
    store.put(key, text.to_owned().into(), &Attributes::default(), condition).await
}

async fn keys(store: &dyn Objects, prefix: &str) -> Vec<String> {
    store.list(prefix, None).map_ok(|listed| listed.key).try_collect().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn s3_conforms() {
    conformance::objects(fresh(), "").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s3_is_honest() {
    let store = fresh();
    probe(&store, "").await.unwrap();
    assert!(keys(&store, "").await.is_empty());
}

/// The server that tests run against deletes upon a state; were that to change, the conformance suite would not notice.
#[tokio::test(flavor = "multi_thread")]
async fn s3_deletes_upon_a_state() {
    let store = fresh();
    let token = put(&store, "a", "1", &Condition::None).await.unwrap();
    store.delete("a", &Condition::Unchanged(token)).await.unwrap();
    assert!(store.capabilities().conditional_delete);
    assert!(keys(&store, "").await.is_empty());
}
