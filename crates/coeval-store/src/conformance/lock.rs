//! The lock: one holder, and one who takes over when it does not show up.

use std::time::{Duration, Instant};

use super::{Broken, Case, Outcome, Suite, ensure, holder, open, refused, same};
use crate::backend::Backend;
use crate::error::{Error, Result};
use crate::lock::Lock;

pub(super) const CASES: &[(&str, Case)] = &[
    ("lock: one holder at a time, who is named", |suite| Box::pin(exclusive(suite))),
    ("lock: the fencing token grows", |suite| Box::pin(fence(suite))),
    ("lock: of several that take it at once, one gets it", |suite| Box::pin(race(suite))),
    ("lock: a living holder keeps it", |suite| Box::pin(renewed(suite))),
    ("lock: taken over from a dead holder", |suite| Box::pin(dead(suite))),
    ("lock: a holder that wakes up late knows that it lost it", |suite| Box::pin(awake(suite))),
];

async fn exclusive(suite: &Suite<'_>) -> Outcome {
    let backend = open(suite, "lock-exclusive", 1).await?;
    same!(backend.holder().await?, None, "the holder of a new store");
    let lock = backend.lock(&holder("a"), suite.stale).await?;
    ensure!(lock.holds(), "it was given and is not held");
    same!(backend.holder().await?, Some(holder("a")), "the holder");
    for backend in [&backend, &open(suite, "lock-exclusive", 1).await?] {
        match backend.lock(&holder("b"), suite.stale).await {
            Err(Error::Locked { holder: found }) => same!(*found, holder("a"), "who holds it"),
            other => return Err(Broken(format!("a second holder: {other:?}"))),
        }
    }
    lock.release().await?;
    ensure!(!lock.holds(), "it was given back and is held");
    same!(backend.holder().await?, None, "the holder after it was given back");
    backend.lock(&holder("b"), suite.stale).await?.release().await?;
    Ok(())
}

async fn fence(suite: &Suite<'_>) -> Outcome {
    let backend = open(suite, "lock-fence", 1).await?;
    let mut last = 0;
    for id in ["a", "b", "a"] {
        let lock = backend.lock(&holder(id), suite.stale).await?;
        ensure!(lock.fence() > last, "the token {} after {last}", lock.fence());
        last = lock.fence();
        lock.release().await?;
    }
    Ok(())
}

async fn race(suite: &Suite<'_>) -> Outcome {
    let backend = open(suite, "lock-race", 1).await?;
    let holders: Vec<_> = (0..8).map(|n| holder(&format!("h{n}"))).collect();
    let outcomes = futures::future::join_all(holders.iter().map(|holder| backend.lock(holder, suite.stale))).await;
    same!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1, "how many got it");
    ensure!(
        outcomes.iter().all(|outcome| matches!(outcome, Ok(_) | Err(Error::Locked { .. }))),
        "the others are told who holds it: {outcomes:?}"
    );
    Ok(())
}

async fn renewed(suite: &Suite<'_>) -> Outcome {
    let backend = open(suite, "lock-renewed", 1).await?;
    let lock = backend.lock(&holder("a"), suite.stale).await?;
    let start = Instant::now();
    while start.elapsed() < suite.stale * 3 {
        tokio::time::sleep(suite.stale / 4).await;
        ensure!(lock.holds(), "a living holder lost it after {:?}", start.elapsed());
    }
    refused!(backend.lock(&holder("b"), suite.stale).await, Error::Locked { .. }, "a lock that is held for long");
    lock.release().await?;
    Ok(())
}

/// Takes the lock as soon as its holder is taken for dead.
async fn take_over(backend: &dyn Backend, suite: &Suite<'_>) -> std::result::Result<Box<dyn Lock>, Broken> {
    let start = Instant::now();
    loop {
        match backend.lock(&holder("b"), suite.stale).await {
            Ok(lock) => return Ok(lock),
            Err(Error::Locked { .. }) if start.elapsed() < suite.stale * 10 + Duration::from_secs(2) => {
                tokio::time::sleep(suite.stale / 8).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

async fn dead(suite: &Suite<'_>) -> Outcome {
    let backend = open(suite, "lock-dead", 1).await?;
    let lock = backend.lock(&holder("a"), suite.stale).await?;
    let before = lock.fence();
    drop(lock);
    same!(backend.holder().await?, Some(holder("a")), "a dead holder");
    let lock = take_over(&*backend, suite).await?;
    ensure!(lock.fence() > before, "the token {} after {before}", lock.fence());
    same!(backend.holder().await?, Some(holder("b")), "the new holder");
    lock.release().await?;
    Ok(())
}

/// Takes the lock in a process that then stands still: nothing of it goes on in the background.
fn standing_still(backend: &dyn Backend, stale: Duration) -> std::result::Result<Box<dyn Lock>, Broken> {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| -> Result<Box<dyn Lock>> {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let runtime = runtime.map_err(|e| Error::failed("a second runtime", e.to_string()))?;
            runtime.block_on(backend.lock(&holder("a"), stale))
        });
        thread.join().map_err(|_| Broken("taking the lock panicked".to_owned()))?.map_err(Broken::from)
    })
}

async fn awake(suite: &Suite<'_>) -> Outcome {
    let backend = open(suite, "lock-awake", 1).await?;
    let old = standing_still(&*backend, suite.stale)?;
    ensure!(old.holds(), "it was given and is not held");
    let new = take_over(&*backend, suite).await?;
    ensure!(!old.holds(), "the old holder believes that it still holds it");
    ensure!(new.holds(), "the new holder does not hold it");
    match old.release().await {
        Err(Error::LockLost { by }) => same!(by.map_or_else(|| "b".to_owned(), |by| by.id), "b", "who took it"),
        other => return Err(Broken(format!("giving back what was lost: {other:?}"))),
    }
    ensure!(new.holds(), "giving back what was lost took it from the new holder");
    same!(backend.holder().await?, Some(holder("b")), "the holder");
    new.release().await?;
    Ok(())
}
