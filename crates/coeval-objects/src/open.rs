//! Opening a store by its address.

use std::collections::BTreeMap;
use std::sync::Arc;

use coeval_store::objects::{MemoryObjects, Objects, check_key};
use coeval_store::{Error, Result};

use crate::cloud::{Address, Cloud, Kind};
use crate::directory::Directory;
use crate::options::Options;

/// Opens a store. Nothing is asked of it yet.
///
/// - `s3://BUCKET/PREFIX`, `gs://BUCKET/PREFIX`, `az://CONTAINER/PREFIX`; the prefix may be missing.
/// - `file:PATH` or `file:///PATH`: a folder; `%` and spaces stand for themselves. A relative one starts at the current folder.
/// - `memory:`: a new one every time.
///
/// `options` are those of `coeval.yaml`; [`crate::environment`] says which variables stand for them. No error and no name shows the
/// value of an option. Requests are not repeated: put [`coeval_store::objects::wrap::Retrying`] around it.
///
/// # Errors
/// [`Error::Failed`] for an address or an option that makes no sense, with what would.
pub fn open(url: &str, options: &BTreeMap<String, String>) -> Result<Arc<dyn Objects>> {
    let wrong = |reason: &str, help: &str| {
        let what = format!("opening {}", without_secrets(url));
        Err(Error::Failed { what, reason: reason.to_owned(), help: Some(help.to_owned()) })
    };
    let Some((scheme, rest)) = url.split_once(':') else {
        return wrong("it is no address of a store", "Write `file:PATH` for a folder, or `s3://BUCKET/PREFIX`.");
    };
    let kind = match scheme {
        "s3" => Kind::S3,
        "gs" => Kind::Gcs,
        "az" => Kind::Azure,
        "file" | "memory" => {
            Options::new(&format!("opening {url}"), scheme, options)?;
            return if scheme == "file" { directory(url, rest) } else { Ok(Arc::new(MemoryObjects::new())) };
        }
        _ => return wrong("no store of documents has such an address", "There are `s3:`, `gs:`, `az:`, `file:` and `memory:`."),
    };
    let form = format!("Write `{scheme}://BUCKET/PREFIX`, or `{scheme}://BUCKET`.");
    let Some(rest) = rest.strip_prefix("//") else { return wrong("the bucket is missing", &form) };
    if rest.contains('@') {
        return wrong("it holds credentials", "Give them as options or in the environment, and the address without them.");
    }
    if rest.contains(['?', '#']) {
        return wrong("it holds `?` or `#`", "Give options beside the address.");
    }
    let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    let prefix = prefix.trim_end_matches('/');
    if bucket.is_empty() {
        return wrong("the bucket is missing", &form);
    }
    if !prefix.is_empty() && check_key(prefix).is_err() {
        return wrong("its prefix is empty in parts, or holds `.` or `..`", &form);
    }
    let slash = if prefix.is_empty() { "" } else { "/" };
    let address =
        Address { kind, name: format!("{scheme}://{bucket}{slash}{prefix}"), bucket, prefix: format!("{prefix}{slash}") };
    let options = Options::new(&format!("opening {}", address.name), scheme, options)?;
    Ok(Arc::new(Cloud::open(address, &options)?))
}

fn directory(url: &str, rest: &str) -> Result<Arc<dyn Objects>> {
    let path = match rest.strip_prefix("//") {
        Some(path) if path.starts_with('/') => path,
        Some(_) => {
            let help = "Write `file:PATH` for a path that starts at the current folder, `file:///PATH` for an absolute one.";
            let reason = "it names another machine".to_owned();
            return Err(Error::Failed { what: format!("opening {url}"), reason, help: Some(help.to_owned()) });
        }
        None => rest,
    };
    if path.is_empty() {
        return Err(Error::failed(format!("opening {url}"), "the path is missing"));
    }
    Ok(Arc::new(Directory::open(path)?))
}

/// Returns an address without what stands before an `@` in it.
fn without_secrets(url: &str) -> String {
    match (url.split_once("//"), url.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, rest))) => format!("{scheme}//…@{rest}"),
        (None, Some((_, rest))) => format!("…@{rest}"),
        (_, None) => url.to_owned(),
    }
}
