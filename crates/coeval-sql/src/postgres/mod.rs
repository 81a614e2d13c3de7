//! PostgreSQL: a base table a model in schema `NAME`, functions and inner views in `NAME_w`, the views of version N in `NAME_vN`.

mod fill;
mod keep;
mod kept;
mod make;
mod names;
mod repair;
mod table;
mod trigger;
mod view;

pub use fill::{Fill, Streamed, fill, restore};
pub use keep::{Keep, keep};
pub use make::{create_triggers, drop_functions, drop_helpers, drop_triggers};
pub use names::Names;
pub use repair::{Repair, drop_repair, repair};
pub use table::{add_column, add_column_as, column_check, column_default, create_table, is_hiding};
pub(crate) use trigger::HINT;
pub use trigger::{LOCAL, Triggers, triggers};
pub use view::{ViewDefault, copy_view, create_view, drop_copy, drop_view, inner_names, view_defaults};
