//! Runs that died at the worst moments; `coeval-cli` kills processes at any moment.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![allow(dead_code, reason = "not every test uses all that they share")]

mod common;

use std::path::Path;
use std::sync::Arc;

use coeval_core::history::{History, Release};
use coeval_core::json;
use coeval_core::op::{Context, Operation, Rewrites};
use coeval_core::schema::{Model, no_shared_types};
use coeval_core::table::Tables;
use coeval_engine::{Error, Goal, How, Outcome, run};
use coeval_sqlite::Sqlite;
use coeval_store::event::{Event, Observer};
use coeval_store::ledger::VersionId;
use coeval_store::{Catalog, Era, ModelEntry};

use common::{Outside, database, fresh};

const UP: Goal = Goal::Migrate { to: Some(2), scan: false };
const BACK: Goal = Goal::Rollback { to: None };

/// Parts: the second version converts the price and adds a slug.
fn store(path: &Path) -> Sqlite {
    let model = r#"{"type": "model", "name": "part", "key": ["id"], "properties": {"id": {"type": "integer", "required": true},
        "name": {"type": "string", "required": true}, "price": {"type": "integer", "required": true}}}"#;
    let operations = [
        r#"{"retype_property": {"path": "price", "schema": {"type": "string", "required": true}, "up": "cast(price + 1000 as string)", "down": "cast(price as integer) - 1000"}}"#,
        r#"{"add_property": {"path": "slug", "schema": {"type": "string", "required": true}, "value": "name || '-'"}}"#,
        r#"{"add_index": {"properties": ["slug"]}}"#,
    ];
    let parse = |text: &&str| Operation::from_value(&json::parse(text.as_bytes()).unwrap()).unwrap();
    let release = Release { version: 2, operations: operations.iter().map(parse).collect(), order: None };
    let model = Model::from_value(&json::parse(model.as_bytes()).unwrap(), &no_shared_types).unwrap();
    let history = History::new(1, model, &[release], &Context { tables: &Tables::new(), rewrites: &Rewrites::new() }).unwrap();
    let id = |number: u32| VersionId { number, id: format!("v{number}") };
    let models = vec![ModelEntry { name: "part".to_owned(), eras: vec![Era { first: 1, end: None, history }] }];
    let catalog = Catalog { versions: (1..=2).map(id).collect(), models, ..Catalog::default() };
    Sqlite::new(database(path, &[]), "shop", Arc::new(catalog))
}

/// Lets the migration die when the new version is offered, and nobody has noted that the run is over.
async fn died_after_it_offered(path: &Path) -> Outside {
    let store = store(path);
    run(&store, Goal::Migrate { to: Some(1), scan: false }, &How::quietly()).await.unwrap();
    let mut client = Outside::open(path);
    assert_eq!(client.run("INSERT INTO part_v1 (id, name, price) VALUES (1, 'n1', 1), (2, 'n2', 2), (3, 'n3', 3)"), "[]");
    let die = "CREATE TRIGGER die BEFORE INSERT ON coeval_history WHEN json_extract(NEW.entry, '$.event') = 'finished'
        BEGIN SELECT raise(ABORT, 'dead'); END";
    assert_eq!(client.run(die), "[]");
    let error = run(&store, UP, &How::quietly()).await.unwrap_err();
    assert!(matches!(error, Error::Open { undoing: None, .. }), "{error:?}");
    assert_eq!(client.run("DROP TRIGGER die"), "[]");
    // It is there, and clients use it.
    assert_eq!(client.run("UPDATE part_v2 SET slug = 'own', price = '1022' WHERE id = 2"), "[]");
    assert_eq!(client.run("SELECT id, price FROM part_v1"), "[(1, 1), (2, 22), (3, 3)]");
    client
}

/// A client of both versions that writes at the beginning of each step.
#[derive(Debug)]
struct Client(std::path::PathBuf);

impl Observer for Client {
    fn event(&self, event: Event) {
        let Event::StepStarted { what, .. } = event else { return };
        let mut client = Outside::open(&self.0);
        for write in ["UPDATE part_v2 SET price = price + 1 WHERE id = 3", "UPDATE part_v1 SET price = price + 1 WHERE id = 3"] {
            assert_eq!(client.run(write), "[]", "{what}");
            let same = "SELECT a.price + 1000 = CAST(b.price AS INTEGER) FROM part_v1 a JOIN part_v2 b USING (id) WHERE id = 3";
            assert_eq!(client.run(same), "[(1,)]", "after {write} before `{what}`");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_died_after_it_offered_is_resumed_under_its_clients() {
    let (_folder, path) = fresh();
    died_after_it_offered(&path).await;
    let client = Client(path.clone());
    let outcome = run(&store(&path), UP, &How { observer: &client, ..How::quietly() }).await.unwrap();
    assert!(matches!(&outcome, Outcome::Done(done) if done.resumed), "{outcome:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_died_after_it_offered_is_undone_and_what_its_clients_wrote_is_kept() {
    let (_folder, path) = fresh();
    let mut client = died_after_it_offered(&path).await;
    let outcome = run(&store(&path), BACK, &How::quietly()).await.unwrap();
    assert!(matches!(outcome, Outcome::Undone { version: 1, .. }), "{outcome:?}");
    assert_eq!(client.run("SELECT count(*) FROM sqlite_schema WHERE name = 'part_v2'"), "[(0,)]");
    assert_eq!(client.run("SELECT id, price FROM part_v1"), "[(1, 1), (2, 22), (3, 3)]");
    run(&store(&path), UP, &How::quietly()).await.unwrap();
    assert_eq!(client.run("SELECT id, price, slug FROM part_v2"), "[(1, '1001', 'n1-'), (2, '1022', 'own'), (3, '1003', 'n3-')]");
}
