//! What a write and a read through a version cost beside the same on a plain table.
//!
//! `testing/postgres cargo bench -p coeval-postgres --bench writes` prints the tables of `docs/performance.md`. Costs are time of the
//! server's process on the processor (its `/proc/PID/stat`), since that is what a shared machine does not distort; each row is
//! measured between two measurements of the plain table, and compared with their mean. The server must run on this machine.

#![allow(clippy::print_stdout, clippy::cast_precision_loss, reason = "a measurement prints figures")]

mod model;

use std::fmt::Write as _;
use std::fs;

use coeval_core::history::History;
use coeval_plan::table::{Ability, Table};
use coeval_sql::postgres::{self, Names};
use tokio_postgres::{Client, NoTls};

use crate::model::{Shape, history};

/// How many rows a table has, and how many statements a measurement makes.
const ROWS: i32 = 20_000;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let url = std::env::var("COEVAL_TEST_POSTGRES").expect("run it with `testing/postgres`");
    let (client, connection) = tokio_postgres::connect(&url, NoTls).await.expect("the server answers");
    tokio::spawn(connection);
    let version: String = client.query_one("SHOW server_version", &[]).await.expect("a version").get(0);
    println!("PostgreSQL {version}; µs of the server's process for a statement of one row; × the plain table\n");
    plain(&client).await;
    let shapes = [1, 4, 16, 64, 256].map(|versions| Shape { versions, members: 2.min(versions) });
    let more = [8, 32].map(|members| Shape { versions: members, members });
    for wire in [false, true] {
        let how = if wire { "over the wire, prepared" } else { "in a loop on the server" };
        println!("| {how} | INSERT | UPDATE of the member | UPDATE of another | point SELECT |");
        println!("|---|---|---|---|---|");
        for shape in shapes.iter().chain(&more) {
            let mut line = format!("| {} versions, {} members |", shape.versions, shape.members);
            let view = deploy(&client, *shape).await;
            for statement in [INSERT, MEMBER, OTHER, SELECT] {
                let before = cost(&client, "bench.item", statement, wire).await;
                let own = cost(&client, &view, statement, wire).await;
                let after = cost(&client, "bench.item", statement, wire).await;
                let base = f64::midpoint(before, after);
                let _ = write!(line, " {own:.2} ({:.2}×) |", own / base);
            }
            println!("{line}");
        }
        println!();
    }
}

/// A statement of one row: its text, in which `T` is the table and `$1` a number from 1 on.
#[derive(Debug, Clone, Copy)]
struct Statement(&'static str);

const INSERT: Statement = Statement(
    "INSERT INTO T (id, price, qty, name, note, city, street, active) VALUES ($1 + 1000000, $1, 1, 'n', 'm', 'c', 's', true)",
);
const MEMBER: Statement = Statement("UPDATE T SET price = price + 1 WHERE id = $1");
const OTHER: Statement = Statement("UPDATE T SET qty = qty + 1 WHERE id = $1");
const SELECT: Statement = Statement("SELECT id, price, qty, name, note, city, street, active FROM T WHERE id = $1");

async fn batch(client: &Client, text: &str) {
    client.batch_execute(text).await.unwrap_or_else(|e| panic!("{e:?}: {text}"));
}

/// The plain table, and its rows.
async fn plain(client: &Client) {
    batch(client, "CREATE SCHEMA bench; CREATE TABLE bench.item (id bigint PRIMARY KEY, price bigint, qty bigint, name text, note text, city text, street text, active boolean)").await;
    batch(client, &rows("bench.item")).await;
}

fn rows(table: &str) -> String {
    format!(
        "INSERT INTO {table} (id, price, qty, name, note, city, street, active) SELECT i, i, 1, 'name', 'note', 'city', 'street', true FROM generate_series(1, {ROWS}) AS i; VACUUM ANALYZE"
    )
    .replace("; VACUUM ANALYZE", "")
}

/// Makes the table of a history with all its versions live, and returns the view of the newest.
async fn deploy(client: &Client, shape: Shape) -> String {
    let history: History = history(shape);
    let versions: Vec<u32> = (1..=shape.versions).collect();
    let table = Table::new(&history, &versions, Ability { knows_writer: false }).expect("it fits a table");
    let deployment = format!("d{}_{}", shape.versions, shape.members);
    let names = Names::new(&deployment, "item");
    let keys = |_: &str| None;
    batch(client, &format!("DROP SCHEMA IF EXISTS {} CASCADE; DROP SCHEMA IF EXISTS {} CASCADE", names.schema, names.workings))
        .await;
    let mut statements = postgres::create_table(&table, &table.columns_up_to(shape.versions), &names, &keys).expect("a table");
    statements.push(format!("CREATE SCHEMA {}; ALTER TABLE {} ADD COLUMN _w smallint", names.workings, names.table));
    if let Some(triggers) = postgres::triggers(&table, &versions, &versions, &names, &keys).expect("triggers") {
        statements.extend(triggers.helpers.clone());
        statements.extend([triggers.insert.clone(), triggers.update.clone()]);
        statements.extend(postgres::create_triggers(&triggers, &names, false));
    }
    for view in &table.views {
        statements.push(format!("DROP SCHEMA IF EXISTS {0} CASCADE; CREATE SCHEMA {0}", names.version_schema(view.version)));
        statements.extend(postgres::create_view(&table, view, &names, &keys).expect("a view"));
    }
    batch(client, &statements.join(";\n")).await;
    let view = table.views.last().map(|view| names.view(view)).expect("a version");
    // Older versions have the same names, so that the same statements do.
    batch(client, &rows(&view)).await;
    batch(client, &format!("VACUUM ANALYZE {}", names.table)).await;
    view
}

/// How much of the processor the server's process used, in µs.
async fn used(client: &Client) -> f64 {
    let pid: i32 = client.query_one("SELECT pg_catalog.pg_backend_pid()", &[]).await.expect("a process").get(0);
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("the server runs on this machine");
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    // Ticks of a hundredth of a second in user and system mode: fields 14 and 15, counted from the process's state.
    let ticks: f64 = fields[11].parse::<f64>().unwrap_or_default() + fields[12].parse::<f64>().unwrap_or_default();
    ticks * 10_000.0
}

/// The least cost of a statement of three measurements, in µs.
async fn cost(client: &Client, table: &str, statement: Statement, wire: bool) -> f64 {
    let mut best = f64::INFINITY;
    for _ in 0..3 {
        let text = statement.0.replace(" T ", &format!(" {table} "));
        batch(client, "BEGIN").await;
        let before = used(client).await;
        if wire {
            let typed = text.replace("$1", "$1::bigint");
            let prepared = client.prepare(&typed).await.unwrap_or_else(|e| panic!("{e:?}: {typed}"));
            for number in 1..=i64::from(ROWS) {
                client.execute(&prepared, &[&number]).await.unwrap_or_else(|e| panic!("{e:?}: {typed}"));
            }
        } else {
            let body = if text.starts_with("SELECT") { text.replacen("SELECT", "PERFORM", 1) } else { text };
            let body = body.replace("$1", "i");
            batch(client, &format!("DO $$ BEGIN FOR i IN 1..{ROWS} LOOP {body}; END LOOP; END $$")).await;
        }
        let after = used(client).await;
        batch(client, "ROLLBACK").await;
        best = best.min((after - before) / f64::from(ROWS));
    }
    batch(client, "VACUUM").await;
    best
}
