//! Which names objects can have.

use std::collections::BTreeMap;

use super::{Failure, Store, Verdict, ensure, equal};
use crate::error::{Error, Result};
use crate::objects::{Attributes, Condition, Token};

/// Names that somebody's quoting gets wrong.
const ODD: &[&str] = &[
    "with space",
    " leading and trailing ",
    "plus+plus",
    "100%",
    "%2F%20%25",
    "query?x=1&y=2",
    "hash#tag",
    "semi;colon,comma:colon",
    "..begins",
    "ends..",
    "...",
    "in..side/..a/b..",
    "ünïcödé/ключ/鍵 😀.json",
    "quotes'\"",
    "br[ack]ets{}<>()",
    "tilde~star*pipe|caret^tick`",
    "at@dollar$bang!equals=",
    ".hidden",
    "UPPER",
    "k.tmp",
    "k~",
];

pub(super) async fn odd_names(store: Store) -> Verdict {
    let mut expected = BTreeMap::new();
    for (index, name) in ODD.iter().enumerate() {
        store.put(name, format!("{index}"), &Condition::Absent).await?;
        expected.insert((*name).to_owned(), index.to_string());
    }
    for (name, bytes) in &expected {
        equal(name, &&store.found(name).await?.bytes[..], &bytes.as_bytes())?;
    }
    let names: Vec<String> = expected.into_keys().collect();
    equal("the list", &store.names("", None).await?, &names)?;
    for pair in names.windows(2) {
        let next = store.names("", Some(&pair[0])).await?.into_iter().next();
        equal(&format!("what comes after {:?}", pair[0]), &next.as_ref(), &Some(&pair[1]))?;
        let own = store.names(&pair[0], None).await?;
        equal("what begins with a name", &own.first(), &Some(&pair[0]))?;
    }
    for name in &names {
        store.delete(name, &Condition::None).await?;
    }
    equal("what is left", &store.names("", None).await?, &Vec::new())
}

pub(super) async fn long_names(store: Store) -> Verdict {
    let part = |letter: &str| letter.repeat(200);
    let long = [part("a"), part("b"), part("c")].join("/");
    let wide = "鍵".repeat(66);
    for name in [&long, &wide] {
        store.put(name, "x", &Condition::Absent).await?;
        equal("its bytes", &&store.found(name).await?.bytes[..], &&b"x"[..])?;
    }
    equal("the list", &store.names("", None).await?, &vec![long, wide])
}

/// A store may be unable to hold both `a` and `a/b`, as files are; then it says so, or that something is there already, and keeps the
/// first.
pub(super) async fn names_that_continue_others(store: Store) -> Verdict {
    let mut names = Vec::new();
    for name in ["ab", "a-b", "a.b", "a0", "a", "a/b", "c/d/e", "c/d", "c"] {
        match store.put(name, name.to_owned(), &Condition::Absent).await {
            Ok(_) => names.push(name.to_owned()),
            Err(Error::Failed { .. } | Error::Conflict { .. }) if ["a/b", "c/d", "c"].contains(&name) => {}
            Err(error) => return Err(error.into()),
        }
    }
    names.sort();
    for name in &names {
        equal("its bytes", &&store.found(name).await?.bytes[..], &name.as_bytes())?;
    }
    equal("the list", &store.names("", None).await?, &names)?;
    let begin = |prefix: &str| names.iter().filter(|name| name.starts_with(prefix)).cloned().collect::<Vec<_>>();
    for prefix in ["a", "a/", "a.", "c", "c/", "c/d", "c/d/", "c/d/e", "d"] {
        equal(&format!("what begins with {prefix}"), &store.names(prefix, None).await?, &begin(prefix))?;
    }
    // When one is gone the other's name is free.
    store.delete("c/d/e", &Condition::None).await?;
    store.delete("c/d", &Condition::None).await?;
    store.put("c", "now", &Condition::None).await?;
    store.delete("c", &Condition::None).await?;
    store.put("c/d", "again", &Condition::Absent).await?;
    equal("what begins with c", &store.names("c", None).await?, &vec!["c/d".to_owned()])
}

pub(super) async fn impossible_names(store: Store) -> Verdict {
    fn failed<T>(key: &str, result: Result<T>) -> Verdict {
        match result {
            Err(Error::Failed { .. }) => Ok(()),
            Err(error) => Err(Failure(format!("{key:?} should be refused as a key, but the error is: {error}"))),
            Ok(_) => Err(Failure(format!("{key:?} was taken as a key"))),
        }
    }
    let objects = &store.objects;
    for key in ["", "/", "/a", "a/", "a//b", ".", "..", "../a", "a/../../b", "a/.", "nul\0nul", "new\nline"] {
        let none = Attributes::default();
        failed::<Option<_>>(key, objects.get(key).await)?;
        failed::<Token>(key, objects.put(key, "x".into(), &none, &Condition::None).await)?;
        failed::<()>(key, objects.delete(key, &Condition::None).await)?;
    }
    ensure(store.names("", None).await?.is_empty(), || "something was written".to_owned())
}
