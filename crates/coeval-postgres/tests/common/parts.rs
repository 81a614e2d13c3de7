//! Parts over two versions, of which the second has a bit of everything; and clients of both who know what they must see.

use std::time::{Duration, Instant};

use coeval_engine::{Error, Goal, How, Outcome, run};
use tokio_postgres::Client;

use super::dump::dump;
use super::proxy::{After, Message, Proxy};
use super::shop::{Versions, open};
use super::{ask, fresh, session};

pub(crate) const PART: Versions<'static> = (
    r#"{"type": "model", "name": "part", "key": ["id"], "properties": {
        "id": {"type": "integer", "required": true}, "name": {"type": "string", "required": true},
        "price": "number", "note": "string", "qty": "integer"}}"#,
    &[(
        2,
        &[
            r#"{"rename_property": {"from": "name", "to": "title"}}"#,
            r#"{"retype_property": {"path": "price", "schema": "integer", "up": "cast(round(price * 100) as integer)", "down": "cast(price as number) / 100"}}"#,
            r#"{"require_property": {"path": "qty", "value": "0"}}"#,
            r#"{"remove_property": {"path": "note"}}"#,
            r#"{"add_property": {"path": "slug", "schema": {"type": "string", "required": true}, "value": "title || '-'"}}"#,
            r#"{"add_index": {"properties": ["slug"]}}"#,
        ],
    )],
);

pub(crate) const UP: Goal = Goal::Migrate { to: Some(2), scan: false };
pub(crate) const BACK: Goal = Goal::Rollback { to: Some(1) };

/// All that the catalog says of the deployment's schemas; quicker than `pg_dump`, and what is in it is in no order.
pub(crate) const SHAPE: &str = r"
WITH own AS (SELECT oid, nspname FROM pg_namespace WHERE nspname LIKE 'shop%'),
relations AS (SELECT c.* FROM pg_class c JOIN own ON own.oid = c.relnamespace)
SELECT string_agg(line, E'\n' ORDER BY line) FROM (
    SELECT format('schema %s: %s %s', nspname, obj_description(oid, 'pg_namespace'), nspname) FROM own
    UNION ALL SELECT format('relation %s: %s %s %s', oid::regclass, relkind, relacl, reloptions) FROM relations
    UNION ALL SELECT format('column %s.%s: %s %s %s %s', r.oid::regclass, attname, row_number() OVER (PARTITION BY r.oid ORDER BY attnum),
            format_type(atttypid, atttypmod), attnotnull, pg_get_expr(d.adbin, d.adrelid))
        FROM relations r JOIN pg_attribute a ON a.attrelid = r.oid AND attnum > 0 AND NOT attisdropped AND r.relkind <> 'i'
        LEFT JOIN pg_attrdef d ON d.adrelid = r.oid AND d.adnum = a.attnum
    UNION ALL SELECT format('constraint %s: %s %s', conname, conrelid::regclass, pg_get_constraintdef(k.oid))
        FROM pg_constraint k JOIN relations r ON r.oid = conrelid
    UNION ALL SELECT format('index %s %s', pg_get_indexdef(indexrelid), indisvalid) FROM pg_index JOIN relations r ON r.oid = indrelid
    UNION ALL SELECT format('view %s %s', oid::regclass, pg_get_viewdef(oid)) FROM relations WHERE relkind = 'v'
    UNION ALL SELECT format('trigger %s', pg_get_triggerdef(t.oid)) FROM pg_trigger t JOIN relations r ON r.oid = tgrelid
    UNION ALL SELECT format('function %s', pg_get_functiondef(p.oid)) FROM pg_proc p JOIN own ON own.oid = pronamespace
) AS lines (line)";

/// A part as all versions know it.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    pub(crate) id: i64,
    pub(crate) name: String,
    pub(crate) cents: Option<i64>,
    pub(crate) note: Option<&'static str>,
    pub(crate) qty: Option<i64>,
    pub(crate) slug: String,
}

fn shown(value: Option<impl ToString>) -> String {
    value.map_or_else(|| "∅".to_owned(), |value| value.to_string())
}

impl Part {
    pub(crate) fn new(id: i64, cents: Option<i64>, note: Option<&'static str>, qty: Option<i64>) -> Self {
        Self { id, name: format!("n{id}"), cents, note, qty, slug: format!("n{id}-") }
    }

    pub(crate) fn older(&self) -> String {
        let price = self.cents.map(|cents| format!("{}.{:02}", cents / 100, cents % 100));
        format!("{}|{}|{}|{}|{}", self.id, self.name, shown(price), shown(self.note), shown(self.qty))
    }

    pub(crate) fn newer(&self) -> String {
        format!("{}|{}|{}|{}|{}", self.id, self.name, shown(self.cents), self.qty.unwrap_or_default(), self.slug)
    }
}

/// What a run leaves when nothing disturbs it.
pub(crate) struct Whole {
    pub(crate) shape: String,
    pub(crate) dump: String,
    pub(crate) archive: String,
}

/// A deployment at version 1, with a proxy before it, and what its clients know.
pub(crate) struct Shop {
    pub(crate) url: String,
    pub(crate) client: Client,
    pub(crate) proxy: Proxy,
    pub(crate) parts: Vec<Part>,
    pub(crate) round: i64,
}

pub(crate) const ARCHIVE: &str =
    "SELECT table_name, key, base, kept FROM coeval.archive WHERE deployment = 'shop' ORDER BY 1, 2, 3";

impl Shop {
    pub(crate) async fn new() -> Self {
        let url = fresh().await;
        run(&open(&url, &[PART], 2), Goal::Migrate { to: Some(1), scan: false }, &How::quietly()).await.unwrap();
        let client = session(&url).await;
        let parts = vec![
            Part::new(1, Some(125), Some("first"), Some(1)),
            Part::new(2, Some(200), None, None),
            Part::new(3, None, Some("third"), Some(0)),
            Part::new(4, Some(401), Some(""), Some(7)),
        ];
        let rows =
            "(1, 'n1', 1.25, 'first', 1), (2, 'n2', 2.00, NULL, NULL), (3, 'n3', NULL, 'third', 0), (4, 'n4', 4.01, '', 7)";
        ask(&client, &format!("INSERT INTO shop_v1.part (id, name, price, note, qty) VALUES {rows}")).await;
        let proxy = Proxy::before(&url).await;
        Self { url, client, proxy, parts, round: 0 }
    }

    pub(crate) async fn has_newer(&self) -> bool {
        ask(&self.client, "SELECT to_regnamespace('shop_v2') IS NOT NULL").await == "t"
    }

    /// What a client of the old version reads is right, and so is what one of the new version reads, if it is there.
    pub(crate) async fn check(&self, what: &str) {
        let expected = |show: fn(&Part) -> String| self.parts.iter().map(show).collect::<Vec<_>>().join("\n");
        let older = ask(&self.client, "SELECT id, name, price::numeric(20, 2), note, qty FROM shop_v1.part ORDER BY id").await;
        assert_eq!(older, expected(Part::older), "{what}");
        if self.has_newer().await {
            let newer = ask(&self.client, "SELECT id, title, price, qty, slug FROM shop_v2.part ORDER BY id").await;
            assert_eq!(newer, expected(Part::newer), "{what}");
        }
    }

    /// A client of the old version reads and writes.
    pub(crate) async fn use_older(&mut self, what: &str) {
        self.check(what).await;
        self.round += 1;
        let (id, former) = (100 + self.round, self.parts.last().map_or(0, |part| part.id));
        ask(
            &self.client,
            "UPDATE shop_v1.part SET qty = qty + 1 WHERE id = 1; UPDATE shop_v1.part SET price = price + 1 WHERE id = 2",
        )
        .await;
        ask(&self.client, &format!("INSERT INTO shop_v1.part (id, name, price) VALUES ({id}, 'n{id}', {})", self.round)).await;
        ask(&self.client, &format!("DELETE FROM shop_v1.part WHERE id = {former} AND id > 100")).await;
        self.parts[0].qty = self.parts[0].qty.map(|qty| qty + 1);
        self.parts[1].cents = self.parts[1].cents.map(|cents| cents + 100);
        self.parts.truncate(4);
        self.parts.push(Part::new(id, Some(self.round * 100), None, None));
        self.check(what).await;
    }

    /// A client of the new version reads and writes; what only it knows has to survive the next rollback.
    pub(crate) async fn use_newer(&mut self, what: &str) {
        self.round += 1;
        let slug = format!("own {}", self.round);
        let sql = format!(
            "UPDATE shop_v2.part SET slug = '{slug}' WHERE id = 3; UPDATE shop_v2.part SET price = price + 1 WHERE id = 4"
        );
        ask(&self.client, &sql).await;
        self.parts[2].slug = slug;
        self.parts[3].cents = self.parts[3].cents.map(|cents| cents + 1);
        self.check(what).await;
    }

    pub(crate) async fn whole(&self) -> Whole {
        let (shape, archive) = (ask(&self.client, SHAPE).await, ask(&self.client, ARCHIVE).await);
        Whole { shape, dump: dump(&self.url), archive }
    }

    /// Runs over the proxy, which cuts at a message; returns what went through.
    pub(crate) async fn disturbed(&self, goal: Goal, cut: Option<(usize, After)>) -> (Result<Outcome, Error>, Vec<Message>) {
        self.proxy.arm(cut);
        let backend = open(self.proxy.url(), &[PART], 2);
        let outcome = tokio::time::timeout(Duration::from_secs(60), run(&backend, goal, &How::quietly())).await;
        (outcome.unwrap_or_else(|_| panic!("{goal:?} cut at {cut:?} hangs")), self.proxy.passed())
    }

    /// Lets the lock of whoever died go stale, once the server has noticed.
    pub(crate) async fn bury(&self) {
        let begin = Instant::now();
        let others = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'coeval'";
        while ask(&self.client, others).await != "0" {
            assert!(begin.elapsed() < Duration::from_secs(60), "sessions are left");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        ask(&self.client, "UPDATE coeval.lock SET seen = seen - interval '1 hour'").await;
    }
}
