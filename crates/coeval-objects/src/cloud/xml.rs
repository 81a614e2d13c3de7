//! The little that is read of XML: elements of answers that a machine wrote.

use quick_xml::escape::unescape;

/// Returns the text of the first element of a name, which has no attributes and no elements in it.
pub(super) fn element(text: &str, name: &str) -> Option<String> {
    elements(text, name).next().map(|(inner, _)| unescaped(inner))
}

/// Returns what stands between the tags of each element of a name, and where it ends with its tags.
pub(super) fn elements<'t>(text: &'t str, name: &str) -> impl Iterator<Item = (&'t str, std::ops::Range<usize>)> {
    let [open, close] = [format!("<{name}>"), format!("</{name}>")];
    let mut from = 0;
    std::iter::from_fn(move || {
        let start = from + text[from..].find(&open)?;
        let inner = start + open.len();
        let end = inner + text[inner..].find(&close)?;
        from = end + close.len();
        Some((&text[inner..end], start..from))
    })
}

/// Returns text without the escapes of XML; as it is where they make no sense.
pub(super) fn unescaped(text: &str) -> String {
    unescape(text).map_or_else(|_| text.to_owned(), std::borrow::Cow::into_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_found_and_unescaped() {
        let text =
            "<?xml version=\"1.0\"?><Error><Code>SlowDown</Code><Message>a &lt;b&gt; &#x41; &amp;amp;</Message><X/></Error>";
        assert_eq!(element(text, "Code").unwrap(), "SlowDown");
        assert_eq!(element(text, "Message").unwrap(), "a <b> A &amp;");
        assert_eq!(element(text, "X"), None);
        assert_eq!(element("no XML at all <Code>", "Code"), None);
        let all: Vec<_> = elements("<a>1</a><b/><a>2</a>", "a").map(|(inner, _)| inner).collect();
        assert_eq!(all, ["1", "2"]);
    }
}
