//! The store in memory does what every backend must do.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use coeval_store::conformance::{Opening, Suite, run};
use coeval_store::{Backend, Catalog, MemoryBackend};

#[tokio::test]
async fn memory_conforms() {
    let stores: Mutex<BTreeMap<String, MemoryBackend>> = Mutex::default();
    let open = |name: String, catalog: Arc<Catalog>| -> Opening<'_> {
        let mut stores = stores.lock().unwrap();
        let store = stores.entry(name).or_insert_with(|| MemoryBackend::new(Arc::clone(&catalog)));
        let backend = store.another(catalog);
        Box::pin(async move { Ok(Box::new(backend) as Box<dyn Backend>) })
    };
    let suite = Suite { open: &open, stale: Duration::from_millis(200) };
    let outcomes = run(&suite).await;
    let broken: Vec<_> = outcomes.iter().filter(|(_, outcome)| outcome.is_err()).collect();
    assert!(broken.is_empty(), "{broken:#?}");
    assert!(outcomes.len() > 30, "all cases ran");
}
