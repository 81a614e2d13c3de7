//! Who may run: one at a time, told by a lock that is renewed, and taken over when its holder does not show up.

use std::fmt::Debug;

use async_trait::async_trait;
use coeval_core::{Object, Value};

use crate::error::Result;

/// Somebody who runs something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// Unique to this holder: a UUID.
    pub id: String,
    /// For people: program, machine and process.
    pub name: String,
    /// What it runs.
    pub purpose: String,
    /// Since when, in RFC 3339.
    pub since: String,
}

impl Holder {
    /// Returns the holder as JSON.
    pub fn to_value(&self) -> Value {
        let mut out = Object::new();
        for (name, text) in [("id", &self.id), ("name", &self.name), ("purpose", &self.purpose), ("since", &self.since)] {
            out.insert(name, text.as_str().into());
        }
        out.into()
    }

    /// Reads what [`Holder::to_value`] wrote; `None` for anything else.
    pub fn from_value(value: &Value) -> Option<Self> {
        let object = value.as_object()?;
        let text = |name: &str| Some(object.get(name)?.as_str()?.to_owned());
        Some(Self { id: text("id")?, name: text("name")?, purpose: text("purpose")?, since: text("since")? })
    }
}

/// A lock that is held. It is renewed in the background until it is released or dropped; a dropped one goes stale.
#[async_trait]
pub trait Lock: Debug + Send + Sync {
    /// Returns the fencing token: larger than that of every holder before.
    fn fence(&self) -> u64;

    /// Returns from whom it was taken over, who did not show up for too long.
    fn previous(&self) -> Option<&Holder>;

    /// Returns whether it is certainly held at this moment, by this process's own clock: what is asked before every write.
    fn holds(&self) -> bool;

    /// Gives it back.
    ///
    /// # Errors
    /// [`crate::Error::LockLost`] where it was lost before.
    async fn release(&self) -> Result<()>;
}
