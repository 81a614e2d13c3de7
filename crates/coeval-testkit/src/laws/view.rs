//! What a version shows of a record, and whether it has reason not to.

use coeval_core::history::{History, Scope};
use coeval_core::json;
use coeval_core::lens::{Cell, Elements, Refused, State, Stored};
use coeval_core::value::Value;

use super::run::Failure;

/// What a version shows: the document, or nothing where it is quarantined.
pub(crate) type Shown = Option<Value>;

/// L6: what a version shows satisfies its schema, or the record is in its quarantine.
pub(crate) fn show(history: &History, stored: &Stored, version: u32, reads: &mut (u64, u64)) -> Result<Shown, Failure> {
    reads.0 += 1;
    match history.read(stored, version) {
        Ok(document) => {
            let violations = history.model(version).map(|model| model.violations(&document)).unwrap_or_default();
            match violations.first() {
                None => Ok(Some(document)),
                Some(violation) => {
                    Failure::fail("L6", format!("read at {version}: {document} does not fit: {violation}\n  {}", text(stored)))
                }
            }
        }
        Err(Refused::Quarantined { .. }) => {
            reads.1 += 1;
            Ok(None)
        }
        Err(other) => Failure::fail("L6", format!("read at {version}: {other}\n  {}", text(stored))),
    }
}

pub(crate) fn alike(a: &Shown, b: &Shown) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => a.identical(b),
        (None, None) => true,
        _ => false,
    }
}

/// Whether a version has reason not to show a state.
pub(super) fn is_broken(history: &History, version: u32, state: &State, natural: &Value) -> bool {
    let t = history.moment(version).unwrap_or_default();
    let invalid = history.model(version).is_some_and(|model| !model.violations(natural).is_empty());
    invalid || has_bad(history.scope(), t, state)
}

pub(super) fn has_bad(scope: &Scope, t: u32, state: &State) -> bool {
    let order = scope.order(t);
    order.shown.iter().any(|node| {
        let elements = scope.nodes[*node].elements.as_deref();
        let inner = |state: &State| elements.is_some_and(|elements| has_bad(elements, t, state));
        let orphan = scope.nodes[*node].place(t).parent.is_some_and(|parent| !state.cells[parent].is_present());
        match &state.cells[*node] {
            Cell::Bad(_) => true,
            Cell::Absent => false,
            Cell::Value(_) => orphan,
            Cell::Elements(_) if orphan => true,
            Cell::Elements(Elements::List(items)) => items.iter().any(inner),
            Cell::Elements(Elements::Map(values)) => values.iter().any(|(_, state)| inner(state)),
        }
    })
}

/// The document as it is written, read again.
pub(crate) fn reread(stored: &Stored) -> Result<Stored, Failure> {
    let written = text(stored);
    if stored.document.as_object().is_none() {
        return Ok(stored.clone());
    }
    let parsed = json::parse(written.as_bytes()).map_err(|e| Failure::new("L1", format!("{e}: {written}")))?;
    let read = Stored::from_value(parsed, stored.version).map_err(|e| Failure::new("L1", format!("{e}: {written}")))?;
    if text(&read) != written {
        return Failure::fail("L1", format!("written {written}\n  read {}", text(&read)));
    }
    Ok(read)
}

pub(crate) fn text(stored: &Stored) -> String {
    stored.to_value(true).to_string()
}
