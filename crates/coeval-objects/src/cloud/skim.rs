//! Leaves out of a page of a listing what no key of ours can name.
//!
//! Consoles mark folders by empty objects such as `photos/`, and buckets may hold names like `a//b`. `object_store` takes the first for
//! `photos` and fails at the second, for the whole listing. Neither can be a record, so they are cut out of the answer before it reads it.

use coeval_store::objects::check_key;

use super::xml::{elements, unescaped};

/// The element of one object and that of its name, in the answers of S3 and GCS, and of Azure.
const SHAPES: [(&str, &str); 2] = [("Contents", "Key"), ("Blob", "Name")];

/// Returns the page without the objects whose names are no keys.
pub(super) fn skim(page: &str) -> String {
    let mut kept = String::with_capacity(page.len());
    let mut from = 0;
    for (item, name) in SHAPES {
        for (inner, span) in elements(page, item) {
            let key = elements(inner, name).next().map(|(key, _)| unescaped(key));
            if key.is_some_and(|key| check_key(&key).is_err()) {
                kept.push_str(&page[from..span.start]);
                from = span.end;
            }
        }
    }
    kept.push_str(&page[from..]);
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_keys_are_left() {
        let contents = |key: &str| format!("<Contents><Key>{key}</Key><Size>1</Size></Contents>");
        let page =
            |keys: &[&str]| format!("<List><Name>b</Name>{}</List>", keys.iter().map(|key| contents(key)).collect::<String>());
        let all = page(&["a&amp;b", "photos/", "a//b", "/a", "..", "x/./y", "new&#10;line", "c"]);
        assert_eq!(skim(&all), page(&["a&amp;b", "c"]));
        assert_eq!(skim(&page(&["photos/"])), page(&[]));
        let blobs = "<Blobs><Blob><Name>a/</Name></Blob><Blob><Name>b</Name></Blob></Blobs>";
        assert_eq!(skim(blobs), "<Blobs><Blob><Name>b</Name></Blob></Blobs>");
    }
}
