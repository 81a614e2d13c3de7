//! The lock: a slot with the holder, its fencing token, and when it last showed up.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::fault::Process;
use super::{Data, MemoryBackend};
use crate::error::{Error, Result};
use crate::lock::{Holder, Lock};

/// Where the lock lies.
#[derive(Debug, Default)]
pub(super) struct Slot {
    fence: u64,
    held: Option<Held>,
}

#[derive(Debug)]
struct Held {
    holder: Holder,
    fence: u64,
    seen: Instant,
}

impl Slot {
    pub(super) fn holder(&self) -> Option<&Holder> {
        self.held.as_ref().map(|held| &held.holder)
    }
}

#[derive(Debug)]
struct MemoryLock {
    previous: Option<Holder>,
    data: Arc<Mutex<Data>>,
    process: Arc<Process>,
    fence: u64,
    stale: Duration,
    renewed: Arc<Mutex<Instant>>,
    lost: Arc<AtomicBool>,
    renewing: JoinHandle<()>,
}

/// Takes the lock, if its holder has not shown up for `stale`.
pub(super) fn take(backend: &MemoryBackend, holder: &Holder, stale: Duration) -> Result<Box<dyn Lock>> {
    let mut data = backend.data()?;
    if let Some(held) = &data.lock.held
        && held.seen.elapsed() < stale
    {
        return Err(Error::Locked { holder: Box::new(held.holder.clone()) });
    }
    let previous = data.lock.held.as_ref().map(|held| held.holder.clone());
    let now = Instant::now();
    backend.change(|| {
        data.lock.fence += 1;
        let fence = data.lock.fence;
        data.lock.held = Some(Held { holder: holder.clone(), fence, seen: now });
    })?;
    let fence = data.lock.fence;
    let renewed = Arc::new(Mutex::new(now));
    let lost = Arc::new(AtomicBool::new(false));
    let (shared, process) = (Arc::clone(&backend.data), Arc::clone(&backend.process));
    let renewing = tokio::spawn({
        let (shared, process, renewed, lost) =
            (Arc::clone(&shared), Arc::clone(&process), Arc::clone(&renewed), Arc::clone(&lost));
        async move {
            while process.lives().is_ok() {
                tokio::time::sleep(stale / 4).await;
                let now = Instant::now();
                let mut data = shared.lock().unwrap_or_else(PoisonError::into_inner);
                match &mut data.lock.held {
                    Some(held) if held.fence == fence && process.lives().is_ok() => held.seen = now,
                    _ => return lost.store(true, Ordering::SeqCst),
                }
                *renewed.lock().unwrap_or_else(PoisonError::into_inner) = now;
            }
        }
    });
    Ok(Box::new(MemoryLock { previous, data: shared, process, fence, stale, renewed, lost, renewing }))
}

#[async_trait]
impl Lock for MemoryLock {
    fn fence(&self) -> u64 {
        self.fence
    }

    fn previous(&self) -> Option<&Holder> {
        self.previous.as_ref()
    }

    fn holds(&self) -> bool {
        let renewed = *self.renewed.lock().unwrap_or_else(PoisonError::into_inner);
        !self.lost.load(Ordering::SeqCst) && self.process.lives().is_ok() && renewed.elapsed() < self.stale
    }

    async fn release(&self) -> Result<()> {
        self.renewing.abort();
        let mut data = self.data.lock().unwrap_or_else(PoisonError::into_inner);
        let dies = self.process.next()?;
        self.lost.store(true, Ordering::SeqCst);
        match &data.lock.held {
            Some(held) if held.fence == self.fence => data.lock.held = None,
            other => return Err(Error::LockLost { by: other.as_ref().map(|held| Box::new(held.holder.clone())) }),
        }
        if dies { Err(Error::Crashed) } else { Ok(()) }
    }
}

impl Drop for MemoryLock {
    /// What is dropped without being released goes stale.
    fn drop(&mut self) {
        self.renewing.abort();
    }
}
