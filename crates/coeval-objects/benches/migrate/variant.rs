//! What is measured, each in a process of its own: it does one thing to a store of books, and says how long that took.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use coeval_engine::{How, Outcome, migrate};
use coeval_objects::documents::Documents;
use coeval_store::event::{Event, Observer};
use coeval_store::objects::wrap::{RetryNotice, RetryPolicy, Retrying};
use coeval_store::objects::{Condition, Objects};
use futures::{StreamExt, TryStreamExt};

use crate::CONCURRENCY;
use crate::common::books::{MadeUp, arrived, book, books, peak_kb};
use crate::common::s3;

/// What one process found.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Found {
    /// How long the whole took.
    pub(crate) whole: Duration,
    /// How long the records took: without the lock, the history, and finding out what the store can do.
    pub(crate) records: Duration,
    /// How many records there were.
    pub(crate) seen: u64,
    /// The most memory that it had, in kB.
    pub(crate) peak: u64,
}

impl Found {
    pub(crate) fn line(&self) -> String {
        format!("{} {} {} {}", self.whole.as_micros(), self.records.as_micros(), self.seen, self.peak)
    }

    pub(crate) fn read(line: &str) -> Option<Self> {
        let mut numbers = line.split_whitespace().map(|number| number.parse::<u64>().ok());
        let mut next = || numbers.next().flatten();
        let (whole, records) = (Duration::from_micros(next()?), Duration::from_micros(next()?));
        Some(Self { whole, records, seen: next()?, peak: next()? })
    }
}

/// Opens a store as the program does: with requests that are repeated.
pub(crate) fn open(store: &str) -> Arc<dyn Objects> {
    let inner = match store.split_once(':') {
        Some(("s3", prefix)) => s3(prefix),
        _ => coeval_objects::open(store, &std::collections::BTreeMap::new()).unwrap_or_else(|e| panic!("{e}")),
    };
    let told = |notice: &RetryNotice| panic!("a request was repeated, which spoils the measurement: {notice:?}");
    Arc::new(Retrying::new(inner, RetryPolicy::default(), Arc::new(told)))
}

/// Does what `kind` says; a loop writes `more` bytes than it read, which is what the migration does.
pub(crate) async fn run(kind: &str, store: &str, count: u64, more: usize) -> Found {
    let begun = Instant::now();
    let (seen, records) = match kind {
        "migrate" => migration(open(store)).await,
        "arrived" => migration(Arc::new(MadeUp::new(count, arrived))).await,
        "made-up" => migration(Arc::new(MadeUp::new(count, book))).await,
        "raw" => (raw(open(store), u64::MAX, more, CONCURRENCY, true).await, begun.elapsed()),
        "raw-blind" => (raw(open(store), u64::MAX, more, CONCURRENCY, false).await, begun.elapsed()),
        "sequential" => (raw(open(store), count, more, 1, true).await, begun.elapsed()),
        "rename" | "sync" | "sync-folder" => {
            let folder = PathBuf::from(store.strip_prefix("file:").unwrap_or(store)).join("book");
            (plain(&folder, more, kind != "rename", kind == "sync-folder"), begun.elapsed())
        }
        _ => panic!("there is no variant {kind}"),
    };
    Found { whole: begun.elapsed(), records, seen, peak: peak_kb().unwrap_or(0) }
}

/// Notes when the step began and ended.
#[derive(Debug, Default)]
struct Timed(Mutex<(Option<Instant>, Duration)>);

impl Observer for Timed {
    fn event(&self, event: Event) {
        let mut timed = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        match event {
            Event::StepStarted { .. } => timed.0 = Some(Instant::now()),
            Event::StepDone { .. } => timed.1 = timed.0.map(|begun| begun.elapsed()).unwrap_or_default(),
            _ => {}
        }
    }
}

async fn migration(objects: Arc<dyn Objects>) -> (u64, Duration) {
    let documents = Documents::open(objects, books()).unwrap_or_else(|e| panic!("{e}"));
    let timed = Timed::default();
    let how = How { observer: &timed, ..How::quietly() };
    assert_eq!(how.pace.concurrency.get(), CONCURRENCY, "both have as many records under way");
    let outcome = migrate(&documents, None, false, &how).await.unwrap_or_else(|e| panic!("{e}"));
    let Outcome::Done(done) = outcome else { panic!("{outcome:?}") };
    let tally = done.tally();
    let dealt = tally.written.max(tally.unchanged);
    assert_eq!((dealt, tally.conflicts), (tally.seen, 0), "all records are written once, or none is: {tally:?}");
    let records = timed.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).1;
    (tally.seen, records)
}

/// The same requests, without anything in between: list, read, write as many bytes as the migration would.
async fn raw(objects: Arc<dyn Objects>, count: u64, more: usize, concurrency: usize, conditional: bool) -> u64 {
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    let each = objects.list("book/", None).take(count).map(async |listed| {
        let key = listed?.key;
        // On a task of its own, so that both sides may use all cores.
        let objects = Arc::clone(&objects);
        let one = tokio::spawn(async move {
            let Some(object) = objects.get(&key).await? else { panic!("{key} is not there") };
            let mut bytes = object.bytes.to_vec();
            bytes.resize(bytes.len() + more, b' ');
            let mut attributes = object.attributes;
            attributes.metadata.insert("coeval-version".to_owned(), "3".to_owned());
            let condition = if conditional { Condition::Unchanged(object.token) } else { Condition::None };
            objects.put(&key, Bytes::from(bytes), &attributes, &condition).await
        });
        one.await.unwrap_or_else(|e| panic!("{e}"))
    });
    let written = each.buffer_unordered(concurrency).try_fold(0, async |sum, _| Ok(sum + 1)).await;
    written.unwrap_or_else(|e| panic!("{e}"))
}

/// A loop that knows no store: it reads a file, writes a temporary one, and renames it, on as many threads as a store of ours uses.
fn plain(folder: &Path, more: usize, sync: bool, sync_folder: bool) -> u64 {
    let paths: Vec<PathBuf> = fs::read_dir(folder)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_or_else(|e| panic!("{}: {e}", folder.display()), |entries| entries.into_iter().map(|entry| entry.path()).collect());
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                while let Some(path) = paths.get(next.fetch_add(1, Ordering::Relaxed)) {
                    rewrite(path, more, sync, sync_folder).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
                }
            });
        }
    });
    paths.len() as u64
}

fn rewrite(path: &Path, more: usize, sync: bool, sync_folder: bool) -> std::io::Result<()> {
    let mut bytes = fs::read(path)?;
    bytes.resize(bytes.len() + more, b' ');
    let temporary = path.with_extension("tmp");
    let mut file = File::create(&temporary)?;
    file.write_all(&bytes)?;
    if sync {
        file.sync_all()?;
    }
    fs::rename(&temporary, path)?;
    if sync_folder && let Some(folder) = path.parent() {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}
