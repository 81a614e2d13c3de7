//! Tests of retrying: bounded, told, and right about writes that may have taken effect.

use std::collections::VecDeque;
use std::sync::Mutex;

use futures::TryStreamExt;
use tokio::time::Instant;

use super::*;
use crate::objects::MemoryObjects;
use crate::objects::wrap::{Faulty, Gate, Gated, Request, Verdict};

/// Says in advance what becomes of each request; afterwards all pass.
#[derive(Debug)]
struct Script(Mutex<VecDeque<Verdict>>);

#[async_trait]
impl Gate for Script {
    async fn verdict(&self, _: &Request<'_>) -> Verdict {
        self.0.lock().unwrap().pop_front().unwrap_or(Verdict::Pass)
    }
}

fn fault(ambiguous: bool, after: Option<Duration>) -> Error {
    let [what, reason] = ["writing k", "cut"].map(str::to_owned);
    Error::Transient { what, reason, after, ambiguous }
}

fn lost() -> Verdict {
    Verdict::FailAfter(fault(true, None))
}

fn unreached() -> Verdict {
    Verdict::FailBefore(fault(true, None))
}

fn busy() -> Verdict {
    Verdict::FailBefore(fault(false, None))
}

type Notices = Arc<Mutex<Vec<RetryNotice>>>;

fn retrying<O: Objects>(inner: O) -> (Retrying<O>, Notices) {
    let notices = Notices::default();
    let told = notices.clone();
    let tell = Arc::new(move |notice: &RetryNotice| told.lock().unwrap().push(notice.clone()));
    (Retrying::new(inner, RetryPolicy::default(), tell), notices)
}

fn scripted(memory: &MemoryObjects, script: impl IntoIterator<Item = Verdict>) -> Retrying<impl Objects> {
    let script = Script(Mutex::new(script.into_iter().collect()));
    retrying(Gated::behind(script, memory.clone()).with_page(2)).0
}

async fn put(store: &impl Objects, bytes: &'static str, condition: &Condition) -> Result<Token> {
    let mut attributes = Attributes::default();
    attributes.metadata.insert("version".to_owned(), "3".to_owned());
    store.put("k", bytes.into(), &attributes, condition).await
}

async fn token(store: &impl Objects) -> Condition {
    Condition::Unchanged(store.get("k").await.unwrap().unwrap().token)
}

#[tokio::test(start_paused = true)]
async fn a_failure_that_passes_is_told_and_tried_again() {
    let script = Script(Mutex::new([busy(), busy()].into()));
    let (store, notices) = retrying(Gated::behind(script, MemoryObjects::new()));
    assert_eq!(store.get("k").await.unwrap(), None);
    let notices = notices.lock().unwrap();
    assert_eq!(notices.iter().map(|notice| notice.attempt).collect::<Vec<_>>(), [1, 2]);
    assert_eq!((&*notices[0].what, &*notices[0].reason), ("writing k", "cut"));
    assert!(notices[0].wait <= Duration::from_millis(100) && notices[1].wait <= Duration::from_millis(200));
}

#[tokio::test(start_paused = true)]
async fn attempts_and_time_are_bounded() {
    let start = Instant::now();
    let (store, notices) = retrying(Gated::behind(Script(Mutex::new(vec![busy(); 99].into())), MemoryObjects::new()));
    let error = store.get("k").await.unwrap_err();
    assert!(error.is_transient());
    assert!(error.to_string().starts_with("writing k: cut (gave up after 10 attempts in "), "{error}");
    assert_eq!(notices.lock().unwrap().len(), 9);
    assert!(start.elapsed() < Duration::from_secs(180));

    let wait = Verdict::FailBefore(fault(false, Some(Duration::from_secs(100))));
    let (store, notices) = retrying(Gated::behind(Script(Mutex::new(vec![wait; 9].into())), MemoryObjects::new()));
    let start = Instant::now();
    assert!(store.get("k").await.is_err());
    assert_eq!(notices.lock().unwrap().len(), 1, "a second wait of 100 s would go beyond three minutes");
    assert!(start.elapsed() >= Duration::from_secs(100), "what the store asks for is the least");
}

#[tokio::test(start_paused = true)]
async fn what_does_not_pass_is_not_tried_again() {
    let memory = MemoryObjects::new();
    let (store, notices) = retrying(memory.clone());
    put(&store, "a", &Condition::Absent).await.unwrap();
    assert!(put(&store, "b", &Condition::Absent).await.unwrap_err().is_conflict());
    assert!(matches!(store.get("").await, Err(Error::Failed { .. })));
    assert!(notices.lock().unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_unseen_success_is_a_success() {
    let memory = MemoryObjects::new();
    for script in [vec![lost()], vec![unreached()], vec![busy()], vec![unreached(), lost(), busy(), unreached()]] {
        let store = scripted(&memory, script.clone());
        let created = put(&store, "a", &Condition::Absent).await.unwrap();
        assert_eq!(token(&memory).await, Condition::Unchanged(created));

        let store = scripted(&memory, script.clone());
        let written = put(&store, "b", &token(&memory).await).await.unwrap();
        assert_eq!(token(&memory).await, Condition::Unchanged(written));

        let store = scripted(&memory, script);
        store.delete("k", &token(&memory).await).await.unwrap();
        assert!(memory.snapshot().is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn somebody_elses_write_is_a_conflict_though_the_answer_was_lost() {
    let memory = MemoryObjects::new();
    put(&memory, "theirs", &Condition::None).await.unwrap();
    for script in [vec![lost()], vec![unreached()], vec![busy()]] {
        let stale = Condition::Unchanged(Token("stale".to_owned()));
        assert!(put(&scripted(&memory, script.clone()), "ours", &Condition::Absent).await.unwrap_err().is_conflict());
        assert!(put(&scripted(&memory, script.clone()), "ours", &stale).await.unwrap_err().is_conflict());
        assert!(scripted(&memory, script).delete("k", &stale).await.unwrap_err().is_conflict());
    }
    // The same bytes with other metadata are somebody else's.
    memory.put("k", "ours".into(), &Attributes::default(), &Condition::None).await.unwrap();
    assert!(put(&scripted(&memory, [unreached()]), "ours", &Condition::Absent).await.unwrap_err().is_conflict());
    // Without a lost answer nobody looks: equal bytes are no excuse.
    assert!(put(&scripted(&memory, [busy()]), "ours", &Condition::Absent).await.unwrap_err().is_conflict());
}

#[tokio::test(start_paused = true)]
async fn what_stays_unknown_is_told_as_unknown() {
    let memory = MemoryObjects::new();
    let script = std::iter::once(lost()).chain(vec![busy(); 99]);
    let error = put(&scripted(&memory, script), "a", &Condition::Absent).await.unwrap_err();
    assert!(matches!(error, Error::Transient { ambiguous: true, .. }), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn a_listing_goes_on_where_it_was_cut() {
    let memory = MemoryObjects::new();
    for index in 0..9 {
        memory.put(&format!("k{index}"), Bytes::new(), &Attributes::default(), &Condition::None).await.unwrap();
    }
    let expected: Vec<_> = memory.snapshot().into_keys().collect();
    let store = scripted(&memory, [busy(), Verdict::Pass, busy(), busy(), Verdict::Pass, unreached()]);
    let keys: Vec<_> = store.list("k", None).map_ok(|listed| listed.key).try_collect().await.unwrap();
    assert_eq!(keys, expected);
    let cut = scripted(&memory, std::iter::once(Verdict::Pass).chain(vec![busy(); 99]));
    let said: Vec<_> = cut.list("k", Some("k3")).collect().await;
    assert_eq!(said.iter().filter(|listed| listed.is_ok()).count(), 2);
    assert!(said.len() == 3 && said[2].is_err());
}

/// Writers that each leave marks in one object, under faults. A write that took effect unseen and was overwritten since counts as a
/// conflict, so a writer looks whether its mark is there; then none is lost and none is there twice.
#[tokio::test(start_paused = true)]
async fn no_write_is_lost_or_doubled_under_faults() {
    for seed in 0..20 {
        let memory = MemoryObjects::new();
        memory.put("k", Bytes::new(), &Attributes::default(), &Condition::None).await.unwrap();
        let store = Arc::new(retrying(Faulty::new(memory.clone(), seed, 0.3)).0);
        let writers: Vec<_> = (0..4).map(|writer| tokio::spawn(leave_marks(store.clone(), writer))).collect();
        for writer in writers {
            writer.await.unwrap();
        }
        let last = memory.get("k").await.unwrap().unwrap().bytes;
        let mut marks: Vec<&str> = std::str::from_utf8(&last).unwrap().split_terminator(';').collect();
        assert_eq!(marks.len(), 20, "seed {seed}: {marks:?}");
        marks.sort_unstable();
        marks.dedup();
        assert_eq!(marks.len(), 20, "seed {seed}: {marks:?}");
    }
}

async fn leave_marks(store: Arc<impl Objects>, writer: u32) {
    for index in 0..5 {
        let mark = format!("{writer}/{index};");
        loop {
            let found = store.get("k").await.unwrap().unwrap();
            let text = String::from_utf8(found.bytes.to_vec()).unwrap();
            if text.contains(&mark) {
                break;
            }
            let unchanged = Condition::Unchanged(found.token);
            match store.put("k", format!("{text}{mark}").into(), &Attributes::default(), &unchanged).await {
                Ok(_) => break,
                Err(error) => assert!(error.is_conflict(), "{error}"),
            }
        }
    }
}
