//! SQLite: a base table a model, named like it; the view of version N is `MODEL_vN`, and INSTEAD OF triggers on it write to the
//! base table. The view is the writer, so that nothing has to be guessed (rules R1 and R2).

mod names;
mod repair;
mod shape;
mod trigger;
mod view;

pub use names::Names;
pub use repair::{Repair, repair};
pub use shape::{ColumnText, Reference, TableText, check};
pub use trigger::{LOCAL, NO_ROOM, Writing, scratch_columns, triggers};
pub use view::create_view;
