//! A backfill lets a replica that is far behind catch up: on a server of its own that another one follows.

#![allow(clippy::unwrap_used, reason = "a test fails where it would")]

mod common;

use std::io::{BufRead, BufReader};
use std::time::{Duration, Instant};

use common::World;
use common::postgres::{Server, connect, tell};
use tokio_postgres::Client;

const FIRST: &str = "type: model\nname: item\nkey: [id]\nproperties:\n  id: {type: integer, required: true}\n  price: {type: integer, required: true}\n";
const SECOND: &str = "type: model\nname: item\nkey: [id]\nproperties:\n  id: {type: integer, required: true}\n  price: {type: string, required: true}\noperations:\n  - retype_property: {path: price, schema: {type: string, required: true}, up: cast(price as string), down: cast(price as integer)}\n";

fn done(world: &World, arguments: &[&str]) {
    let output = world.run(arguments, b"");
    assert!(output.status.success(), "{arguments:?}: {}", common::text(&output.stderr));
}

async fn until(client: &Client, sql: &str, wanted: &str) {
    let begin = Instant::now();
    loop {
        let found = tell(client, sql).await;
        if found == wanted {
            return;
        }
        assert!(begin.elapsed() < Duration::from_secs(90), "{sql}: {found}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backfill_waits_for_a_replica_that_is_far_behind() {
    let server = Server::start(&["--replica"]);
    let (client, replica) = (connect(&server.url).await, connect(server.replica.as_ref().unwrap()).await);
    let world = World::new();
    world.write("coeval.yaml", format!("name: shop\nbackends:\n  default: {{url: \"{}\"}}\n", server.url));
    world.write("models/item.yaml", FIRST);
    done(&world, &["freeze"]);
    world.write("models/item.yaml", common::text(&world.read("models/item.yaml")).replacen(FIRST, SECOND, 1));
    done(&world, &["freeze"]);
    done(&world, &["migrate", "--to", "1"]);
    tell(&client, "INSERT INTO shop_v1.item SELECT g, g FROM generate_series(1, 100) g").await;
    until(&replica, "SELECT count(*) FROM pg_class WHERE oid = to_regclass('shop.item')", "1").await;
    tell(&replica, "SELECT pg_wal_replay_pause()").await;
    until(&replica, "SELECT pg_get_wal_replay_pause_state()", "paused").await;
    tell(&client, "UPDATE shop_v1.item SET price = price + 1").await;
    until(&client, "SELECT max(replay_lag) > '11s' FROM pg_stat_replication", "t").await;
    let mut runner = world.command(&["migrate", "--format", "json"]).spawn().unwrap();
    let lines = BufReader::new(runner.stdout.take().unwrap()).lines().map_while(Result::ok);
    let mut waits = 0;
    for line in lines {
        if line.contains("\"retry\"") && line.contains("a replica is ") && line.contains(" s behind") {
            waits += 1;
            // Nothing is written as long as it waits.
            let noted = "SELECT count(*) FROM coeval.cursor";
            assert_eq!(tell(&client, noted).await, "0");
            if waits == 2 {
                tell(&replica, "SELECT pg_wal_replay_resume()").await;
            }
            assert!(waits < 60, "the replica has caught up");
        }
    }
    let output = runner.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", common::text(&output.stderr));
    assert!(waits >= 2, "{waits} waits");
    assert_eq!(tell(&client, "SELECT count(*) FROM shop_v2.item WHERE price = CAST(id + 1 AS text)").await, "100");
}
