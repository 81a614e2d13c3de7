//! Records at a version, for clients.

use async_trait::async_trait;
use bytes::Bytes;
use coeval_core::lens::Refused;
use coeval_store::objects::{Condition, Token};
use coeval_store::records::{Change, Expect, Found, Key, Page, Records, Revision, Written};
use coeval_store::{Error, Result};
use rand::RngExt;
use tokio::time::{Duration, sleep};

use super::convert::lines;
use super::view::{View, unpack};
use super::write::expected;
use super::{Documents, pages, revision};

/// How often a write is tried anew because somebody else was faster.
const ATTEMPTS: u32 = 64;

#[async_trait]
impl Records for Documents {
    async fn get(&self, model: &str, key: &Key, at: u32) -> Result<Option<Found>> {
        let view = self.view(model, at).await?;
        if view.place.template.object_of(key).is_none() {
            return Ok(pages::search(self, &view, key).await?.map(|(_, found)| found));
        }
        let object = view.object(key)?;
        let (lying, _) = self.find(&view, &object, key).await?;
        lying.map(|lying| view.found(key.clone(), &lying.document, &lying.token)).transpose()
    }

    async fn write(&self, model: &str, key: Option<&Key>, at: u32, change: &Change, expect: &Expect) -> Result<Written> {
        let mut attempt = 0;
        loop {
            let view = self.view(model, at).await?;
            match self.attempt(&view, key, change, expect).await {
                // Only what does not depend on a state is applied again to the next one.
                Err(Error::Conflict { .. }) if retries(expect) && attempt < ATTEMPTS => {
                    let Change::Put(_) = change else {
                        if let Some(key) = key
                            && self.get(model, key, at).await?.is_none()
                        {
                            return Err(Error::Unknown {
                                message: format!("there is no `{model}` `{key}` to patch"),
                                help: None,
                            });
                        }
                        attempt += 1;
                        backoff(attempt).await;
                        continue;
                    };
                    attempt += 1;
                    backoff(attempt).await;
                }
                other => return other,
            }
        }
    }

    async fn delete(&self, model: &str, key: &Key, at: u32, expect: &Expect) -> Result<bool> {
        let mut attempt = 0;
        loop {
            let view = self.view(model, at).await?;
            match self.remove(&view, key, expect).await {
                Err(Error::Conflict { .. }) if retries(expect) && attempt < ATTEMPTS => {
                    attempt += 1;
                    backoff(attempt).await;
                }
                other => return other,
            }
        }
    }

    async fn list(&self, model: &str, at: u32, after: Option<&str>, limit: usize) -> Result<Page> {
        let view = self.view(model, at).await?;
        pages::list(self, &view, at, after, limit).await
    }

    async fn revisions(&self, model: &str, key: &Key) -> Result<Vec<Revision>> {
        let place = self.place(model)?;
        self.known().await?;
        let Some(object) = place.template.object_of(key).filter(|_| place.revisions) else { return Ok(Vec::new()) };
        let format = place.format(&self.ledger_now());
        let chain = revision::chain(self, place, &object).await?;
        let revisions = chain.into_iter().enumerate().map(|(age, note)| {
            let document = note.text.as_deref().and_then(|text| super::convert::read(&format, text.as_bytes(), note.stamp).ok());
            let stored = document.map_or(0, |document| document.stored.version);
            Revision { id: note.id, at: note.at, by: note.by, stored, current: age == 0 && note.text.is_some() }
        });
        Ok(revisions.collect())
    }

    async fn revision(&self, model: &str, key: &Key, id: &str, at: u32) -> Result<Option<Found>> {
        let view = self.view(model, at).await?;
        let object = view.object(key)?;
        let Some(note) = revision::note(self, view.place, &object, id).await? else { return Ok(None) };
        let Some(text) = note.text else { return Ok(None) };
        let document = view.read(&|| format!("revision {id}"), text.as_bytes(), note.stamp)?;
        view.found(key.clone(), &document, &Token(note.id)).map(Some)
    }
}

fn retries(expect: &Expect) -> bool {
    matches!(expect, Expect::Anything)
}

async fn backoff(attempt: u32) {
    let most = u64::from(attempt.min(8)).pow(2) * 2;
    let wait = rand::rng().random_range(0..=most);
    sleep(Duration::from_millis(wait)).await;
}

impl Documents {
    async fn remove(&self, view: &View<'_>, key: &Key, expect: &Expect) -> Result<bool> {
        let object = match view.place.template.object_of(key) {
            Some(_) => view.object(key)?,
            None => match pages::search(self, view, key).await? {
                Some((object, _)) => object,
                None => return expected(expect, None, key).map(|()| false),
            },
        };
        let (lying, _) = self.find(view, &object, key).await?;
        expected(expect, lying.as_ref().map(|lying| &lying.token), key)?;
        let Some(lying) = lying else { return Ok(false) };
        if view.place.template.lines {
            let packing = view.place.template.packing;
            let text = unpack(packing, &lying.object.bytes, &object)?;
            let others = lines(&text).enumerate().filter(|(at, _)| *at != lying.line);
            let rest: Vec<u8> = others.flat_map(|(_, line)| line).copied().collect();
            let bytes = packing.pack(rest).map_err(|error| Error::failed(&*object, error.to_string()))?;
            let condition = Condition::Unchanged(lying.token);
            self.objects.put(&object, Bytes::from(bytes), &lying.object.attributes, &condition).await?;
            return Ok(true);
        }
        if view.place.revisions {
            revision::bury(self, view.place, &object, &lying.object).await?;
        }
        let condition = match (self.objects.capabilities().conditional_delete, expect) {
            (true, _) => Condition::Unchanged(lying.token),
            (false, Expect::Unchanged(_)) => {
                let reason = "it cannot make deleting depend on a state".to_owned();
                return Err(Error::Unsupported { what: format!("deleting `{key}` in {}", self.objects.name()), reason });
            }
            (false, _) => Condition::None,
        };
        self.objects.delete(&object, &condition).await?;
        Ok(true)
    }
}

/// Whether a record cannot be shown at a version, which hides it from lists, or something else is wrong.
pub(super) fn hidden(error: &Error) -> Option<String> {
    match error {
        Error::Refused(refused @ Refused::Quarantined { .. }) => Some(refused.to_string()),
        Error::BadRecord { reason, .. } => Some(reason.clone()),
        _ => None,
    }
}
