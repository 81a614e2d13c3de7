//! How a document's text is laid out, so that what is written looks like what was read.

use coeval_core::Value;
use coeval_core::json::Style;

/// The layout of one document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Layout {
    /// What stands between its values; `None` where no style explains it.
    pub(super) style: Option<Style>,
    /// Whether its lines end with a carriage return too.
    pub(super) carriage_returns: bool,
}

impl Layout {
    /// Finds the layout of a text that holds the value and nothing around it.
    pub(super) fn of(text: &str, value: &Value) -> Self {
        // No string holds a line end as it is, so all of them lie between values.
        let lines = text.matches('\n').count();
        let carriage_returns = lines > 0 && text.matches("\r\n").count() == lines;
        let style = if carriage_returns { Style::detect(&text.replace("\r\n", "\n"), value) } else { Style::detect(text, value) };
        Self { style, carriage_returns }
    }

    /// Returns the style to write in.
    pub(super) fn style(self) -> Style {
        self.style.unwrap_or_default()
    }

    /// Gives lines their ends.
    pub(super) fn finish(self, text: String) -> String {
        if self.carriage_returns && self.style.is_some() { text.replace('\n', "\r\n") } else { text }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layouts_come_back() {
        for text in ["{\"a\":1}", "{\"a\": 1, \"b\": []}", "{\r\n  \"a\": 1\r\n}", "{\n\t\"a\": {\n\t\t\"b\": 2\n\t}\n}"] {
            let value = coeval_core::json::parse(text.as_bytes()).unwrap();
            let layout = Layout::of(text, &value);
            assert_eq!(layout.finish(layout.style().write(&value)), text);
        }
    }
}
