//! What went wrong, told by what the caller can do next.

use std::time::Duration;

use coeval_store::Error;
use object_store::client::HttpErrorKind;

use super::Kind;
use super::heard::{Failure, Heard, Status, chain};

/// What was asked for, as far as it matters for what an error means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Act {
    /// Reading an object or listing.
    Read,
    /// Writing, upon a condition or not.
    Write {
        /// Whether it depends on something.
        conditional: bool,
    },
}

/// A request that failed.
#[derive(Debug)]
pub(super) struct Failed<'a> {
    /// Which kind of store it was asked of.
    pub(super) kind: Kind,
    /// What was asked for, with the store's name.
    pub(super) what: String,
    /// The key, which is what a conflict is about.
    pub(super) key: &'a str,
    /// What was done.
    pub(super) act: Act,
}

impl Failed<'_> {
    /// Makes an error of what the library says and what was heard beneath it.
    pub(super) fn error(self, error: &object_store::Error, heard: Heard) -> Error {
        match heard.failure {
            Some(Failure::Status(said)) => self.status(&said),
            Some(Failure::Network { kind, text }) => self.network(kind, text),
            // The library itself: an answer that makes no sense, a body that was cut.
            None => match network_error(error) {
                Some((kind, text)) => self.network(kind, text),
                None => self.failed(chain(error), None),
            },
        }
    }

    fn status(self, said: &Status) -> Error {
        let conditional = matches!(self.act, Act::Write { conditional: true });
        let refused_key = "see that `access_key_id` and `secret_access_key` belong together and to this server";
        match (said.number, said.code.as_str()) {
            (_, "NoSuchBucket" | "ContainerNotFound") => {
                self.failed(text(said), Some("Create the bucket, or correct its name in the address.".to_owned()))
            }
            (404 | 412, _) if conditional => Error::Conflict { what: self.key.to_owned() },
            // S3: another conditional write is under way; the answer comes when that is over.
            (409, "ConditionalRequestConflict" | "OperationAborted") => self.transient(text(said), said.after, false),
            (409, _) if conditional && self.kind == Kind::Azure => Error::Conflict { what: self.key.to_owned() },
            (503, "SlowDown" | "Throttling" | "ServerBusy" | "RequestLimitExceeded") | (429, _) => {
                self.transient(text(said), said.after, false)
            }
            (400, "RequestTimeout") | (408 | 500 | 502 | 503 | 504, _) => self.transient(text(said), said.after, true),
            (_, "ExpiredToken" | "TokenRefreshRequired") => {
                self.failed(text(said), Some("The session token has expired: get a new one.".to_owned()))
            }
            (_, "InvalidAccessKeyId" | "SignatureDoesNotMatch" | "InvalidToken" | "AuthenticationFailed") => {
                self.failed(text(said), Some(format!("Who asks was not recognised; {refused_key}.")))
            }
            (_, "RequestTimeTooSkewed") => self.failed(text(said), Some("Set this machine's clock.".to_owned())),
            (301 | 307 | 308, _) | (400, "AuthorizationHeaderMalformed" | "IllegalLocationConstraintException") => {
                let help = said.region.as_ref().map_or_else(
                    || "Set `region`, and `endpoint` where the store is not Amazon's own, to where the bucket lies.".to_owned(),
                    |region| format!("The bucket lies in another region: set `region: {region}`."),
                );
                self.failed(text(said), Some(help))
            }
            (401 | 403, _) => {
                let right = if self.act == Act::Read { "read and list" } else { "write and delete" };
                self.failed(text(said), Some(format!("Whoever asks needs the right to {right} objects there.")))
            }
            _ => self.failed(text(said), None),
        }
    }

    fn network(self, kind: HttpErrorKind, text: String) -> Error {
        let never = [
            ("Name or service not known", "There is no such server: correct `endpoint`."),
            ("No address associated", "There is no such server: correct `endpoint`."),
            ("failed to lookup address information: nodename nor servname", "There is no such server: correct `endpoint`."),
            ("invalid peer certificate", "The server's certificate is not trusted by this machine; install its authority's."),
            ("InvalidContentType", "The server speaks no TLS: write `http://` in `endpoint` if that is meant."),
        ];
        if let Some((_, help)) = never.iter().find(|(said, _)| text.contains(said)) {
            return self.failed(text, Some((*help).to_owned()));
        }
        match kind {
            HttpErrorKind::Connect => self.transient(text, None, false),
            HttpErrorKind::Timeout => self.transient(format!("the request timed out ({text})"), None, true),
            // An answer that broke off, or was no answer of this protocol; what the request did nobody knows.
            _ => self.transient(text, None, true),
        }
    }

    fn transient(self, reason: String, after: Option<Duration>, ambiguous: bool) -> Error {
        let ambiguous = ambiguous && self.act != Act::Read;
        Error::Transient { what: self.what, reason, after, ambiguous }
    }

    fn failed(self, reason: String, help: Option<String>) -> Error {
        Error::Failed { what: self.what, reason, help }
    }
}

/// Returns what a server said, for people.
fn text(said: &Status) -> String {
    [&said.number.to_string(), &said.code, &said.message]
        .into_iter()
        .filter(|part| !part.is_empty())
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join(" ")
}

/// Finds an error of the network among an error's causes.
fn network_error(error: &object_store::Error) -> Option<(HttpErrorKind, String)> {
    let mut source: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = source {
        if let Some(http) = error.downcast_ref::<object_store::client::HttpError>() {
            return Some((http.kind(), chain(http)));
        }
        source = error.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(kind: HttpErrorKind, text: &str) -> Error {
        let failed =
            Failed { kind: Kind::S3, what: "writing s3://b/a".to_owned(), key: "a", act: Act::Write { conditional: true } };
        failed.network(kind, text.to_owned())
    }

    #[test]
    fn a_server_that_cannot_be_there_is_not_asked_again() {
        for (text, help) in [
            (
                "dns error: failed to lookup address information: Name or service not known",
                "There is no such server: correct `endpoint`.",
            ),
            (
                "invalid peer certificate: Expired",
                "The server's certificate is not trusted by this machine; install its authority's.",
            ),
        ] {
            let Error::Failed { reason, help: said, .. } = network(HttpErrorKind::Connect, text) else { panic!("{text}") };
            assert_eq!((&*reason, said.as_deref()), (text, Some(help)));
        }
    }

    #[test]
    fn what_the_network_does_is_ambiguous_once_it_was_reached() {
        for (kind, text, ambiguous) in [
            (HttpErrorKind::Connect, "Connection refused", false),
            (HttpErrorKind::Connect, "Temporary failure in name resolution", false),
            (HttpErrorKind::Timeout, "operation timed out", true),
            (HttpErrorKind::Interrupted, "Connection reset by peer", true),
            (HttpErrorKind::Request, "connection closed before message completed", true),
        ] {
            let Error::Transient { ambiguous: said, .. } = network(kind, text) else { panic!("{text}") };
            assert_eq!(said, ambiguous, "{text}");
        }
    }
}
