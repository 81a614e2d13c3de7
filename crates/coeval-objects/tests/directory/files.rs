//! What other programs see in the folder, and what they can do there.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::time::{Duration, SystemTime};

use super::*;

#[tokio::test]
async fn a_key_is_a_path_and_nothing_else_is_left() {
    let (folder, store) = fresh();
    put(&store, "countries/LT.json", "{}").await.unwrap();
    assert_eq!(fs::read_to_string(folder.path().join("countries/LT.json")).unwrap(), "{}");
    put(&store, "countries/LT.json", "{ }").await.unwrap();
    assert_eq!(fs::read_dir(folder.path().join("countries")).unwrap().count(), 1);

    put(&store, "deep/er/and/deeper.json", "{}").await.unwrap();
    put(&store, "deep/er/other.json", "{}").await.unwrap();
    store.delete("deep/er/and/deeper.json", &Condition::None).await.unwrap();
    assert!(folder.path().join("deep/er").exists() && !folder.path().join("deep/er/and").exists());
    store.delete("deep/er/other.json", &Condition::None).await.unwrap();
    assert!(!folder.path().join("deep").exists() && folder.path().exists());
    assert_eq!(keys(&store).await, ["countries/LT.json"]);
}

#[tokio::test]
async fn a_refused_write_leaves_no_trace() {
    let (folder, store) = fresh();
    let token = put(&store, "a", "1").await.unwrap();
    let none = Attributes::default();
    for (key, condition) in [("a", Condition::Absent), ("x/y/z", Condition::Unchanged(token))] {
        assert!(store.put(key, "2".into(), &none, &condition).await.unwrap_err().is_conflict());
    }
    let names: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(names.iter().all(|name| name == "a" || name == "_coeval"), "{names:?}");
}

#[tokio::test]
async fn a_rewrite_by_another_program_is_noticed() {
    let (folder, store) = fresh();
    let token = put(&store, "a", "one").await.unwrap();
    let path = folder.path().join("a");
    let written = fs::metadata(&path).unwrap().modified().unwrap();
    // Of the same length, in place, with the times turned back.
    fs::write(&path, "two").unwrap();
    fs::File::options().write(true).open(&path).unwrap().set_modified(written).unwrap();
    let unchanged = Condition::Unchanged(token.clone());
    assert!(store.put("a", "three".into(), &Attributes::default(), &unchanged).await.unwrap_err().is_conflict());
    assert!(store.delete("a", &unchanged).await.unwrap_err().is_conflict());
    assert_ne!(found(&store, "a").await.token, token);
    fs::remove_file(&path).unwrap();
    assert!(store.put("a", "three".into(), &Attributes::default(), &unchanged).await.unwrap_err().is_conflict());
}

#[tokio::test]
async fn locks_and_temporary_files_are_no_objects() {
    let (folder, store) = fresh();
    put(&store, "a", "1").await.unwrap();
    put(&store, "_coeval/other", "1").await.unwrap();
    let [young, old] = [".coeval-1.tmp", "sub/.coeval-2.tmp"].map(|name| folder.path().join(name));
    fs::create_dir(folder.path().join("sub")).unwrap();
    for path in [&young, &old] {
        fs::write(path, "half").unwrap();
    }
    let week = Duration::from_secs(7 * 24 * 3600);
    fs::File::options().write(true).open(&old).unwrap().set_modified(SystemTime::now() - week).unwrap();
    assert!(folder.path().join("_coeval/locks").exists());
    assert_eq!(keys(&store).await, ["_coeval/other", "a"]);
    assert!(young.exists() && !old.exists(), "the old one is removed");

    for key in [".coeval-1.tmp", "_coeval/locks/00", "_coeval/locks"] {
        let expected = format!("the object key {key:?}: it is kept for coeval's locks and temporary files");
        assert_eq!(store.get(key).await.unwrap_err().to_string(), expected);
        assert_eq!(put(&store, key, "x").await.unwrap_err().to_string(), expected);
    }
}

#[tokio::test]
async fn no_symbolic_link_is_followed() {
    let (folder, store) = fresh();
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("secret"), "x").unwrap();
    symlink(outside.path(), folder.path().join("out")).unwrap();
    symlink(outside.path().join("secret"), folder.path().join("link")).unwrap();
    symlink(folder.path(), folder.path().join("loop")).unwrap();
    assert!(keys(&store).await.is_empty());
    let below: Vec<_> = store.list("out/", None).try_collect::<Vec<_>>().await.unwrap();
    assert!(below.is_empty());
    for (key, link) in [("out/secret", "out"), ("link", "link"), ("loop/link", "loop")] {
        let expected = |verb: &str| format!("{verb} DIR/{key}: DIR/{link} is a symbolic link, and none is followed");
        assert_eq!(said(&folder, &store.get(key).await.unwrap_err()), expected("reading"));
        assert_eq!(said(&folder, &put(&store, key, "y").await.unwrap_err()), expected("writing"));
        assert_eq!(said(&folder, &store.delete(key, &Condition::None).await.unwrap_err()), expected("deleting"));
    }
    assert_eq!(fs::read_to_string(outside.path().join("secret")).unwrap(), "x");
    // The folder itself may be one.
    put(&store, "a", "1").await.unwrap();
    let through = Directory::open(folder.path().join("loop")).unwrap();
    assert_eq!(keys(&through).await, ["a"]);
}

#[tokio::test]
async fn a_file_keeps_its_permissions() {
    let (folder, store) = fresh();
    put(&store, "a", "1").await.unwrap();
    let path = folder.path().join("a");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    put(&store, "a", "2").await.unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
}

#[tokio::test]
async fn special_files_and_odd_names_are_no_objects() {
    let (folder, store) = fresh();
    let fifo = std::process::Command::new("mkfifo").arg(folder.path().join("fifo")).status().unwrap();
    assert!(fifo.success());
    fs::write(folder.path().join("new\nline"), "x").unwrap();
    fs::create_dir_all(folder.path().join("empty/folder")).unwrap();
    assert!(keys(&store).await.is_empty());
    assert_eq!(store.get("fifo").await.unwrap(), None, "reading it would wait for ever");
    assert_eq!(store.get("empty").await.unwrap(), None);
    put(&store, "empty/folder", "a file takes the place of an empty folder").await.unwrap();
    assert_eq!(keys(&store).await, ["empty/folder"]);
}

/// Lists 30,000 files of one folder, in order and without holding more than their names.
#[tokio::test]
async fn a_large_folder_is_listed_in_order() {
    let (folder, store) = fresh();
    fs::create_dir(folder.path().join("many")).unwrap();
    for index in 0..30_000 {
        fs::write(folder.path().join(format!("many/{:06}.json", index * 7919 % 30_000)), "").unwrap();
    }
    let mut count = 0;
    let mut last = String::new();
    let mut listed = store.list("many/", None);
    while let Some(next) = listed.try_next().await.unwrap() {
        assert!(next.key > last);
        last = next.key;
        count += 1;
    }
    assert_eq!(count, 30_000);
}
