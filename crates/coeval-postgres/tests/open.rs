//! What is said where a server cannot be reached, or refuses, and how its certificate is checked.

#![allow(clippy::unwrap_used, reason = "a test fails where it would")]

mod common;

use coeval_postgres::State;
use coeval_store::Error;
use common::{fresh, open_with, server, session, variable, with_database};

async fn probe(url: &str, options: &[(&str, &str)]) -> coeval_store::Result<()> {
    State::new(open_with(url, options)?, "shop").probe().await
}

fn password() -> String {
    server().split_once('@').unwrap().0.rsplit_once(':').unwrap().1.to_owned()
}

/// Returns what the error says, and that it is not one that goes away by itself.
fn failed(error: &Error) -> (String, String) {
    let Error::Failed { what, reason, help } = error else { panic!("{error:?}") };
    let all = format!("{what} {reason} {help:?}");
    assert!(!all.contains(&password()) && !all.contains("wrong-secret"), "{all}");
    (format!("{what}: {reason}"), help.clone().unwrap_or_default())
}

#[tokio::test]
async fn a_server_that_is_fit_is_taken() {
    probe(&fresh().await, &[]).await.unwrap();
}

#[tokio::test]
async fn the_password_may_be_an_option() {
    let bare = server().replace(&format!(":{}", password()), "");
    probe(&bare, &[("password", &password())]).await.unwrap();
    let (said, help) = failed(&probe(&bare, &[]).await.unwrap_err());
    assert!(said.contains("password missing") && help.contains("PGPASSWORD"), "{said} {help}");
    // What the address says goes before the options.
    probe(&server(), &[("password", "wrong-secret")]).await.unwrap();
}

#[tokio::test]
async fn a_wrong_password_is_said() {
    let wrong = server().replace(&password(), "wrong-secret");
    let (said, help) = failed(&probe(&wrong, &[]).await.unwrap_err());
    assert!(said.starts_with("connecting to postgres://coeval@127.0.0.1:"), "{said}");
    assert!(said.contains("password authentication failed for user \"coeval\" (28P01)"), "{said}");
    assert!(help.contains("PGPASSWORD"), "{help}");
}

#[tokio::test]
async fn an_unknown_database_is_said() {
    let (said, help) = failed(&probe(&with_database(&server(), "nowhere"), &[]).await.unwrap_err());
    assert!(said.contains("database \"nowhere\" does not exist (3D000)"), "{said}");
    assert!(help.contains("createdb"), "{help}");
}

#[tokio::test]
async fn no_server_is_told_apart_from_a_refusal() {
    // A port that was free a moment ago.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let error = probe(&format!("postgres://me:secret@127.0.0.1:{port}/shop"), &[]).await.unwrap_err();
    let Error::Transient { what, reason, ambiguous, .. } = &error else { panic!("{error:?}") };
    assert!(what.contains(&format!("postgres://me@127.0.0.1:{port}/shop")) && !ambiguous, "{error:?}");
    assert!(reason.starts_with("no server answers: ") && reason.contains("refused"), "{reason}");
}

#[tokio::test]
async fn a_server_that_says_nothing_is_given_up() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("postgres://me@{}/shop", silent.local_addr().unwrap());
    let error = probe(&url, &[("connect_timeout", "0.2")]).await.unwrap_err();
    assert!(matches!(&error, Error::Transient { reason, .. } if reason == "no server answers in time"), "{error:?}");
}

#[tokio::test]
async fn options_that_make_no_sense_are_named() {
    for (options, reason, help) in [
        (("sslmod", "require"), "there is no option `sslmod`", "`sslmode`"),
        (("sslmode", "sometimes"), "no such `sslmode`", "verify-full"),
        (("connections", "0"), "`connections`", ""),
        (("lock_timeout", "long"), "`lock_timeout`", ""),
        (("sslrootcert", "/nowhere.pem"), "/nowhere.pem cannot be read", "`system`"),
    ] {
        let error = open_with("postgres://me@host/shop", &[options]).unwrap_err();
        let (said, helped) = failed(&error);
        assert!(said.contains(reason) && helped.contains(help), "{said} {helped}");
    }
}

#[tokio::test]
async fn a_role_that_may_make_no_schema_is_told_what_to_grant() {
    let url = fresh().await;
    let admin = session(&url).await;
    let role = format!("r_{}", uuid::Uuid::now_v7().simple());
    admin.batch_execute(&format!("CREATE ROLE {role} LOGIN PASSWORD 'pw'")).await.unwrap();
    let limited = url.replace(&format!("coeval:{}@", password()), &format!("{role}:pw@"));
    let (said, help) = failed(&probe(&limited, &[]).await.unwrap_err());
    assert!(said.contains("may not create schemas"), "{said}");
    admin.batch_execute(&help).await.unwrap();
    probe(&limited, &[]).await.unwrap();
}

#[tokio::test]
async fn a_database_that_cannot_hold_every_character_is_refused() {
    let name = format!("l_{}", uuid::Uuid::now_v7().simple());
    let client = session(&server()).await;
    // 14 knows no other, and not the word.
    let new = common::ask(&client, "SHOW server_version_num").await.parse::<i32>().unwrap() >= 150_000;
    let provider = if new { "LOCALE_PROVIDER libc" } else { "" };
    let make = format!("CREATE DATABASE {name} ENCODING 'LATIN1' {provider} LOCALE 'C' TEMPLATE template0");
    client.batch_execute(&make).await.unwrap();
    let error = probe(&with_database(&server(), &name), &[]).await.unwrap_err();
    assert!(matches!(&error, Error::Unsupported { reason, .. } if reason.contains("LATIN1")), "{error:?}");
}

#[tokio::test]
async fn a_server_that_takes_no_writes_is_refused() {
    let url = format!("{}?options=-c%20default_transaction_read_only=on", server());
    let (said, help) = failed(&probe(&url, &[]).await.unwrap_err());
    assert!(said.contains("takes no writes") && help.contains("target_session_attrs=read-write"), "{said} {help}");
}

/// Connects and returns whether the server sees the connection encrypted.
async fn encrypted(host: &str, query: &str) -> coeval_store::Result<bool> {
    let name = format!("tls-{}", uuid::Uuid::now_v7());
    let url = format!("{}?application_name={name}&{query}", server().replace("127.0.0.1", host));
    let state = State::new(open_with(&url, &[])?, "shop");
    state.probe().await?;
    let sql = "SELECT bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE application_name = $1";
    Ok(session(&server()).await.query_one(sql, &[&name]).await.unwrap().get(0))
}

#[tokio::test]
async fn tls_is_used_as_the_mode_says() {
    let authority = variable("COEVAL_TEST_POSTGRES_CA");
    assert!(!encrypted("127.0.0.1", "sslmode=disable").await.unwrap());
    assert!(encrypted("127.0.0.1", "").await.unwrap());
    for mode in ["prefer", "require"] {
        assert!(encrypted("127.0.0.1", &format!("sslmode={mode}")).await.unwrap());
    }
    for mode in ["require", "verify-ca"] {
        assert!(encrypted("127.0.0.1", &format!("sslmode={mode}&sslrootcert={authority}")).await.unwrap());
    }
    assert!(encrypted("localhost", &format!("sslmode=verify-full&sslrootcert={authority}")).await.unwrap());
}

#[tokio::test]
async fn tls_tells_another_server_from_the_right_one() {
    let authority = variable("COEVAL_TEST_POSTGRES_CA");
    for (host, query, reason) in [
        // The certificate is for `localhost`.
        ("127.0.0.1", format!("sslmode=verify-full&sslrootcert={authority}"), "not valid for name"),
        ("127.0.0.1", format!("sslrootcert={authority}"), "not valid for name"),
        ("localhost", "sslmode=verify-full".to_owned(), "UnknownIssuer"),
        ("localhost", "sslmode=verify-ca&sslrootcert=system".to_owned(), "UnknownIssuer"),
    ] {
        let (said, help) = failed(&encrypted(host, &query).await.unwrap_err());
        assert!(said.contains(reason) && help.contains("`sslrootcert`"), "{query}: {said} {help}");
    }
}
