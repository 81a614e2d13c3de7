//! The schema of a database in the words of `pg_dump`.

use std::process::Command;

/// Returns what `pg_dump` says of a database's schema, without what coeval notes beside the records.
pub(crate) fn dump(url: &str) -> String {
    // A program refuses to dump a server that is newer than itself; some servers come without one.
    let own = std::path::Path::new(&super::variable("COEVAL_TEST_POSTGRES_BIN")).join("pg_dump");
    let program = if own.exists() { own } else { "pg_dump".into() };
    let arguments = ["--schema-only", "--exclude-schema=coeval", "--dbname", url];
    let done = Command::new(program).args(arguments).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    // A newer release brackets its output with a word that is another one each time.
    let text = String::from_utf8(done.stdout).unwrap();
    text.lines()
        .filter(|line| !line.starts_with("\\restrict") && !line.starts_with("\\unrestrict"))
        .collect::<Vec<_>>()
        .join("\n")
}

/// Fails where two dumps differ, with the lines.
pub(crate) fn similar(found: &str, expected: &str, what: &str) {
    if found != expected {
        let other =
            |lines: &str, than: &str| lines.lines().filter(|line| !than.contains(line)).map(str::to_owned).collect::<Vec<_>>();
        panic!("{what}: more {:#?}, less {:#?}", other(found, expected), other(expected, found));
    }
}
