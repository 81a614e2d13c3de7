//! The time and new ids, which tests put their own in the place of.

use std::fmt::Debug;

use chrono::{SecondsFormat, Utc};
use uuid::Uuid;

/// Tells the time and makes ids.
pub trait Clock: Debug + Send + Sync {
    /// Returns the time, in RFC 3339.
    fn now(&self) -> String;

    /// Returns a new id, unlike any other.
    fn id(&self) -> String;
}

/// The system's.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> String {
        Utc::now().to_rfc3339_opts(SecondsFormat::Secs, true)
    }

    fn id(&self) -> String {
        Uuid::now_v7().to_string()
    }
}
