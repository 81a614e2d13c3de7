//! Who keeps a statement waiting: asked on a second connection, while it waits.

use std::fmt;
use std::time::Duration;

use coeval_store::Result;
use coeval_store::records::escaped;
use tokio_postgres::types::Type;

use crate::database::Database;
use crate::error::During;

/// How much of a session's statement is shown.
const SHOWN: usize = 100;

/// A session that holds a lock that somebody waits for.
#[derive(Debug, Clone, PartialEq)]
pub struct Blocker {
    /// Its process on the server; 0 for a transaction that was prepared and belongs to no session.
    pub pid: i32,
    /// What its program calls itself.
    pub application: Option<String>,
    /// Its role.
    pub user: Option<String>,
    /// What it does: `active`, `idle in transaction` …; `None` where this role may not see it.
    pub state: Option<String>,
    /// For how long its transaction has been under way.
    pub since: Option<Duration>,
    /// The first line of its statement, the last one where it is idle.
    pub query: Option<String>,
    /// Whether the server itself tidies up: it makes way for who waits for long enough.
    pub autovacuum: bool,
}

impl fmt::Display for Blocker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.pid == 0 {
            return f.write_str("a prepared transaction (see pg_prepared_xacts)");
        }
        let mut parts: Vec<String> = Vec::new();
        parts.extend(self.application.clone().filter(|name| !name.is_empty()));
        parts.extend(self.user.as_ref().map(|user| format!("user {user}")));
        let since = self.since.map(|since| format!(" for {:.1} s", since.as_secs_f64())).unwrap_or_default();
        match &self.state {
            Some(state) => parts.push(format!("{state}{since}")),
            None if self.autovacuum => parts.push(format!("autovacuum{since}")),
            None => {}
        }
        parts.extend(self.query.clone());
        write!(f, "session {} ({})", self.pid, parts.join(", "))
    }
}

/// What a statement waits for.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Wait {
    /// The table, where it is one.
    pub(crate) relation: Option<String>,
    /// Who holds it.
    pub(crate) blockers: Vec<Blocker>,
}

impl fmt::Display for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<String> = self.blockers.iter().map(ToString::to_string).collect();
        match &self.relation {
            Some(relation) => write!(f, "{relation} is locked by {}", names.join(" and ")),
            None => write!(f, "it waits for {}", names.join(" and ")),
        }
    }
}

/// Which statement is looked at.
#[derive(Debug, Clone)]
pub(crate) enum Target {
    /// That of a process.
    Process(i32),
    /// The one that begins so.
    Statement(String),
}

/// A statement, looked at from outside.
#[derive(Debug, Clone)]
pub(crate) struct Glance {
    /// Its process.
    pub(crate) pid: i32,
    /// What it waits for; nothing where it goes on.
    pub(crate) wait: Option<Wait>,
}

// Asking for blockers stops the server's lock manager for a moment: it is only asked where there is a wait.
const LOOK: &str = "
WITH own AS (
    SELECT pid, wait_event_type FROM pg_catalog.pg_stat_activity
    WHERE pid = $1 OR starts_with(query, $2) AND state = 'active' AND pid <> pg_backend_pid()
)
SELECT own.pid, l.relation, b.pid, a.application_name, a.usename::text, a.state,
       extract(epoch FROM clock_timestamp() - a.xact_start)::float8, a.query,
       coalesce(a.backend_type = 'autovacuum worker', false)
FROM own
LEFT JOIN LATERAL (
    SELECT DISTINCT unnest(CASE own.wait_event_type WHEN 'Lock' THEN pg_blocking_pids(own.pid) END) AS pid
) b ON true
LEFT JOIN LATERAL (
    SELECT pg_locks.relation::regclass::text AS relation FROM pg_catalog.pg_locks WHERE pg_locks.pid = own.pid AND NOT granted LIMIT 1
) l ON true
LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = b.pid
ORDER BY b.pid";

/// Looks at a statement from a second connection; `None` where it is not running.
///
/// # Errors
/// What the server says.
pub(crate) async fn look(database: &Database, target: &Target) -> Result<Option<Glance>> {
    let (pid, text) = match target {
        Target::Process(pid) => (Some(*pid), None),
        Target::Statement(text) => (None, Some(text.as_str())),
    };
    let what = "looking for who holds a lock";
    let client = database.control().await?;
    let rows = client.query_typed(LOOK, &[(&pid, Type::INT4), (&text, Type::TEXT)]).await.during(what)?;
    let Some(first) = rows.first() else { return Ok(None) };
    let pid = first.try_get(0).during(what)?;
    let mut wait = Wait { relation: first.try_get(1).during(what)?, blockers: Vec::new() };
    for row in &rows {
        let Some(pid) = row.try_get(2).during(what)? else { continue };
        let seconds: Option<f64> = row.try_get(6).during(what)?;
        let query: Option<String> = row.try_get(7).during(what)?;
        wait.blockers.push(Blocker {
            pid,
            application: row.try_get(3).during(what)?,
            user: row.try_get(4).during(what)?,
            state: row.try_get(5).during(what)?,
            since: seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()),
            query: query.as_deref().and_then(first_line),
            autovacuum: row.try_get(8).during(what)?,
        });
    }
    Ok(Some(Glance { pid, wait: (!wait.blockers.is_empty()).then_some(wait) }))
}

/// Ends what a process does, not the process.
///
/// # Errors
/// What the server says.
pub(crate) async fn cancel(database: &Database, pid: i32) -> Result<()> {
    let client = database.control().await?;
    let sql = "SELECT pg_cancel_backend($1)";
    client.query_typed_one(sql, &[(&pid, Type::INT4)]).await.during("cancelling a statement")?;
    Ok(())
}

/// Returns the first line of a statement, as a terminal can show it; shortened.
pub(crate) fn first_line(query: &str) -> Option<String> {
    let line = query.lines().map(str::trim).find(|line| !line.is_empty())?;
    let short: String = line.chars().take(SHOWN).collect();
    let more = if short.len() < query.trim().len() { " …" } else { "" };
    Some(format!("{}{more}", escaped(&short)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blocker_is_told_in_one_line() {
        let blocker = Blocker {
            pid: 42,
            application: Some("psql".to_owned()),
            user: Some("bob".to_owned()),
            state: Some("idle in transaction".to_owned()),
            since: Some(Duration::from_millis(12_340)),
            query: first_line("\n  SELECT *\n  FROM item"),
            autovacuum: false,
        };
        let wait = |relation: Option<&str>, blocker: &Blocker| {
            Wait { relation: relation.map(str::to_owned), blockers: vec![blocker.clone()] }.to_string()
        };
        let told = "session 42 (psql, user bob, idle in transaction for 12.3 s, SELECT * …)";
        assert_eq!(wait(Some("shop.item"), &blocker), format!("shop.item is locked by {told}"));
        assert_eq!(wait(None, &blocker), format!("it waits for {told}"));
        let hidden = Blocker { application: None, state: None, since: None, query: None, ..blocker.clone() };
        assert_eq!(hidden.to_string(), "session 42 (user bob)");
        let prepared = Blocker { pid: 0, ..hidden };
        assert_eq!(prepared.to_string(), "a prepared transaction (see pg_prepared_xacts)");
    }

    #[test]
    fn only_the_beginning_of_a_statement_is_shown_and_nothing_that_a_terminal_obeys() {
        assert_eq!(first_line("SELECT 1").unwrap(), "SELECT 1");
        assert_eq!(first_line("SELECT '\u{1b}[2J'").unwrap(), "SELECT '\\u{1b}[2J'");
        assert_eq!(first_line(&"x".repeat(300)).unwrap(), format!("{} …", "x".repeat(100)));
        assert_eq!(first_line(" \n "), None);
    }
}
