//! The probe passes an honest store and catches each kind of dishonest one.

use std::time::Duration;

use async_trait::async_trait;
use futures::stream::BoxStream;

use super::super::{Listed, MemoryObjects, Object, ObjectCapabilities};
use super::*;

#[derive(Debug, Clone, Copy)]
enum Lie {
    None,
    /// Takes the headers and ignores them.
    IgnoresAll,
    /// Knows `If-Match` but not `If-None-Match`.
    IgnoresAbsence,
    /// Knows `If-None-Match` but not `If-Match`, unless there is nothing.
    IgnoresTokens,
    /// Looks first and writes a little later.
    ChecksEarly,
    /// Tells one writer that it won, and keeps what another one wrote.
    KeepsTheLast,
    /// Replaces what is not there if it comes with a token.
    CreatesUponToken,
}

#[derive(Debug)]
struct Liar {
    memory: MemoryObjects,
    lie: Lie,
}

#[async_trait]
impl Objects for Liar {
    fn name(&self) -> String {
        "s3://liar".to_owned()
    }

    fn capabilities(&self) -> ObjectCapabilities {
        self.memory.capabilities()
    }

    async fn get(&self, key: &str) -> Result<Option<Object>> {
        self.memory.get(key).await
    }

    async fn put(&self, key: &str, bytes: Bytes, attributes: &Attributes, condition: &Condition) -> Result<Token> {
        let truth = self.memory.put(key, bytes.clone(), attributes, condition);
        let anyway = self.memory.put(key, bytes.clone(), attributes, &Condition::None);
        let found = self.memory.get(key).await?;
        match (self.lie, condition) {
            (Lie::IgnoresAll, _) | (Lie::IgnoresAbsence, Condition::Absent) => anyway.await,
            (Lie::IgnoresTokens, Condition::Unchanged(_)) if found.is_some() => anyway.await,
            (Lie::CreatesUponToken, Condition::Unchanged(_)) if found.is_none() => anyway.await,
            (Lie::ChecksEarly, Condition::Absent) if found.is_none() => {
                tokio::time::sleep(Duration::from_millis(1)).await;
                anyway.await
            }
            (Lie::ChecksEarly, Condition::Unchanged(token)) if found.as_ref().is_some_and(|found| found.token == *token) => {
                tokio::time::sleep(Duration::from_millis(1)).await;
                anyway.await
            }
            (Lie::KeepsTheLast, _) if found.is_some() => {
                let said = truth.await;
                anyway.await?;
                said
            }
            _ => truth.await,
        }
    }

    async fn delete(&self, key: &str, condition: &Condition) -> Result<()> {
        self.memory.delete(key, condition).await
    }

    fn list(&self, prefix: &str, after: Option<&str>) -> BoxStream<'_, Result<Listed>> {
        self.memory.list(prefix, after)
    }
}

async fn said(lie: Lie) -> String {
    let liar = Liar { memory: MemoryObjects::new(), lie };
    let said = probe(&liar, "p/").await;
    assert!(liar.memory.snapshot().is_empty(), "the probe leaves nothing behind");
    said.map_or_else(|error| error.to_string(), |()| "passed".to_owned())
}

#[tokio::test(start_paused = true)]
async fn an_honest_store_passes() {
    assert_eq!(said(Lie::None).await, "passed");
}

#[tokio::test(start_paused = true)]
async fn dishonest_stores_are_told_what_they_did() {
    for (lie, reason) in [
        (Lie::IgnoresAll, "it replaced a missing object that should be unchanged: the ETag was never there"),
        (Lie::IgnoresAbsence, "of 4 that wrote at once to create one object, 4 were told that they won"),
        (Lie::IgnoresTokens, "of 4 that wrote at once to replace one object, 4 were told that they won"),
        (Lie::CreatesUponToken, "it replaced a missing object that should be unchanged: the ETag was never there"),
        (Lie::ChecksEarly, "of 4 that wrote at once to create one object, 4 were told that they won"),
        (Lie::KeepsTheLast, "of 4 that wrote at once to create one object, another one won than the one told so"),
    ] {
        let expected = format!("coordinating writers in s3://liar: its conditional writes cannot be trusted: {reason}");
        assert_eq!(said(lie).await, expected, "{lie:?}");
    }
}
