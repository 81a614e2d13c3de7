//! Killed at every change, resumed or undone: the store is as if nothing had happened. Every number of a change is tried, before
//! and after the change took effect.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use coeval_engine::{Error, Goal, How, Outcome, run, status};
use coeval_store::conformance::catalog::{first, third};
use coeval_store::memory::Fault;
use coeval_store::{Backend, Error as StoreError, MemoryBackend};
use common::{STALE, another, done, how, laid, lay, put, snapshot};

const UP: Goal = Goal::Migrate { to: None, scan: false };
const BACK: Goal = Goal::Rollback { to: None };

/// Kills a run at every change that it makes, and hands the store to another process; returns how many kills there were.
async fn killed<P, F, C>(prepare: P, goal: Goal, check: C) -> usize
where
    P: Fn() -> F,
    F: Future<Output = MemoryBackend>,
    C: AsyncFn(&MemoryBackend, &str),
{
    let mut kills = 0;
    for fault in [Fault::DieBefore, Fault::DieAfter] {
        for nth in 1.. {
            let store = prepare().await;
            let victim = another(&store, 5);
            victim.strike(nth, fault);
            let outcome = run(&victim, goal, &how()).await;
            if victim.changes() < nth {
                assert!(!matches!(outcome, Err(Error::Open { .. })), "{outcome:?}");
                break;
            }
            kills += 1;
            check(&another(&store, 5), &format!("{fault:?} at {nth} of {goal:?}")).await;
        }
    }
    kills
}

async fn fresh() -> MemoryBackend {
    let store = laid(5);
    lay(&store, "odd", &first("odd").replace("\"size\"", "\"rank\":\"none\",\"size\""));
    store
}

async fn migrated() -> MemoryBackend {
    let store = fresh().await;
    done(&store, 2).await;
    done(&store, 5).await;
    // Records that clients wrote since, at older versions and at the newest.
    put(&store, "r1", 1, &first("r1").replace("105", "8")).await;
    put(&store, "r2", 5, &third("r2").replace("medium", "high")).await;
    store
}

fn same(actual: &[String], expected: &[String], what: &str) {
    assert!(actual == expected, "{what}: {actual:#?} is not {expected:#?}");
}

#[tokio::test(start_paused = true)]
async fn a_migration_killed_anywhere_is_resumed() {
    let whole = fresh().await;
    done(&whole, 5).await;
    let expected = snapshot(&whole);
    let kills = killed(fresh, UP, async |store, what| {
        run(store, UP, &how()).await.unwrap_or_else(|e| panic!("{what}: {e:?}"));
        same(&snapshot(store), &expected, what);
        let now = status(store).await.unwrap();
        assert_eq!((now.in_force, now.open.is_none()), (Some(5), true), "{what}");
    });
    assert!(kills.await > 40);
}

#[tokio::test(start_paused = true)]
async fn a_migration_killed_anywhere_is_undone() {
    let expected = snapshot(&fresh().await);
    let kills = killed(fresh, UP, async |store, what| {
        let before = status(store).await.unwrap();
        let outcome = run(store, BACK, &how()).await;
        match (before.open.is_some(), before.in_force) {
            (true, _) => assert!(matches!(outcome, Ok(Outcome::Undone { version: 0, .. })), "{what}: {outcome:?}"),
            (false, None) => assert!(matches!(outcome, Err(Error::Refused(_))), "{what}: {outcome:?}"),
            (false, Some(_)) => assert!(matches!(outcome, Ok(Outcome::Done(_))), "{what}: {outcome:?}"),
        }
        same(&snapshot(store), &expected, what);
    });
    assert!(kills.await > 40);
}

#[tokio::test(start_paused = true)]
async fn undoing_that_is_killed_anywhere_goes_on() {
    let failing = || async {
        let store = fresh().await;
        done(&store, 3).await;
        lay(&store, "bad", &first("bad").replace("\"size\"", "\"code\":\"none\",\"size\""));
        store
    };
    let expected = snapshot(&failing().await);
    for next in [UP, BACK] {
        let kills = killed(failing, UP, async |store, what| {
            let open = status(store).await.unwrap().open;
            let outcome = run(store, if open.is_some() { next } else { UP }, &how()).await;
            let fine = matches!(outcome, Err(Error::Undone { .. }) | Ok(Outcome::Undone { version: 3, .. }));
            assert!(fine, "{what}: {outcome:?}");
            same(&snapshot(store), &expected, what);
            let now = status(store).await.unwrap();
            assert_eq!((now.in_force, now.open.is_none()), (Some(3), true), "{what}");
            assert!(store.notes().len() <= 1, "{what}");
        });
        assert!(kills.await > 30);
    }
}

#[tokio::test(start_paused = true)]
async fn a_rollback_killed_anywhere_is_resumed() {
    let whole = migrated().await;
    run(&whole, BACK, &how()).await.unwrap();
    let expected = snapshot(&whole);
    let kills = killed(migrated, BACK, async |store, what| {
        let open = status(store).await.unwrap().open.is_some();
        if open {
            let refused = run(store, UP, &how()).await;
            assert!(matches!(refused, Err(Error::Refused(_))), "{what}: {refused:?}");
        }
        if open || status(store).await.unwrap().in_force == Some(5) {
            run(store, BACK, &how()).await.unwrap_or_else(|e| panic!("{what}: {e:?}"));
        }
        same(&snapshot(store), &expected, what);
        assert_eq!(status(store).await.unwrap().in_force, Some(2), "{what}");
    });
    assert!(kills.await > 40);
}

#[tokio::test(start_paused = true)]
async fn retiring_that_is_killed_anywhere_is_resumed() {
    let goal = Goal::Retire { before: 3 };
    let whole = migrated().await;
    run(&whole, goal, &how()).await.unwrap();
    let expected = snapshot(&whole);
    let kills = killed(migrated, goal, async |store, what| {
        run(store, goal, &how()).await.unwrap_or_else(|e| panic!("{what}: {e:?}"));
        same(&snapshot(store), &expected, what);
        let now = status(store).await.unwrap();
        assert_eq!((now.oldest, now.in_force, now.open.is_none()), (3, Some(5), true), "{what}");
    });
    assert!(kills.await > 30);
}

#[tokio::test(start_paused = true)]
async fn killed_again_and_again() {
    let whole = fresh().await;
    done(&whole, 5).await;
    let expected = snapshot(&whole);
    for step in 1..12 {
        let store = fresh().await;
        let mut deaths = 0;
        loop {
            let victim = another(&store, 5);
            victim.strike(step + 1, if deaths % 2 == 0 { Fault::DieBefore } else { Fault::DieAfter });
            match run(&victim, UP, &how()).await {
                Ok(_) => break,
                Err(Error::Open { .. } | Error::Store(StoreError::Crashed)) => deaths += 1,
                Err(other) => panic!("{other:?}"),
            }
            // Those who die sooner than they get anything done do not get anywhere.
            if deaths > 100 {
                run(&another(&store, 5), UP, &how()).await.unwrap();
                break;
            }
        }
        assert!(deaths > 0);
        same(&snapshot(&store), &expected, &format!("every {step}"));
    }
}

/// A change that fails, in a process that goes on: what the run did is undone, or it is left open and can be.
#[tokio::test(start_paused = true)]
async fn a_failure_anywhere_leaves_nothing_behind() {
    let before = snapshot(&fresh().await);
    let mut undone = 0;
    for nth in 1.. {
        let store = fresh().await;
        store.strike(nth, Fault::Fail);
        let outcome = run(&store, UP, &how()).await;
        match &outcome {
            Ok(_) if store.changes() < nth => break,
            // What is tidied up, and the lock, may fail without harm.
            Ok(_) => assert_eq!(status(&store).await.unwrap().in_force, Some(5)),
            Err(Error::Undone { .. }) => undone += 1,
            Err(Error::Store(_)) => assert!(status(&store).await.unwrap().open.is_none()),
            Err(Error::Open { .. }) => {
                run(&store, BACK, &how()).await.unwrap();
            }
            Err(Error::Refused(refusal)) => panic!("{refusal}"),
        }
        if outcome.is_err() {
            same(&snapshot(&store), &before, &format!("{nth}"));
            assert_eq!(status(&store).await.unwrap().in_force, None);
        }
    }
    assert!(undone > 15);
}

#[tokio::test(start_paused = true)]
async fn a_dead_holder_is_taken_over_and_a_living_one_is_not() {
    let store = fresh().await;
    let victim = another(&store, 5);
    victim.strike(6, Fault::DieBefore);
    run(&victim, UP, &how()).await.unwrap_err();
    let told = common::Told::default();
    let outcome = run(&store, UP, &How { observer: &told, ..how() }).await.unwrap();
    assert!(matches!(&outcome, Outcome::Done(done) if done.resumed), "{outcome:?}");
    assert!(told.has(|event| matches!(event, coeval_store::event::Event::TakenOver { .. })));
    let holder = how_holder();
    let lock = store.lock(&holder, STALE).await.unwrap();
    let refuse = How { wait: coeval_engine::Wait::Refuse, ..how() };
    let outcome = run(&store, BACK, &refuse).await;
    let Err(Error::Store(StoreError::Locked { holder: found })) = outcome else { panic!("{outcome:?}") };
    assert_eq!(*found, holder);
    lock.release().await.unwrap();
}

fn how_holder() -> coeval_store::lock::Holder {
    let text = |text: &str| text.to_owned();
    coeval_store::lock::Holder { id: text("h"), name: text("somebody"), purpose: text("migrate"), since: text("today") }
}
