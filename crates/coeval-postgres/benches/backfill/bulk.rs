//! Statements of many rows through versions, beside the same on a plain table.

use std::fmt::Write as _;
use std::time::Instant;

use bytes::Bytes;
use futures::SinkExt as _;
use tokio_postgres::Client;

use crate::timed;

/// How many rows a statement has.
const ROWS: u64 = 100_000;

/// Prints what statements of many rows take: on a plain table, and through two versions that are live, of which one has the number as a
/// text. The least of three rounds in which they take turns.
pub(crate) async fn report(client: &Client, rows: u64) {
    let places = [("plain", "plain"), ("bench_v1.item", "bench_v1_copy.item"), ("bench_v2.item", "bench_v2_copy.item")];
    let mut least = [[f64::INFINITY; 3]; 3];
    let mut next = 10 * rows;
    for _ in 0..3 {
        for ((table, twin), least) in places.iter().zip(&mut least) {
            let ty = if table.ends_with("v2.item") { "text" } else { "bigint" };
            let insert = format!(
                "INSERT INTO {table} (id, n, note) SELECT i, (i * 7)::{ty}, 'a note' FROM generate_series({}, {}) AS i",
                next + 1,
                next + ROWS
            );
            let update = format!("UPDATE {table} SET n = (n::bigint + 1)::{ty} WHERE id > {next} AND id <= {}", next + ROWS);
            let taken = [timed(client, &insert).await, timed(client, &update).await, copied(client, twin, next + ROWS).await];
            next += 2 * ROWS;
            for (least, taken) in least.iter_mut().zip(taken) {
                *least = least.min(taken);
            }
        }
    }
    println!("\n| {ROWS} rows in one statement, in s (× plain) | INSERT | UPDATE | COPY |\n|---|---|---|---|");
    for ((table, _), taken) in places.iter().zip(&least) {
        let cell = |at: usize| format!("{:.2} ({:.2}×)", taken[at], taken[at] / least[0][at]);
        println!("| {table} | {} | {} | {} |", cell(0), cell(1), cell(2));
    }
}

/// Copies rows in.
async fn copied(client: &Client, table: &str, after: u64) -> f64 {
    let mut text = String::new();
    for id in after + 1..=after + ROWS {
        let _ = writeln!(text, "{id}\t{}\ta note", id * 7);
    }
    let begin = Instant::now();
    let sink = client.copy_in::<_, Bytes>(&format!("COPY {table} (id, n, note) FROM STDIN")).await.expect("it begins");
    let mut sink = Box::pin(sink);
    sink.send(Bytes::from(text)).await.expect("rows are sent");
    assert_eq!(sink.as_mut().finish().await.expect("they are written"), ROWS, "{table}");
    begin.elapsed().as_secs_f64()
}
