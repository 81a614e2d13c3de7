//! What the tests share: databases in a folder of their own, and Python as a client that knows nothing of coeval.

pub(crate) mod shop;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex};

use coeval_sqlite::{Database, Sqlite, open};
use coeval_store::Error;
use coeval_store::event::{Event, Observer};
use tempfile::TempDir;

pub(crate) fn options(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

pub(crate) fn database(path: &Path, pairs: &[(&str, &str)]) -> Database {
    open(&format!("sqlite:{}", path.display()), &options(pairs)).unwrap()
}

pub(crate) fn store(path: &Path, pairs: &[(&str, &str)]) -> Sqlite {
    Sqlite::new(database(path, pairs), "shop", Arc::default())
}

/// A folder and the path of a database in it that is not there yet.
pub(crate) fn fresh() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shop.db");
    (folder, path)
}

/// What a person reads, without the folder.
pub(crate) fn said(folder: &Path, error: &Error) -> String {
    let help = if let Error::Failed { help: Some(help), .. } = error { format!(" | {help}") } else { String::new() };
    format!("{error}{help}").replace(&folder.display().to_string(), "DIR")
}

/// Keeps what it is told.
#[derive(Debug, Default)]
pub(crate) struct Told(pub(crate) Mutex<Vec<Event>>);

impl Observer for Told {
    fn event(&self, event: Event) {
        self.0.lock().unwrap().push(event);
    }
}

/// Another program that has the database open: Python's own SQLite.
pub(crate) struct Outside {
    process: Child,
    told: Option<ChildStdin>,
    says: BufReader<ChildStdout>,
}

/// Runs each line it is told, and answers with what the line evaluates to.
const LOOP: &str = "
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=20)
def run(sql): return db.execute(sql).fetchall()
for line in sys.stdin:
    try: print(eval(line), flush=True)
    except Exception as e: print('error:', e, flush=True)
";

impl Outside {
    pub(crate) fn open(path: &Path) -> Self {
        let mut command = Command::new("python3");
        command.args(["-c", LOOP]).arg(path).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().expect("the tests need python3");
        let (told, says) = (process.stdin.take(), BufReader::new(process.stdout.take().unwrap()));
        Self { process, told, says }
    }

    /// Tells it something without waiting for the answer.
    pub(crate) fn tell(&mut self, line: &str) {
        writeln!(self.told.as_mut().unwrap(), "{line}").unwrap();
    }

    pub(crate) fn answer(&mut self) -> String {
        let mut line = String::new();
        self.says.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    /// Runs a statement; its rows as Python writes them.
    pub(crate) fn run(&mut self, sql: &str) -> String {
        self.tell(&format!("run({sql:?})"));
        self.answer()
    }
}

impl Drop for Outside {
    fn drop(&mut self) {
        drop(self.told.take());
        let _ = self.process.wait();
    }
}
