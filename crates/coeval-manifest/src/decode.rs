//! From the documents of a file to typed values, with what is wrong placed in the file.

use std::ops::Range;

use coeval_core::{Invalid, Value};

use crate::diagnostic::Diagnostic;
use crate::source::Source;
use crate::yaml::{self, Node};

/// Reads the document at `span` as a value.
///
/// # Errors
/// What is not YAML.
pub(crate) fn document(source: &Source, span: Range<usize>) -> Result<Value, Box<Diagnostic>> {
    let node = yaml::parse(&source.text, span).map_err(|e| Box::new(e.diagnostic(source)))?;
    Ok(node.to_value())
}

/// Places what is wrong with a document in its file. The document is read again: places are only wanted when something is wrong.
pub(crate) fn place(source: &Source, span: Range<usize>, invalid: &Invalid) -> Diagnostic {
    match yaml::parse(&source.text, span) {
        Ok(node) => place_in(source, &node, invalid),
        Err(error) => error.diagnostic(source),
    }
}

/// Places what is wrong with a tree that is at hand.
pub(crate) fn place_in(source: &Source, node: &Node<'_>, invalid: &Invalid) -> Diagnostic {
    let span = yaml::locate(node, &invalid.at, invalid.key.as_deref(), invalid.span.as_ref(), &source.text);
    let mut out = Diagnostic::error(code(&invalid.message), invalid.message.clone()).at(source.place(span));
    out.help.clone_from(&invalid.help);
    out
}

/// A stable name for what the core found.
fn code(message: &str) -> &'static str {
    if message.starts_with("unknown key") {
        "unknown-key"
    } else if message.starts_with("unknown type") {
        "unknown-type"
    } else if message.starts_with("unknown operation") {
        "unknown-operation"
    } else {
        "invalid"
    }
}
