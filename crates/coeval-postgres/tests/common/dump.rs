//! What a database's schema looks like, as `pg_dump` tells it.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Returns the program of a name that comes with the server, or the newest of that name: a program refuses to dump a server that is
/// newer than itself, and some servers come without one.
pub(crate) fn program(name: &str) -> PathBuf {
    let own = std::env::var_os("COEVAL_TEST_POSTGRES_BIN").map(|folder| Path::new(&folder).join(name));
    if let Some(own) = own.filter(|own| own.exists()) {
        return own;
    }
    let folders = std::fs::read_dir("/usr/lib/postgresql");
    let newest = folders.map(|found| found.flatten().map(|folder| folder.path().join("bin").join(name)).max());
    newest.ok().flatten().filter(|path| path.exists()).unwrap_or_else(|| name.into())
}

/// Returns what `pg_dump` says of a database's schema, without what coeval notes beside the records.
pub(crate) fn dump(url: &str) -> String {
    let arguments = ["--schema-only", "--exclude-schema=coeval", "--dbname", url];
    let done = Command::new(program("pg_dump")).args(arguments).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    // A newer release brackets its output with a word that is another one each time.
    let text = String::from_utf8(done.stdout).unwrap();
    text.lines()
        .filter(|line| !line.starts_with("\\restrict") && !line.starts_with("\\unrestrict"))
        .collect::<Vec<_>>()
        .join("\n")
}

/// Compares what was said of two schemas, and names the lines that differ.
pub(crate) fn similar(found: &str, expected: &str, what: &str) {
    if found != expected {
        let other =
            |lines: &str, than: &str| lines.lines().filter(|line| !than.contains(line)).map(str::to_owned).collect::<Vec<_>>();
        panic!("{what}: more {:#?}, less {:#?}", other(found, expected), other(expected, found));
    }
}
