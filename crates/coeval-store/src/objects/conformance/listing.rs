//! Listing: by prefix, from a key on, in the order of bytes, past the size of a page.

use futures::stream::{self, StreamExt, TryStreamExt};

use super::{Store, Verdict, ensure, equal};
use crate::objects::Condition;

async fn write(store: &Store, names: &[String]) -> Verdict {
    let writes = names.iter().map(|name| {
        let (store, name) = (store.clone(), name.clone());
        async move { store.put(&name, name.clone(), &Condition::None).await }
    });
    // As futures of their own, since a stream of borrowing closures is not general enough for a boxed future.
    let writes: Vec<_> = writes.collect();
    Ok(stream::iter(writes).buffer_unordered(16).try_for_each(async |_| Ok(())).await?)
}

fn strings(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

pub(super) async fn list_by_prefix(store: Store) -> Verdict {
    equal("an empty folder", &store.names("", None).await?, &Vec::new())?;
    // In the order of bytes, which is neither that of languages nor that of folders: `-` and `.` come before `/`, digits after.
    let all = strings(&["B", "a", "x-", "x.json", "x/1", "x/10", "x/2", "x/sub/1", "x0/1", "é"]);
    write(&store, &all).await?;
    equal("all", &store.names("", None).await?, &all)?;
    for (prefix, expected) in [
        ("x", &["x-", "x.json", "x/1", "x/10", "x/2", "x/sub/1", "x0/1"][..]),
        ("x/", &["x/1", "x/10", "x/2", "x/sub/1"]),
        ("x/1", &["x/1", "x/10"]),
        ("x/s", &["x/sub/1"]),
        ("x/sub", &["x/sub/1"]),
        ("x/sub/", &["x/sub/1"]),
        ("x/sub/1", &["x/sub/1"]),
        ("x/sub/1/", &[]),
        ("y", &[]),
        ("no/such/folder/", &[]),
    ] {
        equal(&format!("what begins with {prefix}"), &store.names(prefix, None).await?, &strings(expected))?;
    }
    let sizes: Vec<_> = store.objects.list(&store.key("x/"), None).map_ok(|listed| listed.size).try_collect().await?;
    equal("the sizes", &sizes, &vec![3, 4, 3, 7])
}

pub(super) async fn list_after(store: Store) -> Verdict {
    let all = strings(&["a", "b", "b-", "b/1", "b/2", "b/3/4", "b0", "c"]);
    write(&store, &all).await?;
    for prefix in ["", "b", "b/", "b/3", "c"] {
        for after in ["", "a", "a/z", "b", "b,", "b-", "b/", "b/1", "b/1/x", "b/3", "b/3/4", "b/4", "b/~", "b0", "c", "d"] {
            let expected: Vec<String> =
                all.iter().filter(|name| name.starts_with(prefix) && name.as_str() > after).cloned().collect();
            let found = store.names(prefix, Some(after)).await?;
            equal(&format!("what begins with {prefix:?} after {after:?}"), &found, &expected)?;
        }
    }
    Ok(())
}

pub(super) async fn list_many(store: Store) -> Verdict {
    // Over two pages of S3 in one folder, and one more folder in the middle of them.
    let mut all: Vec<String> = (0..2100).map(|index| format!("many/{index:05}")).collect();
    all.extend((0..50).map(|index| format!("many/01000/{index:02}.json")));
    all.retain(|name| name != "many/01000");
    all.sort();
    write(&store, &all).await?;
    let found = store.names("many/", None).await?;
    ensure(found.is_sorted(), || "the list is not in the order of bytes".to_owned())?;
    ensure(found == all, || format!("{} objects were written, {} listed", all.len(), found.len()))?;
    let rest = store.names("many/", Some("many/01500")).await?;
    equal("how many come after one", &rest.len(), &599)?;
    // A listing that nobody reads to its end is no harm.
    let first: Vec<_> = store.objects.list(&store.key("many/"), None).take(3).try_collect().await?;
    equal("the first three", &first.len(), &3)
}
