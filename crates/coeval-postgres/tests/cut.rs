//! Connections that are cut at any message: nothing half done is seen, and whoever runs it again comes to the same end.
//!
//! A small migration and its rollback go on over a proxy that cuts all connections before the Nth message: what was asked is not
//! done, or it is done and the answer lost. Then a client of the old version reads and writes, and the run is carried on without the
//! proxy. Cuts are made at statements that differ from all others, and at every end of a transaction: so many of them as
//! `COEVAL_TEST_CUTS` says, spread over all. `COEVAL_TEST_CUTS=all testing/postgres cargo test -p coeval-postgres --test cut` cuts at each
//! message, which takes half an hour.

#![allow(clippy::unwrap_used, reason = "a test fails where it would")]
#![allow(clippy::print_stdout, reason = "says what was tried")]

mod common;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use coeval_engine::{Error, Goal, How, run};
use coeval_store::{Backend as _, Error as StoreError};
use common::ask;
use common::dump::{dump, similar};
use common::parts::{ARCHIVE, BACK, PART, SHAPE, Shop, UP};
use common::proxy::{After, Message};
use common::shop::open;

/// Statements that begin alike are about another column or table, and made at the same place.
const ALIKE: usize = 30;

/// Cuts are told as what they are, and leave the run open or unbegun.
fn is_clear(error: &Error, what: &str) {
    let failure: &StoreError = match error {
        Error::Store(failure) => failure,
        Error::Open { failure, undoing: None, .. } => failure,
        Error::Open { undoing: Some(_), .. } | Error::Undone { .. } | Error::Refused(_) => panic!("{what}: {error:?}"),
    };
    let StoreError::Transient { reason, .. } = failure else { panic!("{what}: {error:?}") };
    assert!(reason.contains("the connection was lost") || reason.contains("no server answers"), "{what}: {error:?}");
}

/// Returns at which messages a run is cut: at all, or at some that are unlike each other.
fn points(passed: &[Message]) -> Vec<usize> {
    let wanted = std::env::var("COEVAL_TEST_CUTS").unwrap_or_else(|_| "16".to_owned());
    if wanted == "all" {
        return (0..passed.len()).collect();
    }
    let (mut known, mut all) = (BTreeSet::new(), Vec::new());
    let (mut sql, mut asked) = (String::new(), false);
    for (index, message) in passed.iter().enumerate() {
        if !message.sql.is_empty() {
            sql = message.sql.trim_start().chars().take(ALIKE).collect();
        }
        let is_request = message.asks && matches!(message.tag, 'Q' | 'S' | '\0');
        // What is asked is lost, or the answer.
        let point = is_request || (!message.asks && asked);
        asked = is_request;
        if point && (known.insert((message.asks, sql.clone())) || sql.starts_with("COMMIT")) {
            all.push(index);
        }
    }
    let wanted = wanted.parse::<usize>().unwrap().min(all.len());
    (0..wanted).map(|nth| all[nth * all.len() / wanted]).collect()
}

/// How often a deployment goes there and back: a table has 1,600 columns in its life, those that were dropped with the others.
const ROUNDS: usize = 150;

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_are_cut_anywhere_leave_nothing_half_done() {
    let mut done = Done::default();
    while done.rounds < done.wanted.max(1) {
        disturb(&mut done).await;
    }
    println!("{} cuts, after {} of which the run finished all the same", done.hit, done.finished);
    assert!(done.hit * 4 > done.points * 3, "{done:?}");
}

/// What was tried.
#[derive(Debug, Default)]
struct Done {
    /// How often it went there and back, and how often it has to.
    rounds: usize,
    wanted: usize,
    /// At how many messages it has to be cut, how often it was, and how often the run finished all the same.
    points: usize,
    hit: usize,
    finished: usize,
}

/// Cuts the connections of a deployment of its own, at the messages that are next.
async fn disturb(done: &mut Done) {
    let mut shop = Shop::new().await;
    // There and back and there undisturbed: what is archived is there from the beginning.
    let (mut wholes, mut cuts) = (Vec::new(), Vec::new());
    for goal in [UP, BACK, UP, BACK] {
        let (outcome, passed) = shop.disturbed(goal, None).await;
        outcome.unwrap();
        if goal == UP {
            shop.use_newer("undisturbed").await;
        }
        wholes.push(shop.whole().await);
        cuts.push(points(&passed));
    }
    // And once more than there are messages.
    done.wanted = cuts[2].len().max(cuts[3].len()) + 1;
    done.points = cuts[2].len() + cuts[3].len();
    for nth in (done.rounds..done.wanted).take(ROUNDS) {
        done.rounds += 1;
        for (at, goal) in [(2, UP), (3, BACK)] {
            // Others are made at once, or the network is gone from then on.
            let after = if (nth + at) % 2 == 0 { After::Alive } else { After::Dead };
            let cut = (cuts[at].get(nth).copied().unwrap_or(usize::MAX), after);
            round(&mut shop, goal, cut, &wholes[at].shape, done).await;
        }
    }
    for (at, goal) in [(2, UP), (3, BACK)] {
        run(&open(&shop.url, &[PART], 2), goal, &How::quietly()).await.unwrap();
        similar(&dump(&shop.url), &wholes[at].dump, &format!("after {goal:?}"));
        shop.check("at the end").await;
    }
    let archive = ask(&shop.client, ARCHIVE).await;
    assert_eq!(archive.lines().count(), wholes[3].archive.lines().count(), "{archive}\n{}", wholes[3].archive);
}

/// Cuts the connections of a run, which is carried on without that, and leaves the shape that it leaves undisturbed.
async fn round(shop: &mut Shop, goal: Goal, cut: (usize, After), shape: &str, done: &mut Done) {
    let (outcome, passed) = shop.disturbed(goal, Some(cut)).await;
    let near = passed.get(cut.0).map(|message| message.sql.chars().take(80).collect::<String>());
    let what = format!("{goal:?} cut at {cut:?} ({near:?})");
    done.hit += usize::from(shop.proxy.has_cut());
    match &outcome {
        Ok(_) => done.finished += usize::from(shop.proxy.has_cut()),
        Err(error) => is_clear(error, &what),
    }
    shop.use_older(&what).await;
    shop.bury().await;
    let backend = open(&shop.url, &[PART], 2);
    let begin = Instant::now();
    loop {
        match run(&backend, goal, &How::quietly()).await {
            Ok(_) => break,
            // The server has not ended what nobody waits for any more.
            Err(Error::Store(StoreError::Transient { .. })) if begin.elapsed() < Duration::from_secs(60) => {}
            Err(error) => panic!("{what}: {error:?}"),
        }
    }
    let ledger = backend.ledger().await.unwrap();
    assert_eq!((ledger.in_force(), ledger.open().is_none()), (Some(if goal == UP { 2 } else { 1 }), true), "{what}");
    assert_eq!(shop.has_newer().await, goal == UP, "{what}");
    shop.use_older(&what).await;
    similar(&ask(&shop.client, SHAPE).await, shape, &what);
    if goal == UP {
        shop.use_newer(&what).await;
    }
    let cursors = ask(&shop.client, "SELECT run, step FROM coeval.cursor").await;
    assert_eq!(cursors.lines().filter(|line| !cursors_of_last(line, &ledger)).count(), 0, "{what}: {cursors}");
}

/// Whether notes are those of the last run: they go when the next one begins, where the connection was lost when it ended.
fn cursors_of_last(line: &str, ledger: &coeval_store::ledger::Ledger) -> bool {
    use coeval_store::ledger::Happened;
    let last = ledger.entries().last().map(|entry| &entry.happened);
    matches!(last, Some(Happened::Finished { run, .. }) if line.starts_with(run.as_str()))
}
