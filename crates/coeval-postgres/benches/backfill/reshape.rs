//! The same change by reshape, where it is installed: `cargo install reshape`.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use tokio_postgres::{Client, Config, NoTls};

use crate::batch;

const FIRST: &str = r#"{"actions": [{"type": "create_table", "name": "item", "primary_key": ["id"], "columns": [
    {"name": "id", "type": "BIGINT"}, {"name": "n", "type": "BIGINT", "nullable": false}, {"name": "note", "type": "TEXT"}]}]}"#;
const SECOND: &str = r#"{"actions": [{"type": "alter_column", "table": "item", "column": "n",
    "up": "CAST(n AS TEXT)", "down": "CAST(n AS BIGINT)", "changes": {"type": "TEXT"}}]}"#;

/// A database of its own, as reshape keeps its state for the whole of one.
const DATABASE: &str = "reshape_bench";

/// How many seconds it takes to start the migration, which is when reshape fills the new column; `None` where it is not installed.
pub(crate) async fn whole(client: &Client, url: &str, rows: u64) -> Option<f64> {
    Command::new("reshape").arg("--version").output().ok()?;
    let folder = tempfile::tempdir().expect("a folder");
    batch(client, &format!("CREATE DATABASE {DATABASE}")).await;
    let (server, _) = url.rsplit_once('/').expect("an address with a database");
    // It does not know the server's certificate.
    let url = format!("{server}/{DATABASE}?sslmode=disable");
    let own: Config = url.parse().expect("an address");
    let (client, connection) = own.connect(NoTls).await.expect("the server answers");
    tokio::spawn(connection);
    write(folder.path(), "1_create.json", FIRST);
    reshape(folder.path(), &url, &["migration", "start", "--complete"]);
    batch(&client, &format!("INSERT INTO item SELECT i, i * 7, 'a note' FROM generate_series(1, {rows}) AS i")).await;
    batch(&client, "VACUUM ANALYZE item").await;
    write(folder.path(), "2_retype.json", SECOND);
    let begin = Instant::now();
    reshape(folder.path(), &url, &["migration", "start"]);
    let took = begin.elapsed().as_secs_f64();
    let wrong = "SELECT count(*) FROM migration_2_retype.item AS b WHERE n IS DISTINCT FROM (id * 7)::text";
    let wrong: i64 = client.query_one(wrong, &[]).await.expect("its view").get(0);
    assert_eq!(wrong, 0, "reshape filled the column");
    Some(took)
}

fn write(folder: &Path, name: &str, text: &str) {
    std::fs::write(folder.join(name), text).expect("a file");
}

fn reshape(folder: &Path, url: &str, arguments: &[&str]) {
    let mut command = Command::new("reshape");
    command.args(arguments).arg("--url").arg(url).arg("--dirs").arg(folder);
    let done = command.output().expect("reshape runs");
    assert!(done.status.success(), "reshape: {}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
}
