//! What a run sends to the server: nothing that `lint` would warn of in SQL written by hand, and each step by its recipe.

#![allow(clippy::unwrap_used, reason = "a test fails where it would")]

mod common;

use std::collections::BTreeSet;

use coeval_engine::{Goal, How, run};
use coeval_plan::SqlDialect;
use coeval_plan::lint::{Context, lint_sql};
use common::proxy::Proxy;
use common::shop::{Versions, migrate, open};
use common::{ask, fresh, session};

const TEAM: Versions<'static> =
    (r#"{"type": "model", "name": "team", "key": ["id"], "properties": {"id": {"type": "integer", "required": true}}}"#, &[]);
const STAFF: Versions<'static> = (
    r#"{"type": "model", "name": "staff", "key": ["id"], "properties": {
        "id": {"type": "integer", "required": true}, "name": {"type": "string", "required": true}, "mail": "string",
        "pay": "number", "team": {"type": "ref", "model": "team"}, "note": "string", "age": "integer"}}"#,
    &[
        (
            2,
            &[
                r#"{"rename_property": {"from": "name", "to": "full_name"}}"#,
                r#"{"retype_property": {"path": "pay", "schema": "integer", "up": "cast(round(pay * 100) as integer)", "down": "cast(pay as number) / 100"}}"#,
                r#"{"require_property": {"path": "age", "value": "0"}}"#,
                r#"{"remove_property": {"path": "note"}}"#,
                r#"{"add_property": {"path": "slug", "schema": {"type": "string", "required": true}, "value": "full_name || '-'"}}"#,
                r#"{"add_property": {"path": "lead", "schema": {"type": "ref", "model": "team"}}}"#,
                r#"{"add_check": {"name": "grown", "expr": "age >= 0"}}"#,
            ],
        ),
        (3, &[r#"{"add_unique": {"properties": ["mail"]}}"#, r#"{"add_index": {"properties": ["slug"]}}"#]),
    ],
);

/// What was sent, as transactions: statements that have none for themselves are alone.
fn transactions(sent: &[String]) -> Vec<Vec<&str>> {
    let (mut all, mut open): (Vec<Vec<&str>>, Option<Vec<&str>>) = (Vec::new(), None);
    for statement in sent.iter().flat_map(|text| text.split(";\n")).map(str::trim) {
        match (&mut open, statement.split(' ').next().unwrap_or_default()) {
            (_, "START" | "BEGIN") => open = Some(Vec::new()),
            (_, "COMMIT" | "ROLLBACK") => all.extend(open.take()),
            (Some(open), _) => open.push(statement),
            (None, _) => all.push(vec![statement]),
        }
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_run_sends_is_what_lint_asks_for() {
    let url = fresh().await;
    migrate(&open(&url, &[TEAM, STAFF], 3), 1).await;
    let client = session(&url).await;
    let rows = "SELECT g, 'n' || g, 'm' || g, g FROM generate_series(1, 500) g";
    ask(&client, &format!("INSERT INTO shop_v1.staff (id, name, mail, pay) {rows}")).await;
    let proxy = Proxy::before(&url).await;
    let backend = open(proxy.url(), &[TEAM, STAFF], 3);
    run(&backend, Goal::Migrate { to: Some(3), scan: false }, &How::quietly()).await.unwrap();
    let sent = proxy.passed().into_iter().filter(|message| message.asks && !message.sql.is_empty());
    let sent: Vec<String> = sent.map(|message| message.sql).collect();
    let all = transactions(&sent);
    let on_tables = |statement: &&&str| statement.contains("\"shop\".\"");
    // Who waits for a lock does not wait long.
    for strong in
        all.iter().filter(|all| all.iter().any(|s| s.starts_with("LOCK TABLE") || s.starts_with("ALTER TABLE \"shop\"")))
    {
        assert!(strong[0].starts_with("SET LOCAL lock_timeout = 200"), "{strong:#?}");
    }
    let place = |what: &str| -> Vec<usize> { (0..all.len()).filter(|at| all[*at].iter().any(|s| s.contains(what))).collect() };
    // Indexes are made beside what goes on, which no transaction may do.
    let indexes = place(" INDEX CONCURRENTLY ");
    assert!(indexes.len() == 2 && indexes.iter().all(|at| all[*at].len() == 1), "{indexes:?}");
    let indexed = all.iter().flatten().filter(on_tables).filter(|s| s.contains("CREATE") && s.contains(" INDEX ")).count();
    assert_eq!(indexed, 2);
    // What has to be proved is proved by itself, under a lock that lets others write; and a column is required after that only.
    let added: Vec<&&str> = all.iter().flatten().filter(on_tables).filter(|s| s.contains(" ADD CONSTRAINT ")).collect();
    assert!(added.len() == 2 && added.iter().all(|s| s.ends_with(" NOT VALID")), "{added:#?}");
    let (unproved, proved) = (place(" NOT VALID"), place(" VALIDATE CONSTRAINT "));
    assert!(
        unproved.len() == 2 && proved.len() == 2 && unproved.iter().zip(&proved).all(|(a, b)| a < b),
        "{unproved:?}, {proved:?}"
    );
    assert!(proved.iter().all(|at| !all[*at].iter().any(|s| s.starts_with("LOCK TABLE"))));
    assert!(place(" SET NOT NULL").iter().all(|at| *at > proved[0]), "{all:#?}");
    // Columns come without anything that would write rows anew.
    let columns: Vec<&&str> = all.iter().flatten().filter(on_tables).filter(|s| s.contains(" ADD COLUMN ")).collect();
    assert!(columns.len() > 5 && columns.iter().all(|s| !s.contains("DEFAULT") && !s.contains("NOT NULL")), "{columns:#?}");
    // And of all that is said to tables lint has nothing more to say than that triggers come in a step of their own, and what an index that
    // is not whole would do, which the run looks for.
    let told = |statement: &&str| {
        let makes = ["ALTER ", "CREATE ", "DROP ", "LOCK ", "/* coeval "].iter().any(|begin| statement.starts_with(begin));
        let own = makes && statement.contains("\"shop\".\"");
        own || ["SET LOCAL lock_timeout = 200", "START ", "COMMIT"].iter().any(|begin| statement.starts_with(begin))
    };
    let statements = sent.iter().flat_map(|text| text.split(";\n")).map(str::trim);
    let text = statements.filter(told).collect::<Vec<_>>().join(";\n");
    let found = lint_sql(&text, SqlDialect::Postgres, &Context::default());
    let codes: BTreeSet<&str> = found.iter().map(|finding| finding.code).collect();
    let known = BTreeSet::from(["PG031-trigger-apart-from-column-change", "PG036-not-idempotent"]);
    assert_eq!(codes, known, "{found:#?}\n{text}");
}
