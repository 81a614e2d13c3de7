//! What can be wrong with a record in a store, in words.

use coeval_core::document::Unreadable;
use coeval_store::event::Failure;
use coeval_store::records::escaped;

/// Its operation refuses it at the target version.
pub(super) const REJECTED: &str = "rejected";
/// The target version cannot show it, and its operation lets it stay.
pub(super) const QUARANTINED: &str = "quarantined";
/// It does not fit the version it is stored at.
pub(super) const BROKEN: &str = "broken";
/// It has an undeclared property whose name a version claims.
pub(super) const CLAIMED: &str = "claimed";
/// Its bytes are no record.
pub(super) const UNREADABLE: &str = "unreadable";
/// Its stamps say different versions.
pub(super) const CONTRADICTION: &str = "contradiction";
/// Its version is not in the manifest.
pub(super) const UNKNOWN_VERSION: &str = "unknown-version";
/// It lies where a record of another key belongs.
pub(super) const MISPLACED: &str = "misplaced";
/// Another record of the same file has the same key.
pub(super) const DUPLICATE: &str = "duplicate";
/// A law does not hold for it: a fault of coeval.
pub(super) const LAW: &str = "law";

/// All kinds.
pub(super) const KINDS: [&str; 10] =
    [REJECTED, QUARANTINED, BROKEN, CLAIMED, UNREADABLE, CONTRADICTION, UNKNOWN_VERSION, MISPLACED, DUPLICATE, LAW];

/// Makes a failure.
///
/// Keys and reasons come from records: what a terminal would take for an order is escaped.
pub(super) fn failure(model: &str, key: impl Into<String>, kind: &'static str, reason: impl Into<String>) -> Failure {
    let (key, reason) = (escaped(&key.into()), escaped(&reason.into()));
    Failure { model: model.to_owned(), key, kind, reason }
}

/// Says why bytes are no record.
pub(super) fn unreadable(error: &Unreadable) -> String {
    error.to_string()
}
