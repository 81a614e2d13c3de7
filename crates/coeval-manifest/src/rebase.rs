//! Rebasing: of two lines of versions, one is put after the other.

use crate::diagnostic::Diagnostic;
use crate::load::Manifest;

/// Puts the line that was begun later after the other, where they touch different properties. Returns new texts of files.
///
/// # Errors
/// What clashes.
pub fn rebase(_manifest: &Manifest, _new_id: &mut dyn FnMut() -> String) -> Result<Vec<(String, String)>, Vec<Diagnostic>> {
    Ok(Vec::new())
}
