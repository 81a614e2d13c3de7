//! Temporary.
use coeval_core::history::History;
use coeval_core::lens::{Stored, Unmoved};
pub(crate) trait MoveExt {
    fn forget(&self, stored: &Stored, to: u32) -> Result<(Stored, Vec<()>), Unmoved>;
}
impl MoveExt for History {
    fn forget(&self, stored: &Stored, to: u32) -> Result<(Stored, Vec<()>), Unmoved> {
        Ok((self.move_to(stored, to)?, vec![]))
    }
}
