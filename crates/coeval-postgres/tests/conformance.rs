//! What every backend must do.

#![allow(clippy::unwrap_used, reason = "a test fails where it would")]

mod common;

use std::sync::Arc;
use std::time::Duration;

use coeval_postgres::PostgresBackend;
use coeval_store::conformance::{Opening, Suite, run};
use coeval_store::{Backend, Catalog};
use common::{fresh, state};

#[tokio::test(flavor = "multi_thread")]
async fn postgres_does_what_every_backend_must() {
    let url = fresh().await;
    let open = |name: String, catalog: Arc<Catalog>| -> Opening<'_> {
        let backend = PostgresBackend::new(state(&url, &name), catalog);
        Box::pin(async move { Ok(Box::new(backend) as Box<dyn Backend>) })
    };
    let suite = Suite { open: &open, stale: Duration::from_millis(800) };
    let mut broken = Vec::new();
    for (name, outcome) in run(&suite).await {
        if let Err(outcome) = outcome {
            broken.push(format!("{name}: {outcome}"));
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n\n"));
}
