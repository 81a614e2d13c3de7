//! Whether a server is fit for records: its version, what it can write down, and what the role may do.

use coeval_store::{Error, Result};

use crate::database::Database;
use crate::error::During;

/// The oldest server that will do, as the server writes it: 14, the first that replaces triggers in one statement.
const OLDEST: i32 = 140_000;

/// What a server says of itself, and the role and the database of the connection.
#[derive(Debug, Clone)]
struct Found {
    number: i32,
    version: String,
    encoding: String,
    read_only: bool,
    database: String,
    role: String,
    /// Whether the role may create schemas.
    creates: bool,
}

const FOUND: &str = "
SELECT current_setting('server_version_num')::int4,
       current_setting('server_version'),
       getdatabaseencoding()::text,
       pg_is_in_recovery() OR current_setting('transaction_read_only')::bool,
       current_database()::text,
       current_user::text,
       has_database_privilege(current_database(), 'CREATE')";

/// Returns without an error if a database is fit.
///
/// # Errors
/// [`Error::Unsupported`] with the reason, and [`Error::Failed`] for what somebody can grant.
pub(crate) async fn probe(database: &Database) -> Result<()> {
    let what = format!("asking {} what it can do", database.name());
    let client = database.control().await?;
    let row = client.query_typed_one(FOUND, &[]).await.during(&what)?;
    let found = Found {
        number: row.try_get(0).during(&what)?,
        version: row.try_get(1).during(&what)?,
        encoding: row.try_get(2).during(&what)?,
        read_only: row.try_get(3).during(&what)?,
        database: row.try_get(4).during(&what)?,
        role: row.try_get(5).during(&what)?,
        creates: row.try_get(6).during(&what)?,
    };
    judge(database.name(), &found)
}

fn judge(name: &str, found: &Found) -> Result<()> {
    let unsupported = |reason: String| Err(Error::Unsupported { what: name.to_owned(), reason });
    if found.number < OLDEST {
        return unsupported(format!("it is PostgreSQL {}; 14 is the oldest that will do", found.version));
    }
    if found.encoding != "UTF8" {
        return unsupported(format!(
            "the database's encoding is {}, and records hold any character: it must be UTF8",
            found.encoding
        ));
    }
    if found.read_only {
        let reason = "it takes no writes".to_owned();
        let help = "It may be a standby: `target_session_attrs=read-write` in the address finds the server that takes writes.";
        return Err(Error::Failed { what: name.to_owned(), reason, help: Some(help.to_owned()) });
    }
    if !found.creates {
        let reason = format!("the role `{}` may not create schemas in the database `{}`", found.role, found.database);
        let help = format!("GRANT CREATE ON DATABASE \"{}\" TO \"{}\"", found.database, found.role);
        return Err(Error::Failed { what: name.to_owned(), reason, help: Some(help) });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fit() -> Found {
        Found {
            number: 140_000,
            version: "14.0".to_owned(),
            encoding: "UTF8".to_owned(),
            read_only: false,
            database: "shop".to_owned(),
            role: "me".to_owned(),
            creates: true,
        }
    }

    #[test]
    fn what_is_not_fit_is_refused_with_the_reason() {
        judge("db", &fit()).unwrap();
        for (found, reason) in [
            (Found { number: 139_999, version: "13.99".to_owned(), ..fit() }, "PostgreSQL 13.99; 14 is the oldest"),
            (Found { encoding: "LATIN1".to_owned(), ..fit() }, "encoding is LATIN1"),
            (Found { read_only: true, ..fit() }, "takes no writes"),
            (Found { creates: false, ..fit() }, "`me` may not create schemas in the database `shop`"),
        ] {
            let error = judge("db", &found).unwrap_err();
            assert!(error.to_string().contains(reason), "{error}");
        }
    }
}
