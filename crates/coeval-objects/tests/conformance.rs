//! What every backend must do, done by documents in memory.

#![allow(clippy::unwrap_used, reason = "a test fails where it would")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use coeval_objects::documents::Documents;
use coeval_store::Backend;
use coeval_store::conformance::{Opening, Suite, run};
use coeval_store::objects::{MemoryObjects, Objects};

#[tokio::test(flavor = "multi_thread")]
async fn documents_in_memory_do_what_every_backend_must() {
    let stores: Mutex<BTreeMap<String, MemoryObjects>> = Mutex::default();
    let open = |name: String, catalog| -> Opening<'_> {
        let objects: Arc<dyn Objects> = Arc::new(stores.lock().unwrap().entry(name).or_default().clone());
        Box::pin(async move { Ok(Box::new(Documents::open(objects, catalog)?.fresh_for(Duration::ZERO)) as Box<dyn Backend>) })
    };
    let suite = Suite { open: &open, stale: Duration::from_millis(200) };
    let outcomes = run(&suite).await;
    let broken: Vec<String> =
        outcomes.iter().filter_map(|(name, outcome)| Some(format!("{name}: {}", outcome.as_ref().err()?))).collect();
    assert!(broken.is_empty() && outcomes.len() > 20, "{}", broken.join("\n"));
}
