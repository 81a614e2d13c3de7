//! Several clients at once: exactly one of those who want the same thing gets it.

use std::future::Future;

use futures::future::join_all;

use super::{Failure, Store, Verdict, ensure, equal};
use crate::error::{Error, Result};
use crate::objects::{Condition, Token};

const WRITERS: usize = 8;
const ROUNDS: usize = 4;

/// Runs writers on tasks of their own and returns who was told that it won, and with what.
async fn race<T, F>(writer: impl Fn(usize) -> F) -> Verdict<Vec<(usize, T)>>
where
    T: Send + 'static,
    F: Future<Output = Result<T>> + Send + 'static,
{
    let tasks: Vec<_> = (0..WRITERS).map(|index| tokio::spawn(writer(index))).collect();
    let mut winners = Vec::new();
    for (index, task) in join_all(tasks).await.into_iter().enumerate() {
        match task.map_err(|error| Failure(error.to_string()))? {
            Ok(won) => winners.push((index, won)),
            Err(Error::Conflict { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(winners)
}

/// Lets all write one object and sees that one won and that it is its bytes that lie there.
async fn race_to_write(store: &Store, name: &str, condition: &Condition) -> Verdict<Token> {
    let text = |index: usize| format!("{name} by {index}\n").repeat(300);
    let winners = race(|index| {
        let (store, name, condition, text) = (store.clone(), name.to_owned(), condition.clone(), text(index));
        async move { store.put(&name, text, &condition).await }
    })
    .await?;
    let [(winner, token)] = &winners[..] else {
        return Err(Failure(format!("{name}: {} of {WRITERS} were told that they won", winners.len())));
    };
    let found = store.found(name).await?;
    ensure(found.bytes == text(*winner), || format!("{name}: another one's bytes lie there than the winner's"))?;
    equal("the token of the winner", &found.token, token)?;
    Ok(token.clone())
}

pub(super) async fn one_creator_wins(store: Store) -> Verdict {
    let rounds = (0..ROUNDS).map(|round| {
        let (store, name) = (store.clone(), format!("new/folder-{round}/object"));
        async move { race_to_write(&store, &name, &Condition::Absent).await }
    });
    // At the same time, so that folders come into being beside one another too.
    join_all(rounds.collect::<Vec<_>>()).await.into_iter().try_for_each(|won| won.map(drop))
}

pub(super) async fn one_replacer_wins(store: Store) -> Verdict {
    let mut token = store.put("a", "first", &Condition::None).await?;
    for _ in 0..ROUNDS {
        token = race_to_write(&store, "a", &Condition::Unchanged(token)).await?;
        // So that the bytes of two rounds, and with them the tokens, differ.
        token = store.put("a", format!("after {token:?}"), &Condition::Unchanged(token)).await?;
    }
    Ok(())
}

pub(super) async fn one_deleter_wins(store: Store) -> Verdict {
    if !store.objects.capabilities().conditional_delete {
        return Ok(());
    }
    for round in 0..ROUNDS {
        let token = store.put("a", format!("round {round}"), &Condition::Absent).await?;
        let unchanged = Condition::Unchanged(token);
        // Half of them delete and half replace; they exclude one another too.
        let winners = race(|index| {
            let (store, unchanged) = (store.clone(), unchanged.clone());
            async move {
                match index % 2 {
                    0 => store.delete("a", &unchanged).await,
                    _ => store.put("a", format!("replaced in {round} by {index}"), &unchanged).await.map(|_| ()),
                }
            }
        })
        .await?;
        let [(winner, ())] = &winners[..] else {
            return Err(Failure(format!("{} of {WRITERS} were told that they won", winners.len())));
        };
        equal("whether the object is gone", &store.get("a").await?.is_none(), &(winner % 2 == 0))?;
        store.delete("a", &Condition::None).await?;
    }
    Ok(())
}

pub(super) async fn no_increment_is_lost(store: Store) -> Verdict {
    const EACH: usize = 5;
    store.put("count", "0", &Condition::Absent).await?;
    let winners = race(|_| {
        let store = store.clone();
        async move {
            for _ in 0..EACH {
                loop {
                    let Some(found) = store.get("count").await? else { return Err(Error::failed("reading count", "it is gone")) };
                    let count: usize = String::from_utf8_lossy(&found.bytes).parse().unwrap_or(usize::MAX / 2);
                    match store.put("count", (count + 1).to_string(), &Condition::Unchanged(found.token)).await {
                        Err(Error::Conflict { .. }) => {}
                        written => break written.map(drop)?,
                    }
                }
            }
            Ok(())
        }
    })
    .await?;
    equal("how many came to their end", &winners.len(), &WRITERS)?;
    let total = (WRITERS * EACH).to_string();
    equal("the sum", &&store.found("count").await?.bytes[..], &total.as_bytes())
}
