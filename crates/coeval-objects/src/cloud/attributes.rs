//! Headers and metadata, between our form and the library's.

use std::borrow::Cow;

use coeval_store::objects::Attributes;
use coeval_store::{Error, Result};
use object_store::{Attribute, TagSet};

use super::Kind;

/// Headers that survive, and what the library calls them.
const HEADERS: [(&str, Attribute); 6] = [
    ("cache-control", Attribute::CacheControl),
    ("content-disposition", Attribute::ContentDisposition),
    ("content-encoding", Attribute::ContentEncoding),
    ("content-language", Attribute::ContentLanguage),
    ("content-type", Attribute::ContentType),
    ("x-amz-storage-class", Attribute::StorageClass),
];

/// Returns what the library reads as our attributes, tags aside.
pub(super) fn read(found: &object_store::Attributes) -> Attributes {
    let mut attributes = Attributes::default();
    for (attribute, value) in found {
        let value = value.as_ref().to_owned();
        if let Attribute::Metadata(name) = attribute {
            attributes.metadata.insert(name.to_ascii_lowercase(), value);
        } else if let Some((name, _)) = HEADERS.iter().find(|(_, known)| known == attribute) {
            attributes.headers.insert((*name).to_owned(), value);
        }
    }
    attributes
}

/// Returns our attributes as the library writes them.
///
/// # Errors
/// [`Error::Failed`] if they hold what no header can, or a header that the store would not give back.
pub(super) fn write(kind: Kind, key: &str, attributes: &Attributes) -> Result<(object_store::Attributes, TagSet)> {
    let mut out = object_store::Attributes::new();
    let impossible = |name: &str, reason: &str| Err(Error::failed(format!("writing {key}"), format!("its {name} {reason}")));
    for (name, value) in &attributes.headers {
        let Some((_, attribute)) = HEADERS.iter().find(|(known, _)| known == name) else {
            return impossible(&format!("header {name:?}"), "cannot be kept");
        };
        if !is_header_value(value) {
            return impossible(&format!("header {name:?}"), "holds what no header can: other than printable ASCII");
        }
        // Only S3 has storage classes by this header.
        if *attribute != Attribute::StorageClass || kind == Kind::S3 {
            out.insert(attribute.clone(), value.clone().into());
        }
    }
    for (name, value) in &attributes.metadata {
        let is_name =
            !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.!#$&'*+^`|~".contains(&byte));
        if !is_name || !is_header_value(value) {
            return impossible(&format!("metadata {name:?}"), "holds what no header can: other than printable ASCII");
        }
        out.insert(Attribute::Metadata(Cow::Owned(name.clone())), value.clone().into());
    }
    let mut tags = TagSet::default();
    for (name, value) in &attributes.tags {
        tags.push(name, value);
    }
    Ok((out, tags))
}

fn is_header_value(value: &str) -> bool {
    value.bytes().all(|byte| (b' '..=b'~').contains(&byte))
}
