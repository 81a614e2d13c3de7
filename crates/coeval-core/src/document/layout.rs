//! How a document's text is laid out, so that what is written looks like what was read.

use crate::json::Style;
use crate::value::Value;

/// The layout of one document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Layout {
    /// What stands between its values, or comes nearest to it.
    style: Style,
    /// Whether something stands there that the style does not explain.
    irregular: bool,
    /// Whether its lines end with a carriage return too.
    carriage_returns: bool,
}

impl Layout {
    /// Finds the layout of a text that holds the value and nothing around it.
    pub fn of(text: &str, value: &Value) -> Self {
        // No string holds a line end as it is, so all of them lie between values.
        let lines = text.matches('\n').count();
        let carriage_returns = lines > 0 && text.matches("\r\n").count() == lines;
        let plain = if carriage_returns { &*text.replace("\r\n", "\n") } else { text };
        let style = Style::detect(plain, value);
        Self { style: style.unwrap_or_else(|| Style::nearest(plain)), irregular: style.is_none(), carriage_returns }
    }

    /// Returns whether writing the value in this layout gives the text that it was found in.
    pub fn is_regular(self) -> bool {
        !self.irregular
    }

    /// Returns a value's text in this layout.
    pub fn write(self, value: &Value) -> String {
        self.finish(self.style.write(value))
    }

    /// As [`Layout::write`], for an object beside which notes stand: the bracket of an empty one is where they will want it.
    pub(super) fn write_open(self, value: &Value) -> String {
        let lines = matches!(self.style, Style::Indented(_) | Style::Tabbed);
        let empty = value.as_object().is_some_and(crate::value::Object::is_empty);
        if lines && empty { self.finish("{\n}".to_owned()) } else { self.write(value) }
    }

    /// Returns the text of a last member of the object at the top.
    pub(super) fn member(self, first: bool, key: &str, value: &Value) -> String {
        self.finish(self.style.member(first, key, value))
    }

    /// Gives lines their ends.
    fn finish(self, text: String) -> String {
        if self.carriage_returns { text.replace('\n', "\r\n") } else { text }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layouts_come_back() {
        for text in [
            "{\"a\":1}",
            "{\"a\": 1, \"b\": []}",
            "{\r\n  \"a\": 1\r\n}",
            "{\n\t\"a\": {\n\t\t\"b\": 2\n\t}\n}",
            "{\"a\":\": \"}",
        ] {
            let value = crate::json::parse(text.as_bytes()).expect("it is JSON");
            let layout = Layout::of(text, &value);
            assert!(layout.is_regular(), "{text}");
            assert_eq!(layout.write(&value), text);
        }
    }

    #[test]
    fn what_no_style_explains_has_a_nearest_one() {
        for (text, near) in [
            ("{ \"a\" : 1 }", "{\"a\": 1}"),
            ("{\"a\":1 }", "{\"a\":1}"),
            ("{\r\n  \"a\": [1, 2]\r\n}", "{\r\n  \"a\": [\r\n    1,\r\n    2\r\n  ]\r\n}"),
        ] {
            let value = crate::json::parse(text.as_bytes()).expect("it is JSON");
            let layout = Layout::of(text, &value);
            assert!(!layout.is_regular(), "{text}");
            assert_eq!(layout.write(&value), near);
        }
    }
}
