//! What went wrong with a store, as a person is told, and as an exit code.

use coeval_engine::Error as RunError;
use coeval_manifest::Diagnostic;
use coeval_store::Error;
use coeval_store::ledger::Action;

use crate::error::{CommandError, Kind};

/// An error of a store that did not change anything.
pub(crate) fn refused(error: &Error, store: &str) -> CommandError {
    let (kind, code, help) = told(error);
    let diagnostic = Diagnostic::error(code, format!("{store}: {}", message(error)));
    CommandError::new(kind, with(diagnostic, help))
}

fn with(diagnostic: Diagnostic, help: Option<String>) -> Diagnostic {
    match help {
        Some(help) => diagnostic.help(help),
        None => diagnostic,
    }
}

fn message(error: &Error) -> String {
    match error {
        Error::Locked { holder } => format!("{} holds the lock since {}, to {}", holder.name, holder.since, holder.purpose),
        other => other.to_string(),
    }
}

fn told(error: &Error) -> (Kind, &'static str, Option<String>) {
    let say = |help: &str| Some(help.to_owned());
    match error {
        Error::Conflict { .. } => (Kind::Refused, "conflict", say("read it again, and decide anew")),
        Error::Transient { .. } => (Kind::Failed, "unavailable", say("try again later")),
        Error::Failed { help, .. } => (Kind::Failed, "failed", help.clone()),
        Error::Unsupported { .. } => (Kind::Refused, "unsupported", None),
        Error::Unreadable { newer: true, .. } => {
            (Kind::Refused, "newer-history", say("take the newest coeval; nothing was written"))
        }
        Error::Unreadable { newer: false, .. } => {
            (Kind::Refused, "unreadable-history", say("something else wrote into it; nothing was written"))
        }
        Error::Locked { .. } => (Kind::Refused, "locked", say("`--wait` waits until it is given back")),
        Error::LockLost { .. } => (Kind::Failed, "lock-lost", say("`coeval status` says how far the other one is")),
        Error::Refused(_) => (Kind::Refused, "does-not-fit", None),
        Error::BadRecord { .. } => (Kind::Refused, "bad-record", None),
        Error::Unknown { help, .. } => (Kind::Refused, "unknown", help.clone()),
        Error::Records { .. } => (Kind::Refused, "records", say("correct them, or say `--on-fail quarantine`")),
        Error::Stopped => (Kind::Failed, "stopped", say("nothing was changed")),
        Error::Crashed => (Kind::Failed, "failed", None),
    }
}

/// How a run did not come to its end.
pub(crate) fn failed(error: &RunError, store: &str) -> CommandError {
    match error {
        RunError::Refused(refusal) => {
            let diagnostic = Diagnostic::error(refusal.code(), format!("{store}: {refusal}")).help(refusal.help());
            CommandError::new(Kind::Refused, diagnostic)
        }
        RunError::Store(error) => refused(error, store),
        RunError::Undone { .. } => {
            let diagnostic = Diagnostic::error("undone", format!("{store}: {error}"));
            let records =
                matches!(error, RunError::Undone { failure: Some(failure), .. } if matches!(**failure, Error::Records { .. }));
            let help = records
                .then(|| "correct the records, or say `--on-fail quarantine`; `--dry-run` tries without writing".to_owned());
            CommandError::new(Kind::Failed, with(diagnostic, help))
        }
        RunError::Open { started, failure, undoing } => {
            let what = match (started.action, undoing) {
                (_, Some(reason)) => format!("undoing run {} ({reason})", started.run),
                (Action::Migrate, None) => format!("the migration to version {}", started.to),
                (Action::Rollback, None) => format!("the rollback to version {}", started.to),
                (Action::Retire { before }, None) => format!("retiring what lies before version {before}"),
            };
            let how = match (started.action, undoing) {
                (Action::Migrate, None) => {
                    format!("`coeval migrate --to {}` resumes it, `coeval rollback` undoes it", started.to)
                }
                (Action::Migrate, Some(_)) => "`coeval rollback` goes on undoing it".to_owned(),
                (Action::Rollback, _) => "`coeval rollback` resumes it".to_owned(),
                (Action::Retire { before }, _) => format!("`coeval retire --before {before} --yes` resumes it"),
            };
            let (code, message) = match &**failure {
                Error::Stopped => ("stopped", format!("{store}: {what} was stopped")),
                Error::LockLost { .. } => ("lock-lost", format!("{store}: {what} was taken over: {failure}")),
                _ => ("unfinished", format!("{store}: {what} did not come to its end: {}", message(failure))),
            };
            CommandError::new(Kind::Unfinished, Diagnostic::error(code, message).help(how))
        }
    }
}
