//! Finds out whether a store is honest about conditional writes, by a race.
//!
//! Some servers accept the headers of conditional writes and ignore them; others check first and write then, so that several of
//! those who write at once are told that they won. Neither is fit for locks and runs, and no version number tells: only a race does.

#[cfg(test)]
mod tests;

use bytes::Bytes;
use futures::future::join_all;
use uuid::Uuid;

use super::{Attributes, Condition, Objects, Token};
use crate::error::{Error, Result};

/// How many write one object at once, and how many such objects there are: a server that checks first and writes then is told from an
/// honest one by four races in all. More would cost, since some servers let writers who meet wait: SeaweedFS for seconds.
const WRITERS: usize = 4;
const ROUNDS: usize = 2;

/// Lets several writers race for one object under `PREFIX_coeval/probe/`, to create it and to replace it, and looks whether exactly one is
/// told that it won. Cleans up after itself. `prefix` is empty or ends with `/`.
///
/// # Errors
/// [`Error::Unsupported`] with what the store did wrong; whatever else goes wrong with a request.
pub async fn probe(store: &dyn Objects, prefix: &str) -> Result<()> {
    let folder = format!("{prefix}_coeval/probe/{}", Uuid::now_v7());
    let keys: Vec<String> = (0..ROUNDS).map(|round| format!("{folder}/{round}")).collect();
    // At the same time: a server that is slow where writers meet is waited for once.
    let rounds = join_all(keys.iter().map(|key| Probe { store, key }.run())).await;
    let verdict: Result<()> = rounds.into_iter().collect();
    let cleaned = join_all(keys.iter().map(|key| store.delete(key, &Condition::None))).await;
    // What was found out matters more than what could not be cleaned up.
    verdict.and(cleaned.into_iter().collect())
}

/// One object and those who race for it.
#[derive(Clone, Copy)]
struct Probe<'a> {
    store: &'a dyn Objects,
    key: &'a str,
}

impl Probe<'_> {
    async fn run(self) -> Result<()> {
        let nobodys = Token("\"0123456789abcdef0123456789abcdef\"".to_owned());
        self.refused("a missing object that should be unchanged", "was never there", &nobodys).await?;
        let created = self.race("create", &Condition::Absent).await?;
        let replaced = self.race("replace", &Condition::Unchanged(created.clone())).await?;
        if created == replaced {
            return Err(self.dishonest("other bytes brought no other ETag"));
        }
        self.refused("an object that had changed since", "was an older one", &created).await?;
        Ok(())
    }

    /// Lets all write at once and returns the winner's token.
    async fn race(&self, act: &str, condition: &Condition) -> Result<Token> {
        let bytes = |writer: usize| Bytes::from(format!("{act} {writer}\n").repeat(500));
        let writes = (0..WRITERS).map(|writer| self.put(bytes(writer), condition));
        let mut winners = Vec::new();
        for (writer, written) in join_all(writes).await.into_iter().enumerate() {
            match written {
                Ok(token) => winners.push((writer, token)),
                Err(Error::Conflict { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        let [(winner, token)] = &winners[..] else {
            let won = winners.len();
            return Err(
                self.dishonest(&format!("of {WRITERS} that wrote at once to {act} one object, {won} were told that they won"))
            );
        };
        match self.store.get(self.key).await? {
            Some(found) if found.bytes != bytes(*winner) => Err(self.dishonest(&format!(
                "of {WRITERS} that wrote at once to {act} one object, another one won than the one told so"
            ))),
            Some(found) if found.token != *token => {
                Err(self.dishonest("an object has another ETag when it is read than when it was written"))
            }
            Some(_) => Ok(token.clone()),
            None => Err(self.dishonest("an object that was just written is not there")),
        }
    }

    /// Sees that a write upon a wrong token is refused.
    async fn refused(&self, what: &str, which: &str, token: &Token) -> Result<()> {
        match self.put("wrong".into(), &Condition::Unchanged(token.clone())).await {
            Ok(_) => Err(self.dishonest(&format!("it replaced {what}: the ETag {which}"))),
            Err(Error::Conflict { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn put(&self, bytes: Bytes, condition: &Condition) -> Result<Token> {
        self.store.put(self.key, bytes, &Attributes::default(), condition).await
    }

    fn dishonest(&self, reason: &str) -> Error {
        let reason = format!("its conditional writes cannot be trusted: {reason}");
        Error::Unsupported { what: format!("coordinating writers in {}", self.store.name()), reason }
    }
}
