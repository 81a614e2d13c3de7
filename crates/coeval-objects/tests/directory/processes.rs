//! Several processes in one folder: they exclude each other, and one that is killed leaves whole objects.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::*;

/// Runs one test of this program in another process.
fn start(test: &str, folder: &Path) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test]).env("COEVAL_TEST_FOLDER", folder);
    command.stdout(Stdio::null()).stderr(Stdio::inherit()).spawn().unwrap()
}

fn inner() -> Option<Directory> {
    std::env::var_os("COEVAL_TEST_FOLDER").map(|folder| Directory::open(folder).unwrap())
}

#[tokio::test]
async fn processes_that_count_together_lose_nothing() {
    const EACH: u32 = 50;
    const PROCESSES: u32 = 4;
    let Some(store) = inner() else {
        let (folder, store) = fresh();
        put(&store, "count", "0").await.unwrap();
        let test = "processes::processes_that_count_together_lose_nothing";
        let children: Vec<_> = (0..PROCESSES).map(|_| start(test, folder.path())).collect();
        for mut child in children {
            assert!(child.wait().unwrap().success());
        }
        assert_eq!(found(&store, "count").await.bytes, (EACH * PROCESSES).to_string());
        return;
    };
    for _ in 0..EACH {
        loop {
            let old = found(&store, "count").await;
            let count: u32 = std::str::from_utf8(&old.bytes).unwrap().parse().unwrap();
            let unchanged = Condition::Unchanged(old.token);
            match store.put("count", (count + 1).to_string().into(), &Attributes::default(), &unchanged).await {
                Ok(_) => break,
                Err(error) => assert!(error.is_conflict(), "{error}"),
            }
        }
    }
}

/// Kills a writer of large objects at many moments: what lies there is always one whole object of its, and locks are free.
#[tokio::test]
async fn a_killed_writer_leaves_whole_objects() {
    let text = |letter: u8| String::from_utf8(vec![b'a' + letter; 2 << 20]).unwrap();
    let Some(store) = inner() else {
        let (folder, store) = fresh();
        for round in 0..12 {
            let mut child = start("processes::a_killed_writer_leaves_whole_objects", folder.path());
            let begin = Instant::now();
            while store.get("up").await.unwrap().is_none() {
                assert!(begin.elapsed() < Duration::from_secs(60), "the writer did not come up");
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            tokio::time::sleep(Duration::from_millis(3 * round)).await;
            child.kill().unwrap();
            child.wait().unwrap();
            if let Some(object) = store.get("large").await.unwrap() {
                assert_eq!(object.bytes.len(), 2 << 20, "round {round}");
                assert!(object.bytes.iter().all(|byte| *byte == object.bytes[0]), "round {round}: two writes are mixed");
            }
            store.delete("up", &Condition::None).await.unwrap();
            assert!(keys(&store).await.iter().all(|key| key == "large"), "{:?}", keys(&store).await);
            put(&store, "large", "x").await.unwrap();
            store.delete("large", &Condition::None).await.unwrap();
        }
        return;
    };
    put(&store, "up", "").await.unwrap();
    for index in 0_u8.. {
        put(&store, "large", &text(index % 26)).await.unwrap();
    }
}
