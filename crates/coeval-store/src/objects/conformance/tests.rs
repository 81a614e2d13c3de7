//! The suite passes memory, bare and behind wrappers, and catches a store that is wrong.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt};

use super::{CASES, objects};
use crate::error::Result;
use crate::objects::wrap::{Counting, Faulty, Latency, RetryPolicy, Retrying};
use crate::objects::{Attributes, Condition, Listed, MemoryObjects, Object, ObjectCapabilities, Objects, Token};

#[tokio::test]
async fn memory_conforms() {
    objects(Arc::new(MemoryObjects::new()), "").await;
}

#[tokio::test(start_paused = true)]
async fn memory_behind_wrappers_conforms() {
    let slow = Latency::new(Counting::new(MemoryObjects::new()), Duration::from_millis(20));
    objects(Arc::new(slow), "some/prefix/").await;
}

#[tokio::test(start_paused = true)]
async fn a_faulty_store_conforms_through_retries() {
    let faulty = Faulty::new(MemoryObjects::new(), 3, 0.1);
    let store: Arc<dyn Objects> = Arc::new(Retrying::new(faulty, RetryPolicy::default(), Arc::new(|_| {})));
    // After a lost answer, equal writes and equal deletes of two writers are not told apart, as `Retrying` says.
    let alike = ["no_increment_is_lost", "one_deleter_wins"];
    for case in CASES.iter().filter(|case| !alike.contains(&case.name)) {
        case.run(store.clone(), "").await.unwrap();
    }
}

#[derive(Debug, Clone, Copy)]
enum Mistake {
    IgnoresConditions,
    LosesAttributes,
    OneToken,
    OnePage,
    OrdersByLength,
    ListsFoldersOnly,
    DeletesAnyway,
}

#[derive(Debug)]
struct Mistaken(MemoryObjects, Mistake);

#[async_trait]
impl Objects for Mistaken {
    fn name(&self) -> String {
        format!("{:?}", self.1)
    }

    fn capabilities(&self) -> ObjectCapabilities {
        self.0.capabilities()
    }

    async fn get(&self, key: &str) -> Result<Option<Object>> {
        self.0.get(key).await
    }

    async fn put(&self, key: &str, bytes: Bytes, attributes: &Attributes, condition: &Condition) -> Result<Token> {
        match self.1 {
            Mistake::IgnoresConditions => self.0.put(key, bytes, attributes, &Condition::None).await,
            Mistake::LosesAttributes => self.0.put(key, bytes, &Attributes::default(), condition).await,
            Mistake::OneToken => self.0.put(key, bytes, attributes, condition).await.map(|_| Token("same".to_owned())),
            _ => self.0.put(key, bytes, attributes, condition).await,
        }
    }

    async fn delete(&self, key: &str, condition: &Condition) -> Result<()> {
        match self.1 {
            Mistake::DeletesAnyway => self.0.delete(key, &Condition::None).await,
            _ => self.0.delete(key, condition).await,
        }
    }

    fn list(&self, prefix: &str, after: Option<&str>) -> BoxStream<'_, Result<Listed>> {
        let folder = prefix.rfind('/').map_or("", |at| &prefix[..=at]);
        match self.1 {
            Mistake::OnePage => self.0.list(prefix, after).take(1000).boxed(),
            Mistake::ListsFoldersOnly => self.0.list(folder, after),
            Mistake::OrdersByLength => {
                let listed = self.0.list(prefix, after).collect::<Vec<_>>();
                let ordered = async {
                    let mut listed = listed.await;
                    listed.sort_by_key(|listed| listed.as_ref().map_or(0, |listed| listed.key.len()));
                    stream::iter(listed)
                };
                stream::once(ordered).flatten().boxed()
            }
            _ => self.0.list(prefix, after),
        }
    }
}

#[tokio::test]
async fn mistakes_are_caught() {
    for (mistake, expected) in [
        (Mistake::IgnoresConditions, "create_once replace_if_unchanged one_creator_wins one_replacer_wins one_deleter_wins"),
        (Mistake::LosesAttributes, "attributes_survive attributes_are_replaced"),
        (Mistake::OneToken, "read_what_was_written create_once replace_if_unchanged"),
        (Mistake::OnePage, "list_many"),
        (Mistake::OrdersByLength, "odd_names long_names names_that_continue_others list_by_prefix"),
        (Mistake::ListsFoldersOnly, "odd_names names_that_continue_others list_by_prefix list_after"),
        (Mistake::DeletesAnyway, "delete_if_unchanged one_deleter_wins"),
    ] {
        let store = Arc::new(Mistaken(MemoryObjects::new(), mistake));
        let mut caught = Vec::new();
        for case in CASES {
            if case.run(store.clone(), "p/").await.is_err() {
                caught.push(case.name);
            }
        }
        let missed: Vec<_> = expected.split(' ').filter(|name| !caught.contains(name)).collect();
        assert!(missed.is_empty(), "{mistake:?} passed {missed:?}, and was caught by {caught:?}");
    }
}
