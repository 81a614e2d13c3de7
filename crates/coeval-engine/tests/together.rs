//! Several at once: runners that wait or help, and clients that write meanwhile.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use std::sync::Arc;

use coeval_engine::{Error, Goal, How, Outcome, Wait, migrate, run, status};
use coeval_store::conformance::catalog::{self, MODEL, first, third};
use coeval_store::event::Event;
use coeval_store::ledger::{Entry, Happened};
use coeval_store::memory::Fault;
use coeval_store::records::{Change, Expect};
use coeval_store::{Backend, Error as StoreError, MemoryBackend};
use common::{Told, another, done, how, key, laid, lay, snapshot, store};
use futures::FutureExt;

fn many(up_to: u32) -> MemoryBackend {
    let store = store(up_to);
    for n in 0..60 {
        let id = format!("r{n}");
        lay(&store, &id, &first(&id));
    }
    store
}

#[tokio::test(start_paused = true)]
async fn of_two_runners_one_runs_and_one_waits() {
    let store = laid(5);
    let (a, b) = (another(&store, 5), another(&store, 5));
    let told = Told::default();
    let quiet = how();
    let waiting = How { observer: &told, ..how() };
    let (first, second) = futures::join!(migrate(&a, None, false, &quiet), migrate(&b, None, false, &waiting));
    let outcomes = [first.unwrap(), second.unwrap()];
    let did = outcomes.iter().filter(|outcome| matches!(outcome, Outcome::Done(_))).count();
    assert_eq!(did, 1, "{outcomes:?}");
    assert!(outcomes.contains(&Outcome::Nothing { version: 5 }));
    assert!(told.has(|event| matches!(event, Event::Waiting { .. })));
    assert_eq!(store.ledger().await.unwrap().entries().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn runners_that_share_a_run_do_each_record_once() {
    let (one, store) = (many(5), many(5));
    done(&one, 5).await;
    let processes: Vec<MemoryBackend> = (0..4).map(|_| another(&store, 5)).collect();
    let how = How { wait: Wait::Join, ..how() };
    let outcomes = futures::future::join_all(processes.iter().map(|process| migrate(process, None, false, &how))).await;
    for outcome in outcomes {
        let outcome = outcome.unwrap();
        let tally = match &outcome {
            Outcome::Done(done) => done.tally(),
            Outcome::Nothing { .. } => continue,
            Outcome::Undone { .. } => panic!("{outcome:?}"),
        };
        assert_eq!((tally.seen, tally.written), (60, 60));
    }
    assert_eq!(snapshot(&store), snapshot(&one));
    assert_eq!(store.ledger().await.unwrap().entries().len(), 2);
    for n in 0..60 {
        assert_eq!(store.records().revisions(MODEL, &key(&format!("r{n}"))).await.unwrap().len(), 1);
    }
    assert!(store.notes().is_empty());
}

#[tokio::test(start_paused = true)]
async fn helpers_go_on_where_the_leader_dies() {
    let one = many(5);
    done(&one, 5).await;
    for nth in [4, 9, 20, 35, 50] {
        let store = many(5);
        let processes: Vec<MemoryBackend> = (0..3).map(|_| another(&store, 5)).collect();
        processes[0].strike(nth, Fault::DieAfter);
        let how = How { wait: Wait::Join, ..how() };
        let outcomes = futures::future::join_all(processes.iter().map(|process| migrate(process, None, false, &how))).await;
        assert!(outcomes[1..].iter().all(Result::is_ok), "{outcomes:?}");
        assert_eq!(snapshot(&store), snapshot(&one), "{nth}");
        assert_eq!(status(&store).await.unwrap().in_force, Some(5));
    }
}

#[tokio::test(start_paused = true)]
async fn helpers_stop_where_the_leader_undoes() {
    let store = many(5);
    lay(&store, "bad", &first("bad").replace("\"size\"", "\"code\":\"none\",\"size\""));
    let before = snapshot(&store);
    let processes: Vec<MemoryBackend> = (0..3).map(|_| another(&store, 5)).collect();
    let how = How { wait: Wait::Join, ..how() };
    let outcomes = futures::future::join_all(processes.iter().map(|process| migrate(process, None, false, &how))).await;
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Err(Error::Undone { .. }))), "{outcomes:?}");
    assert_eq!(snapshot(&store), before);
    assert_eq!(status(&store).await.unwrap().in_force, None);
}

/// Clients write between the steps, at the versions that are in force; what they write is neither lost nor torn.
#[tokio::test(start_paused = true)]
async fn clients_write_while_it_runs() {
    let store = laid(5);
    done(&store, 3).await;
    let client = Arc::new(another(&store, 5));
    let write = {
        let client = Arc::clone(&client);
        move |id: &str, at: u32, text: String| {
            let change = Change::Put(text);
            let done = client.records().write(MODEL, Some(&key(id)), at, &change, &Expect::Anything).now_or_never();
            done.expect("memory answers at once").unwrap();
        }
    };
    let told = Told {
        between: Some(Box::new(move |_| {
            write("r1", 1, first("r1").replace("105", "777"));
            write("r2", 3, third("r2").replace("medium", "high"));
            write("new", 2, catalog::second("new"));
        })),
        ..Told::default()
    };
    let how = How { observer: &told, ..how() };
    migrate(&store, None, false, &how).await.unwrap();
    for (id, at, part) in [("r1", 5, "\"size\":77,"), ("r2", 1, "\"size\":10"), ("r2", 5, "high"), ("new", 5, "Título")] {
        let text = client.records().get(MODEL, &key(id), at).await.unwrap().unwrap().text;
        assert!(text.contains(part), "{id} at {at}: {text}");
    }
    run(&store, Goal::Rollback { to: None }, &how).await.unwrap();
    assert!(client.records().get(MODEL, &key("r1"), 1).await.unwrap().unwrap().text.contains("777"));
}

#[tokio::test(start_paused = true)]
async fn stopped_and_resumed_and_another_goal_is_told() {
    let store = many(5);
    let whole = many(5);
    done(&whole, 3).await;
    let how_stopped = how();
    let told = Told {
        between: Some(Box::new({
            let stop = how_stopped.stop.clone();
            move |_| stop.stop()
        })),
        ..Told::default()
    };
    let stopped = How { observer: &told, ..how_stopped };
    let outcome = migrate(&store, Some(3), false, &stopped).await;
    let Err(Error::Open { started, failure, undoing: None }) = &outcome else { panic!("{outcome:?}") };
    assert!(matches!(**failure, StoreError::Stopped) && started.to == 3);
    assert!(status(&store).await.unwrap().holder.is_none(), "the lock was given back");
    let other = migrate(&store, Some(5), false, &how()).await;
    let Err(Error::Refused(refusal)) = &other else { panic!("{other:?}") };
    assert_eq!(refusal.help(), "`coeval migrate --to 3` resumes it, `coeval rollback` undoes it");
    assert!(refusal.to_string().starts_with("a migration to version 3 (run "), "{refusal}");
    done(&store, 3).await;
    assert_eq!(snapshot(&store), snapshot(&whole));
    // Without a goal of its own, a migration ends what was begun and goes on from there.
    let stopped = How { stop: coeval_store::work::Stop::default(), ..how() };
    stopped.stop.stop();
    assert!(matches!(migrate(&store, None, false, &stopped).await, Err(Error::Store(StoreError::Stopped))));
    done(&store, 5).await;
}

#[tokio::test(start_paused = true)]
async fn an_old_holder_that_wakes_up_ends_nothing() {
    let store = laid(5);
    // While the old holder sleeps, another one takes its lock and ends the run in its place.
    let other = another(&store, 5);
    let told = Told {
        between: Some(Box::new(move |_| {
            let text = |text: &str| text.to_owned();
            let (id, name, purpose, since) = (text("b"), text("another"), text("migrate"), text("now"));
            let holder = coeval_store::lock::Holder { id, name, purpose, since };
            std::mem::forget(other.lock(&holder, std::time::Duration::ZERO).now_or_never().unwrap().unwrap());
            let ledger = other.ledger().now_or_never().unwrap().unwrap();
            let happened = Happened::Finished { run: ledger.open().unwrap().run.clone(), tallies: Vec::new() };
            let entry = Entry { number: ledger.next(), at: text("now"), by: text("another"), happened };
            other.append(&entry).now_or_never().unwrap().unwrap();
        })),
        ..Told::default()
    };
    let how_old = How { observer: &told, ..how() };
    let outcome = migrate(&store, Some(3), false, &how_old).await;
    let Err(Error::Open { failure, .. }) = &outcome else { panic!("{outcome:?}") };
    assert!(matches!(&**failure, StoreError::LockLost { by: Some(by) } if by.id == "b"), "{failure:?}");
    assert_eq!(store.ledger().await.unwrap().entries().len(), 2);
    assert_eq!(store.holder().await.unwrap().map(|holder| holder.id).as_deref(), Some("b"));
}
