//! Clients as they are in the wild: they prepare statements once and keep them, or come through a pooler that gives each transaction
//! another session.

#![allow(clippy::unwrap_used, reason = "a test fails where it would")]

mod common;

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use coeval_engine::How;
use common::shop::{Versions, drift, migrate, open, rollback};
use common::{ask, fresh, session};
use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use tokio_postgres::types::{FromSql, ToSql, Type};
use tokio_postgres::{Client, Row, Statement};

/// 2 renames, retypes, and moves `b` into an object; for 3 it matters who wrote `a`, so that 1 and 2 show another column of it than before.
const PART: Versions<'static> = (
    r#"{"type": "model", "name": "part", "key": ["id"], "properties": {
        "id": {"type": "integer", "required": true}, "name": {"type": "string", "required": true},
        "price": {"type": "integer", "required": true}, "a": "integer", "b": "integer"}}"#,
    &[
        (
            2,
            &[
                r#"{"rename_property": {"from": "name", "to": "title"}}"#,
                r#"{"retype_property": {"path": "price", "schema": {"type": "string", "required": true}, "up": "cast(price as string)", "down": "cast(price as integer)"}}"#,
                r#"{"move_property": {"from": "b", "to": "x.h"}}"#,
            ],
        ),
        (
            3,
            &[r#"{"transform": {"up": {"a": "coalesce(a, 0) + coalesce(x.h, 0)", "x.h": "x.h"},
                "down": {"a": "coalesce(a, 0) - coalesce(x.h, 0)", "x.h": "x.h"}, "schemas": {"a": "integer", "x.h": "integer"}}}"#],
        ),
    ],
);

/// Returns in which columns of the table versions 1 and 2 show `a`.
async fn columns(client: &Client) -> String {
    let sql =
        "SELECT string_agg(DISTINCT a.attname, ' ' ORDER BY a.attname) FROM pg_depend d JOIN pg_rewrite r ON r.oid = d.objid
        JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
        WHERE r.ev_class IN (to_regclass('shop_v1.part'), to_regclass('shop_w.part_v1'), to_regclass('shop_w.part_v2'))
        AND d.refobjid = 'shop.part'::regclass AND a.attname LIKE 'a%'";
    ask(client, sql).await
}

/// A part as version 1 knows it.
#[derive(Debug, Clone)]
struct Part {
    name: String,
    price: i64,
    a: i64,
    b: i64,
}

impl Part {
    fn shown(&self, id: i64, version: u32) -> String {
        let Self { name, price, a, b } = self;
        match version {
            1 => format!("{id}|{name}|{price}|{a}|{b}"),
            2 => format!("{id}|{name}|{price}|{a}|{{\"h\": {b}}}"),
            _ => format!("{id}|{name}|{price}|{}|{{\"h\": {b}}}", a + b),
        }
    }

    /// The values that a client of a version gives, beside the key.
    fn given(&self, version: u32) -> [String; 4] {
        let b = if version == 1 { self.b.to_string() } else { format!("{{\"h\": {}}}", self.b) };
        let a = if version == 3 { self.a + self.b } else { self.a };
        [self.name.clone(), self.price.to_string(), a.to_string(), b]
    }
}

/// A value of whatever type, as it comes.
struct Raw(Type, Vec<u8>);

impl<'a> FromSql<'a> for Raw {
    fn from_sql(ty: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Self(ty.clone(), raw.to_vec()))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

/// Returns a row as [`ask`] does.
fn shown(row: &Row) -> String {
    let value = |at| match row.get::<_, Option<Raw>>(at) {
        None => "∅".to_owned(),
        Some(Raw(Type::INT8, bytes)) => i64::from_be_bytes(bytes.try_into().unwrap()).to_string(),
        // After the number of its format.
        Some(Raw(Type::JSONB, bytes)) => String::from_utf8(bytes[1..].to_vec()).unwrap(),
        Some(Raw(Type::TEXT, bytes)) => String::from_utf8(bytes).unwrap(),
        Some(Raw(ty, _)) => panic!("a column of type {ty}"),
    };
    (0..row.len()).map(value).collect::<Vec<_>>().join("|")
}

/// A client of a version that prepared all its statements when it came.
struct Holder {
    client: Client,
    version: u32,
    path: bool,
    by_key: Statement,
    all: Statement,
    insert: Statement,
    update: Statement,
    delete: Statement,
    upsert: Statement,
}

impl Holder {
    async fn new(url: &str, version: u32, path: bool) -> Self {
        let client = session(url).await;
        if path {
            ask(&client, &format!("SET search_path TO shop_v{version}")).await;
        }
        let part = if path { "part".to_owned() } else { format!("shop_v{version}.part") };
        let (name, b) = if version == 1 { ("name", "b") } else { ("title", "x") };
        let price = if version == 1 { "$3::text::bigint" } else { "$3::text" };
        let inner = if version == 1 { "$5::text::bigint" } else { "$5::text::jsonb" };
        let insert =
            format!("INSERT INTO {part} (id, {name}, price, a, {b}) VALUES ($1, $2::text, {price}, $4::text::bigint, {inner})");
        let upsert = format!(
            "{insert} ON CONFLICT (id) DO UPDATE SET {name} = excluded.{name}, price = excluded.price, a = excluded.a, {b} = excluded.{b}
             RETURNING *"
        );
        let update =
            format!("UPDATE {part} SET {name} = $2::text, price = {price}, a = $4::text::bigint WHERE id = $1 RETURNING {b}, a");
        let prepare = async |sql: &str| client.prepare(sql).await.unwrap_or_else(|e| panic!("{sql}: {e:?}"));
        Self {
            by_key: prepare(&format!("SELECT id, {name}, price, a, {b} FROM {part} WHERE id = $1")).await,
            all: prepare(&format!("SELECT * FROM {part} ORDER BY id")).await,
            insert: prepare(&format!("{insert} RETURNING id, {name}, price, a, {b}")).await,
            update: prepare(&update).await,
            delete: prepare(&format!("DELETE FROM {part} WHERE id = $1")).await,
            upsert: prepare(&upsert).await,
            client,
            version,
            path,
        }
    }

    async fn query(&self, statement: &Statement, id: i64, part: Option<&Part>) -> Vec<String> {
        let given = part.map(|part| part.given(self.version)).unwrap_or_default();
        let mut parameters: Vec<&(dyn ToSql + Sync)> = vec![&id];
        parameters.extend(given.iter().map(|value| value as &(dyn ToSql + Sync)));
        let parameters = &parameters[..statement.params().len()];
        let rows = self.client.query(statement, parameters).await;
        let rows = rows.unwrap_or_else(|e| panic!("version {}, by the path: {}: {e:?}", self.version, self.path));
        rows.iter().map(shown).collect()
    }

    /// Executes everything, more often than the server takes to make one plan for all values.
    async fn work(&self, parts: &mut BTreeMap<i64, Part>, what: &str) {
        let what = format!("{what}: version {}, by the path: {}", self.version, self.path);
        for round in 0..7 {
            let id = parts.last_key_value().map_or(1, |(id, _)| id + 1);
            let mut part = Part { name: format!("n{id}"), price: 10 * id, a: id, b: round };
            assert_eq!(self.query(&self.insert, id, Some(&part)).await, [part.shown(id, self.version)], "{what}");
            (part.name, part.price, part.a) = (format!("u{id}"), -id, 5 * id);
            let [.., a, b] = part.given(self.version);
            assert_eq!(self.query(&self.update, id, Some(&part)).await, [format!("{b}|{a}")], "{what}");
            assert_eq!(self.query(&self.by_key, id, None).await, [part.shown(id, self.version)], "{what}");
            for id in [id, id + 1] {
                (part.price, part.a, part.b) = (id, 7, 2 * id);
                assert_eq!(self.query(&self.upsert, id, Some(&part)).await, [part.shown(id, self.version)], "{what}");
                parts.insert(id, part.clone());
            }
            // One that somebody else may have written.
            let (oldest, _) = parts.pop_first().unwrap();
            assert_eq!(self.query(&self.delete, oldest, None).await, [""; 0], "{what}");
            assert_eq!(self.query(&self.by_key, oldest, None).await, [""; 0], "{what}");
            self.check(parts, &what).await;
        }
    }

    async fn check(&self, parts: &BTreeMap<i64, Part>, what: &str) {
        let expected: Vec<String> = parts.iter().map(|(id, part)| part.shown(*id, self.version)).collect();
        assert_eq!(self.query(&self.all, 0, None).await, expected, "{what}");
    }
}

/// All that is written by the one is read by the others.
async fn all_work(holders: &[Holder], live: u32, parts: &mut BTreeMap<i64, Part>, what: &str) {
    let live: Vec<&Holder> = holders.iter().filter(|holder| holder.version <= live).collect();
    for holder in &live {
        holder.work(parts, what).await;
    }
    for holder in live {
        holder.check(parts, &format!("{what}, at the end")).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn statements_that_were_prepared_once_outlive_every_migration() {
    let url = fresh().await;
    let backend = open(&url, &[PART], 3);
    let watcher = session(&url).await;
    migrate(&backend, 1).await;
    let (mut holders, mut parts) = (Vec::new(), BTreeMap::new());
    let mut newest = 0;
    for (to, a) in [(1, "a"), (2, "a"), (3, "a a_v3"), (1, "a"), (2, "a"), (3, "a a_v3"), (2, "a"), (3, "a a_v3")] {
        match to {
            1 if newest > 1 => rollback(&backend, 1).await,
            2 if newest > 2 && columns(&watcher).await != "a" => rollback(&backend, 2).await,
            _ => migrate(&backend, to).await,
        };
        // What matters here has to happen.
        assert_eq!(columns(&watcher).await, a, "at {to}");
        while newest < to {
            newest += 1;
            for path in [false, true] {
                holders.push(Holder::new(&url, newest, path).await);
            }
        }
        all_work(&holders, to, &mut parts, &format!("at {to}")).await;
    }
    coeval_engine::retire(&backend, 2, &How::quietly()).await.unwrap();
    holders.retain(|holder| holder.version > 1);
    all_work(&holders, 3, &mut parts, "when 1 is gone").await;
    rollback(&backend, 2).await;
    all_work(&holders, 2, &mut parts, "when 1 is gone, back at 2").await;
    assert_eq!(drift(&backend).await, [""; 0]);
}

/// Some sessions of a server, which everybody uses for one transaction at a time.
struct Pooler {
    sessions: Vec<Mutex<Client>>,
    stop: AtomicBool,
}

impl Pooler {
    async fn new(url: &str, sessions: usize) -> Self {
        let mut all = Vec::new();
        for _ in 0..sessions {
            all.push(Mutex::new(session(url).await));
        }
        Self { sessions: all, stop: AtomicBool::default() }
    }

    /// Runs a statement as a transaction in a session of chance; says what it returned.
    async fn run(&self, version: u32, dice: usize, verb: &str, rest: &str) -> Result<String, tokio_postgres::Error> {
        let client = self.sessions[dice % self.sessions.len()].lock().await;
        let part = format!("shop_v{version}.part");
        match dice / 16 % 3 {
            0 => {
                client.batch_execute(&format!("BEGIN; SET LOCAL search_path TO shop_v{version}")).await?;
                // Not a statement with a name, which would be kept in the session.
                let done = client.query_typed(&format!("{verb} part {rest}"), &[]).await;
                client.batch_execute(if done.is_ok() { "COMMIT" } else { "ROLLBACK" }).await?;
                Ok(done?.iter().map(shown).collect::<Vec<_>>().join("\n"))
            }
            1 => Ok(client
                .query_typed(&format!("{verb} {part} {rest}"), &[])
                .await?
                .iter()
                .map(shown)
                .collect::<Vec<_>>()
                .join("\n")),
            _ => {
                let sql = format!("BEGIN; SET LOCAL search_path TO shop_v{version}; {verb} part {rest}; COMMIT");
                let done = client.batch_execute(&sql).await;
                if done.is_err() {
                    client.batch_execute("ROLLBACK").await?;
                }
                done.map(|()| String::new())
            }
        }
    }

    /// A client of a version with parts of its own, and part 0, which is everybody's; returns how often it counted that up.
    async fn client(self: Arc<Self>, version: u32, first: i64) -> (i64, BTreeMap<i64, Part>) {
        let (mut round, mut dice, mut parts) = (0, first.unsigned_abs() + 1, BTreeMap::new());
        let (name, b) = if version == 1 { ("name", "b") } else { ("title", "x") };
        while !self.stop.load(Ordering::Relaxed) {
            round += 1;
            let (id, old) = (first + round, first + (round + 1) / 2);
            let mut part = Part { name: format!("n{id}"), price: round, a: -round, b: 3 * round };
            let [_, price, a, inner] = part.given(version);
            let insert = format!("(id, {name}, price, a, {b}) VALUES ({id}, 'n{id}', '{price}', {a}, '{inner}') RETURNING *");
            let inserted = part.shown(id, version);
            part.a = 7;
            parts.insert(id, part);
            let old_part: &mut Part = parts.get_mut(&old).unwrap();
            old_part.price = 2 * round;
            let update = format!("SET price = '{}', a = 7 WHERE id = {old}", 2 * round);
            let up = if version == 1 { "price + 1" } else { "(price::bigint + 1)::text" };
            let mut expected = old_part.clone();
            expected.a = 7;
            let statements = [
                ("INSERT INTO", insert, inserted),
                ("UPDATE", format!("SET a = 7 WHERE id = {id}"), String::new()),
                ("UPDATE", update, String::new()),
                ("SELECT * FROM", format!("WHERE id = {old}"), expected.shown(old, version)),
                ("UPDATE", format!("SET price = {up}, a = a + 1 WHERE id = 0"), String::new()),
            ];
            for (verb, rest, expected) in statements {
                // A generator of Lehmer's.
                dice = dice.wrapping_mul(48_271) % 0x7fff_ffff;
                let done = self.run(version, usize::try_from(dice >> 4).unwrap(), verb, &rest).await;
                let said = done.unwrap_or_else(|e| panic!("version {version}: {verb} {rest}: {e:?}"));
                assert!(said.is_empty() || said == expected, "version {version}: {verb} {rest}: {said} instead of {expected}");
            }
        }
        (round, parts)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn through_a_pooler_every_transaction_may_be_in_another_session() {
    let url = fresh().await;
    let backend = open(&url, &[PART], 3);
    let watcher = session(&url).await;
    migrate(&backend, 1).await;
    ask(&watcher, "INSERT INTO shop_v1.part VALUES (0, 'n0', 0, 0, 0)").await;
    let pooler = Arc::new(Pooler::new(&url, 4).await);
    let mut clients: Vec<JoinHandle<_>> = Vec::new();
    let mut come = |version| {
        let first = 1_000_000 * i64::try_from(clients.len()).unwrap();
        clients.push(tokio::spawn(Arc::clone(&pooler).client(version, first)));
    };
    for _ in 0..3 {
        come(1);
    }
    for to in [2, 1, 2] {
        if to == 1 {
            rollback(&backend, 1).await
        } else {
            migrate(&backend, to).await
        };
    }
    for _ in 0..3 {
        come(2);
    }
    for _ in 0..4 {
        migrate(&backend, 3).await;
        assert_eq!(columns(&watcher).await, "a a_v3");
        rollback(&backend, 2).await;
        assert_eq!(columns(&watcher).await, "a");
    }
    migrate(&backend, 3).await;
    pooler.stop.store(true, Ordering::Relaxed);
    let (mut sum, mut parts) = (0, BTreeMap::new());
    for client in clients {
        let (rounds, own) = client.await.unwrap();
        assert!(rounds > 10, "{rounds} rounds");
        sum += rounds;
        parts.extend(own);
    }
    parts.insert(0, Part { name: "n0".to_owned(), price: sum, a: sum, b: 0 });
    for (version, names) in [(1, "name, price, a, b"), (2, "title, price, a, x"), (3, "title, price, a, x")] {
        let found = ask(&watcher, &format!("SELECT id, {names} FROM shop_v{version}.part ORDER BY id")).await;
        let expected = parts.iter().map(|(id, part)| part.shown(*id, version));
        let wrong: Vec<_> = found.lines().zip(expected).filter(|(found, expected)| found != expected).take(5).collect();
        assert_eq!((found.lines().count(), wrong), (parts.len(), vec![]), "version {version}");
    }
}
