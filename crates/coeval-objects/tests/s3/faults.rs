//! A network that cuts connections between us and S3, before the server hears of a request or after it did it: writes are neither lost
//! nor doubled.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use coeval_store::objects::wrap::{RetryPolicy, Retrying};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;

/// Passes requests on to the server, and cuts some connections: before a request goes on, or before its answer comes back.
async fn cutting(target: String, seed: u64, cuts: Arc<AtomicU64>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let mut random = StdRng::seed_from_u64(seed);
        while let Ok((client, _)) = listener.accept().await {
            // How many requests it passes, and whether the server hears of the one after.
            let (good, heard) = (random.random_range(0..4), random.random_bool(0.5));
            let cuts = cuts.clone();
            let target = target.clone();
            tokio::spawn(async move {
                let _ = pass(client, &target, good, heard).await;
                cuts.fetch_add(1, Ordering::Relaxed);
            });
        }
    });
    format!("http://127.0.0.1:{port}")
}

/// Requests and answers here are small enough to come in a few pieces, and follow each other on a connection.
async fn pass(mut client: TcpStream, target: &str, good: u32, heard: bool) -> std::io::Result<()> {
    let mut server = TcpStream::connect(target).await?;
    let mut buffer = vec![0; 1 << 16];
    let mut answered = 0;
    loop {
        tokio::select! {
            biased;
            count = client.readable() => {
                count?;
                let count = client.read(&mut buffer).await?;
                if count == 0 || answered == good && !heard {
                    return Ok(());
                }
                server.write_all(&buffer[..count]).await?;
            }
            count = server.readable() => {
                count?;
                let count = server.read(&mut buffer).await?;
                if count == 0 || answered == good {
                    return Ok(());
                }
                client.write_all(&buffer[..count]).await?;
                answered += 1;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn writers_through_a_bad_network_lose_and_double_nothing() {
    const WRITERS: usize = 4;
    const EACH: usize = 5;
    let prefix = fresh_prefix();
    let target = server()["endpoint"].trim_start_matches("http://").to_owned();
    let cuts = Arc::new(AtomicU64::new(0));
    put(&at(&prefix, &[]), "marks", "", &Condition::Absent).await.unwrap();
    let mut writers = Vec::new();
    for writer in 0..WRITERS {
        let endpoint = cutting(target.clone(), writer as u64, cuts.clone()).await;
        let store = at(&prefix, &[("endpoint", &endpoint)]);
        let policy = RetryPolicy {
            attempts: 30,
            base: Duration::from_millis(2),
            cap: Duration::from_millis(50),
            ..RetryPolicy::default()
        };
        let store = Retrying::new(store, policy, Arc::new(|_| {}));
        writers.push(tokio::spawn(async move {
            for index in 0..EACH {
                leave_mark(&store, &format!("{writer}/{index};")).await;
            }
        }));
    }
    for writer in writers {
        writer.await.unwrap();
    }
    let left = at(&prefix, &[]).get("marks").await.unwrap().unwrap().bytes;
    let mut marks: Vec<&str> = std::str::from_utf8(&left).unwrap().split_terminator(';').collect();
    marks.sort_unstable();
    let expected: Vec<String> = (0..WRITERS).flat_map(|writer| (0..EACH).map(move |index| format!("{writer}/{index}"))).collect();
    assert_eq!(marks, expected);
    assert!(cuts.load(Ordering::Relaxed) > 5, "the network was too good");
}

#[tokio::test(flavor = "multi_thread")]
async fn listings_through_a_bad_network_are_whole() {
    let prefix = fresh_prefix();
    let target = server()["endpoint"].trim_start_matches("http://").to_owned();
    let direct = at(&prefix, &[]);
    for key in ["a", "a-b/1", "a-b/2", "a/1", "a/b/2", "b/c/d/e", "b/c/f"] {
        put(&direct, key, "x", &Condition::None).await.unwrap();
    }
    let expected = keys(&direct, "").await;
    let cuts = Arc::new(AtomicU64::new(0));
    for seed in 0..10 {
        let endpoint = cutting(target.clone(), seed, cuts.clone()).await;
        assert_eq!(keys(&patient(&prefix, &endpoint), "").await, expected, "seed {seed}");
    }
    assert!(cuts.load(Ordering::Relaxed) > 5, "the network was too good");
}

/// Opens a store behind a server, with retries that take no time to speak of.
fn patient(prefix: &str, endpoint: &str) -> Retrying<Arc<dyn Objects>> {
    let [base, cap] = [2, 50].map(Duration::from_millis);
    let policy = RetryPolicy { attempts: 30, base, cap, ..RetryPolicy::default() };
    Retrying::new(at(prefix, &[("endpoint", endpoint)]), policy, Arc::new(|_| {}))
}

/// Adds a mark to what lies there, unless an attempt whose answer was lost did already.
async fn leave_mark(store: &dyn Objects, mark: &str) {
    loop {
        let found = store.get("marks").await.unwrap().unwrap();
        let text = String::from_utf8(found.bytes.to_vec()).unwrap();
        if text.contains(mark) {
            return;
        }
        match put(store, "marks", &format!("{text}{mark}"), &Condition::Unchanged(found.token)).await {
            Ok(_) => return,
            Err(error) => assert!(error.is_conflict(), "{error}"),
        }
    }
}
