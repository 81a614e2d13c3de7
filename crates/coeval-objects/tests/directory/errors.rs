//! What a person reads when the disk does not do what it should, and what it leaves: the object as it was.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use super::*;

#[tokio::test]
async fn a_name_that_continues_another_one_is_refused() {
    let (folder, store) = fresh();
    put(&store, "a", "1").await.unwrap();
    let help = "In a directory no object's name can continue another one's after a `/`; choose other names.";
    for key in ["a/b", "a/b/c"] {
        let error = put(&store, key, "2").await.unwrap_err();
        let expected = format!("writing DIR/{key}: a file lies where a folder should be | {help}");
        assert_eq!(said(&folder, &error), expected);
        assert_eq!(store.get(key).await.unwrap(), None);
        store.delete(key, &Condition::None).await.unwrap();
    }
    put(&store, "c/d", "3").await.unwrap();
    let error = put(&store, "c", "4").await.unwrap_err();
    assert_eq!(said(&folder, &error), format!("writing DIR/c: a folder of that name is there | {help}"));
    assert_eq!(keys(&store).await, ["a", "c/d"]);
}

#[tokio::test]
async fn a_name_that_is_too_long_is_refused() {
    let (folder, store) = fresh();
    let error = put(&store, &"x".repeat(300), "1").await.unwrap_err();
    assert!(said(&folder, &error).ends_with(": the name is too long or otherwise impossible on this file system"), "{error}");
}

#[tokio::test]
async fn a_file_is_no_directory() {
    let (folder, store) = fresh();
    put(&store, "a", "1").await.unwrap();
    let error = Directory::open(folder.path().join("a")).unwrap_err();
    assert_eq!(said(&folder, &error), "opening DIR/a: it is no folder");
}

/// Runs one test of this program in another process, with a shell around it that `prepare`s what surrounds it.
fn within(prepare: &str, test: &str, folder: &Path) -> Output {
    let script = format!("{prepare}\nexec \"$0\" --exact \"$1\" --nocapture");
    let program = std::env::current_exe().unwrap();
    let mut shell = Command::new("unshare");
    shell.args(["--mount", "--map-root-user", "sh", "-ec", &script]).arg(program).arg(test);
    shell
        .env("COEVAL_TEST_FOLDER", folder)
        .output()
        .expect("`unshare` makes a file system for the test; it is part of util-linux")
}

/// Returns the folder if this process is the inner one.
fn inner() -> Option<std::path::PathBuf> {
    std::env::var_os("COEVAL_TEST_FOLDER").map(Into::into)
}

fn passed(output: &Output) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
}

/// On a file system of 256 kB in memory: a write that does not fit says so and leaves the object and nothing else.
#[tokio::test]
async fn a_full_disk() {
    let Some(folder) = inner() else {
        let folder = tempfile::tempdir().unwrap();
        let mount = "mount -t tmpfs -o size=256k tmpfs \"$COEVAL_TEST_FOLDER\"";
        return passed(&within(mount, "errors::a_full_disk", folder.path()));
    };
    let store = Directory::open(&folder).unwrap();
    put(&store, "sub/a", "old").await.unwrap();
    for condition in [Condition::None, Condition::Unchanged(found(&store, "sub/a").await.token)] {
        let large = vec![0; 1 << 20];
        let error = store.put("sub/a", large.into(), &Attributes::default(), &condition).await.unwrap_err();
        let Error::Failed { what, reason, help } = error else { panic!("{error}") };
        assert_eq!((what, &*reason), (format!("writing {}/sub/a", folder.display()), "the disk is full"));
        assert_eq!(help.unwrap(), "Make room and run it again: the object is as it was.");
        assert_eq!(found(&store, "sub/a").await.bytes, "old");
        assert_eq!(fs::read_dir(folder.join("sub")).unwrap().count(), 1, "the half-written file is gone");
    }
    put(&store, "sub/a", "new").await.unwrap();
}

#[tokio::test]
async fn a_read_only_file_system() {
    let Some(folder) = inner() else {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a"), "old").unwrap();
        let mount =
            "mount --bind \"$COEVAL_TEST_FOLDER\" \"$COEVAL_TEST_FOLDER\"; mount -o remount,bind,ro \"$COEVAL_TEST_FOLDER\"";
        return passed(&within(mount, "errors::a_read_only_file_system", folder.path()));
    };
    let store = Directory::open(&folder).unwrap();
    let error = put(&store, "a", "new").await.unwrap_err();
    assert_eq!(error.to_string(), format!("writing {}/a: the file system is read-only", folder.display()));
    assert!(store.delete("a", &Condition::None).await.unwrap_err().to_string().ends_with("the file system is read-only"));
    assert_eq!(found(&store, "a").await.bytes, "old");
    assert_eq!(keys(&store).await, ["a"]);
}

/// A limit on the size of files stands for quotas: the system refuses in the middle of a write.
#[tokio::test]
async fn a_limit_on_the_size_of_files() {
    let Some(folder) = inner() else {
        let folder = tempfile::tempdir().unwrap();
        return passed(&within("ulimit -f 64; trap '' XFSZ", "errors::a_limit_on_the_size_of_files", folder.path()));
    };
    let store = Directory::open(&folder).unwrap();
    put(&store, "a", "old").await.unwrap();
    let error = put(&store, "a", &"x".repeat(1 << 20)).await.unwrap_err();
    assert!(error.to_string().ends_with("the file would be larger than the system allows"), "{error}");
    assert_eq!(found(&store, "a").await.bytes, "old");
    assert_eq!(keys(&store).await, ["a"]);
}

/// A folder that its owner may not write to: the system's superuser may all the same, so the inner process is somebody else.
#[tokio::test]
async fn no_permission() {
    let Some(folder) = inner() else {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a"), "old").unwrap();
        // Mounted without any permission for others, seen by a user without the superuser's powers.
        let prepare = "chmod 555 \"$COEVAL_TEST_FOLDER\"\nset -- \"$1\"\nexec setpriv --bounding-set=-all --inh-caps=-all \
                       --reuid=0 --no-new-privs \"$0\" --exact \"$1\" --nocapture";
        return passed(&within(prepare, "errors::no_permission", folder.path()));
    };
    let store = Directory::open(&folder).unwrap();
    let error = put(&store, "a", "new").await.unwrap_err();
    let Error::Failed { what, reason, help } = error else { panic!("{error}") };
    assert_eq!((what, &*reason), (format!("writing {}/a", folder.display()), "permission denied"));
    assert_eq!(help.unwrap(), "Writing needs the permission to make files in the folder, not only to write the file.");
    assert_eq!(found(&store, "a").await.bytes, "old");
}
