//! What every backend must do.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![allow(dead_code, reason = "not every test uses all that they share")]

mod common;

use std::sync::Arc;
use std::time::Duration;

use coeval_sqlite::{Sqlite, open};
use coeval_store::conformance::{Opening, Suite, run};
use coeval_store::{Backend, Catalog};

use common::*;

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_does_what_every_backend_must() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_owned();
    let open = |name: String, catalog: Arc<Catalog>| -> Opening<'_> {
        let database = open(&format!("sqlite:{}/{name}.db", path.display()), &options(&[])).unwrap();
        let store = Sqlite::new(database, "shop", catalog);
        Box::pin(async move { Ok(Box::new(store) as Box<dyn Backend>) })
    };
    let suite = Suite { open: &open, stale: Duration::from_millis(400) };
    let mut broken = Vec::new();
    for (name, outcome) in run(&suite).await {
        if let Err(outcome) = outcome {
            broken.push(format!("{name}: {outcome}"));
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n\n"));
}
