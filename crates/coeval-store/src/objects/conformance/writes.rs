//! One client: writing, reading, deleting, and their conditions.

use super::{Failure, Store, Verdict, ensure, equal, refused};
use crate::error::Error;
use crate::objects::{Condition, Token};

/// No object ever had it; it looks like one of S3's.
fn wrong() -> Condition {
    Condition::Unchanged(Token("\"0123456789abcdef0123456789abcdef\"".to_owned()))
}

pub(super) async fn read_what_was_written(store: Store) -> Verdict {
    equal("an object that was never written", &store.get("a").await?, &None)?;
    let first = store.put("a", "one", &Condition::None).await?;
    let found = store.found("a").await?;
    equal("its bytes", &&found.bytes[..], &&b"one"[..])?;
    equal("its token, read and written", &found.token, &first)?;
    equal("its token, read again", &store.found("a").await?.token, &first)?;

    let second = store.put("a", "two", &Condition::None).await?;
    ensure(first != second, || format!("other bytes have the same token {first:?}"))?;
    let found = store.found("a").await?;
    equal("its bytes, replaced", &&found.bytes[..], &&b"two"[..])?;
    equal("its token, replaced", &found.token, &second)
}

pub(super) async fn create_once(store: Store) -> Verdict {
    let created = store.put("a", "one", &Condition::Absent).await?;
    refused("creating what is there", store.put("a", "two", &Condition::Absent).await)?;
    refused("creating the very same again", store.put("a", "one", &Condition::Absent).await)?;
    equal("the bytes of the first", &&store.found("a").await?.bytes[..], &&b"one"[..])?;
    equal("the token of the first", &store.found("a").await?.token, &created)?;
    store.delete("a", &Condition::None).await?;
    store.put("a", "three", &Condition::Absent).await?;
    Ok(())
}

pub(super) async fn replace_if_unchanged(store: Store) -> Verdict {
    refused("replacing what was never there", store.put("a", "x", &wrong()).await)?;
    equal("what a refused write left", &store.get("a").await?, &None)?;
    let first = store.put("a", "one", &Condition::None).await?;
    refused("replacing upon a wrong token", store.put("a", "x", &wrong()).await)?;
    let second = store.put("a", "two", &Condition::Unchanged(first.clone())).await?;
    refused("replacing upon a stale token", store.put("a", "x", &Condition::Unchanged(first)).await)?;
    let found = store.found("a").await?;
    equal("the bytes", &&found.bytes[..], &&b"two"[..])?;
    equal("the token", &found.token, &second)?;
    store.delete("a", &Condition::None).await?;
    refused("replacing what was deleted", store.put("a", "x", &Condition::Unchanged(second)).await)?;
    equal("what a refused write left", &store.get("a").await?, &None)
}

pub(super) async fn delete(store: Store) -> Verdict {
    store.put("a", "one", &Condition::None).await?;
    store.put("b", "two", &Condition::None).await?;
    store.delete("a", &Condition::None).await?;
    equal("a deleted object", &store.get("a").await?, &None)?;
    store.delete("a", &Condition::None).await?;
    store.delete("folder/never", &Condition::None).await?;
    equal("what is left", &store.names("", None).await?, &vec!["b".to_owned()])
}

pub(super) async fn delete_if_unchanged(store: Store) -> Verdict {
    let first = store.put("a", "one", &Condition::None).await?;
    let second = store.put("a", "two", &Condition::None).await?;
    let stale = store.delete("a", &Condition::Unchanged(first)).await;
    // A store that has to try out what its server does knows it by now.
    if !store.objects.capabilities().conditional_delete {
        let unsupported = matches!(stale, Err(Error::Unsupported { .. }));
        ensure(unsupported, || format!("a store without conditional delete should say so: {stale:?}"))?;
        store.found("a").await?;
        return Ok(());
    }
    refused("deleting upon a stale token", stale)?;
    refused("deleting upon a wrong token", store.delete("a", &wrong()).await)?;
    refused("deleting if there is nothing, what is there", store.delete("a", &Condition::Absent).await)?;
    equal("what refused deletes left", &&store.found("a").await?.bytes[..], &&b"two"[..])?;
    store.delete("a", &Condition::Unchanged(second.clone())).await?;
    equal("a deleted object", &store.get("a").await?, &None)?;
    refused("deleting again upon the token", store.delete("a", &Condition::Unchanged(second)).await)?;
    store.delete("a", &Condition::Absent).await?;
    Ok(())
}

pub(super) async fn empty_and_large(store: Store) -> Verdict {
    let large: Vec<u8> = (0..8 << 20).map(|index: u32| (index.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let mut tokens = Vec::new();
    for (name, bytes) in [("empty", &large[..0]), ("small", &large[..1]), ("large", &large[..])] {
        let token = store.put(name, bytes.to_vec(), &Condition::Absent).await?;
        let found = store.found(name).await?;
        if found.bytes != bytes {
            return Err(Failure(format!("{name}: {} bytes were written, {} others read", bytes.len(), found.bytes.len())));
        }
        equal("the token", &found.token, &token)?;
        tokens.push(token);
    }
    // From empty to large and back, upon the tokens.
    store.put("empty", large.clone(), &Condition::Unchanged(tokens[0].clone())).await?;
    store.put("large", Vec::new(), &Condition::Unchanged(tokens[2].clone())).await?;
    let sizes = [store.found("empty").await?.bytes.len(), store.found("large").await?.bytes.len()];
    equal("the sizes", &sizes, &[large.len(), 0])
}
