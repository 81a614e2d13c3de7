//! PostgreSQL: a base table a model in schema `NAME`, functions and inner views in `NAME_w`, the views of version N in `NAME_vN`.

mod fill;
mod names;
mod table;
mod trigger;
mod view;

pub use fill::{Fill, fill};
pub use names::Names;
pub use table::{add_column, create_table};
pub use trigger::{Triggers, create_triggers, drop_triggers, triggers};
pub use view::{copy_view, create_view, drop_view};
