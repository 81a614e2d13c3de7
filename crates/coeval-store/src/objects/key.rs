//! Which keys an object may have: those that every store can hold.

use crate::error::{Error, Result};

/// The longest key, in bytes of UTF-8: S3's limit, which includes the prefix that a store is opened at.
pub const MAX_KEY: usize = 1024;

/// Checks that every store can hold an object of this key: one to 1024 bytes, in parts between `/` of which none is empty, `.` or `..`,
/// without control characters.
///
/// A store may be narrower still: a directory takes no part longer than 255 bytes, and no key that continues another one after a `/`.
///
/// # Errors
/// [`Error::Failed`], with what is wrong.
pub fn check_key(key: &str) -> Result<()> {
    let wrong = if key.is_empty() {
        "is empty"
    } else if key.len() > MAX_KEY {
        "is longer than 1024 bytes"
    } else if key.chars().any(char::is_control) {
        "holds a control character"
    } else if key.split('/').any(str::is_empty) {
        "begins or ends with `/`, or has two in a row"
    } else if key.split('/').any(|part| part == "." || part == "..") {
        "has a part that is `.` or `..`"
    } else {
        return Ok(());
    };
    Err(Error::Failed {
        what: format!("the object key {key:?}"),
        reason: format!("it {wrong}"),
        help: Some("Keys are names of files: parts between `/`, none of them empty, `.` or `..`.".to_owned()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_parts_between_slashes() {
        let long = "k".repeat(1024);
        for key in ["a", "a/b", "..a", "a../.b", " ", "a b/+%?#&=.json", "ключ/鍵.json", "_coeval/x", "...", &long] {
            assert!(check_key(key).is_ok(), "{key}");
        }
        let longer = "k".repeat(1025);
        for (key, reason) in [
            ("", "it is empty"),
            ("/a", "it begins or ends with `/`, or has two in a row"),
            ("a//b", "it begins or ends with `/`, or has two in a row"),
            ("a/", "it begins or ends with `/`, or has two in a row"),
            ("../a", "it has a part that is `.` or `..`"),
            ("a/./b", "it has a part that is `.` or `..`"),
            ("a\0b", "it holds a control character"),
            (&longer, "it is longer than 1024 bytes"),
        ] {
            let Err(Error::Failed { reason: said, .. }) = check_key(key) else { panic!("{key:?} passed") };
            assert_eq!(said, reason);
        }
    }
}
