//! What every backend must do, done by documents in memory, in a directory and on S3.

#![allow(clippy::unwrap_used, reason = "a test fails where it would")]

mod common;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use coeval_objects::Directory;
use coeval_objects::documents::Documents;
use coeval_store::conformance::{Opening, Suite, run};
use coeval_store::objects::{MemoryObjects, Objects};
use coeval_store::{Backend, Catalog};

async fn conforms<'s>(suite: &'s Suite<'s>) {
    let outcomes = run(suite).await;
    let broken: Vec<String> =
        outcomes.iter().filter_map(|(name, outcome)| Some(format!("{name}: {}", outcome.as_ref().err()?))).collect();
    assert!(broken.is_empty() && outcomes.len() > 20, "{}", broken.join("\n"));
}

fn documents(objects: Arc<dyn Objects>, catalog: Arc<Catalog>) -> Opening<'static> {
    Box::pin(async move { Ok(Box::new(Documents::open(objects, catalog)?.fresh_for(Duration::ZERO)) as Box<dyn Backend>) })
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_in_memory_do_what_every_backend_must() {
    let stores: Mutex<BTreeMap<String, MemoryObjects>> = Mutex::default();
    let open = |name: String, catalog| documents(Arc::new(stores.lock().unwrap().entry(name).or_default().clone()), catalog);
    conforms(&Suite { open: &open, stale: Duration::from_millis(200) }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_in_a_directory_do_what_every_backend_must() {
    let folder = tempfile::tempdir().unwrap();
    let open = |name: String, catalog| documents(Arc::new(Directory::open(folder.path().join(name)).unwrap()), catalog);
    conforms(&Suite { open: &open, stale: Duration::from_millis(400) }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_on_s3_do_what_every_backend_must() {
    let prefix = uuid::Uuid::now_v7();
    let open = |name: String, catalog| documents(common::s3(&format!("{prefix}/{name}")), catalog);
    conforms(&Suite { open: &open, stale: Duration::from_millis(800) }).await;
}
