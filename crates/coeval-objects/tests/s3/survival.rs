//! What others gave an object is there after a rewrite: tags, which writing drops; and what `object_store` does not speak of.

use super::*;

#[tokio::test]
async fn tags_survive_a_rewrite() {
    let store = fresh();
    let tags = [("team", "data & analysis"), ("étage", "<2>"), ("empty", "")];
    let tags = tags.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    let mut attributes = Attributes { tags, ..Attributes::default() };
    attributes.headers.insert("content-type".to_owned(), "application/x-ours".to_owned());
    attributes.metadata.insert("owner".to_owned(), "x y".to_owned());
    store.put("a", "1".into(), &attributes, &Condition::Absent).await.unwrap();
    for text in ["2", "3"] {
        let found = store.get("a").await.unwrap().unwrap();
        assert_eq!(found.attributes, attributes);
        store.put("a", text.into(), &found.attributes, &Condition::Unchanged(found.token)).await.unwrap();
    }
    let found = store.get("a").await.unwrap().unwrap();
    assert_eq!((found.bytes, found.attributes), ("3".into(), attributes));
}

#[tokio::test]
async fn what_no_header_can_hold_is_refused() {
    let store = fresh();
    let with = |header: &str, metadata: &str, value: &str| {
        let mut attributes = Attributes::default();
        if !header.is_empty() {
            attributes.headers.insert(header.to_owned(), value.to_owned());
        }
        if !metadata.is_empty() {
            attributes.metadata.insert(metadata.to_owned(), value.to_owned());
        }
        attributes
    };
    for (attributes, expected) in [
        (with("", "owner", "Žemė"), "writing a: its metadata \"owner\" holds what no header can: other than printable ASCII"),
        (with("", "a b", "x"), "writing a: its metadata \"a b\" holds what no header can: other than printable ASCII"),
        (
            with("content-type", "", "a\nb"),
            "writing a: its header \"content-type\" holds what no header can: other than printable ASCII",
        ),
        (with("expires", "", "x"), "writing a: its header \"expires\" cannot be kept"),
    ] {
        let error = store.put("a", "1".into(), &attributes, &Condition::None).await.unwrap_err();
        assert_eq!(error.to_string(), expected);
    }
    assert_eq!(store.get("a").await.unwrap(), None);
}

#[tokio::test]
async fn a_store_sees_its_prefix_only() {
    let prefix = fresh_prefix();
    let (outer, inner) = (at(&prefix, &[]), at(&format!("{prefix}/in"), &[]));
    put(&outer, "in/a", "1", &Condition::None).await.unwrap();
    put(&outer, "inside", "2", &Condition::None).await.unwrap();
    assert_eq!(keys(&inner, "").await, ["a"]);
    assert_eq!(inner.get("a").await.unwrap().unwrap().bytes, "1");
    inner.delete("a", &Condition::None).await.unwrap();
    assert_eq!(keys(&outer, "").await, ["inside"]);
    assert_eq!(inner.name(), format!("s3://coeval-test/{prefix}/in"));
}
