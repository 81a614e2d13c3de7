//! Headers, metadata and tags: they come back as they were, and a write replaces them all.

use std::collections::BTreeMap;

use super::{Store, Verdict, equal};
use crate::objects::{Attributes, Condition};

fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// Returns what a store that has everything is given, cut down to what this one has.
fn full(store: &Store) -> Attributes {
    let can = store.objects.capabilities();
    let mut attributes = Attributes::default();
    if can.metadata {
        attributes.headers = map(&[
            ("content-type", "application/vnd.shop+json; charset=utf-8"),
            ("content-encoding", "gzip"),
            ("cache-control", "max-age=60, private"),
            ("content-disposition", "attachment; filename=\"a b.json\""),
            ("content-language", "lt, en"),
        ]);
        attributes.metadata = map(&[("coeval-version", "3"), ("owner", "a b=c;d,\"e\""), ("under_score", "x")]);
    }
    if can.tags {
        attributes.tags = map(&[("team", "data"), ("cost centre", "a=b+c/d:e@f"), ("šalis", "Lietuva ąž")]);
    }
    attributes
}

pub(super) async fn attributes_survive(store: Store) -> Verdict {
    let full = full(&store);
    let key = store.key("a");
    let first = store.objects.put(&key, "one".into(), &full, &Condition::Absent).await?;
    let found = store.found("a").await?;
    equal("what was written", &found.attributes, &full)?;
    // A rewrite is a read, other bytes, and a write of what was read.
    store.objects.put(&key, "two".into(), &found.attributes, &Condition::Unchanged(first)).await?;
    let found = store.found("a").await?;
    equal("the bytes", &&found.bytes[..], &&b"two"[..])?;
    equal("what survived a rewrite", &found.attributes, &full)
}

pub(super) async fn attributes_are_replaced(store: Store) -> Verdict {
    let full = full(&store);
    let key = store.key("a");
    store.objects.put(&key, "one".into(), &full, &Condition::None).await?;
    let mut less = full.clone();
    less.metadata.remove("owner");
    less.tags.remove("team");
    less.headers.remove("cache-control");
    store.objects.put(&key, "two".into(), &less, &Condition::None).await?;
    equal("what was given less", &store.found("a").await?.attributes, &less)?;
    store.put("a", "three", &Condition::None).await?;
    let mut left = store.found("a").await?.attributes;
    // S3 gives a type to what has none.
    left.headers.remove("content-type");
    equal("what was given nothing", &left, &Attributes::default())
}
