//! The pure core of coeval: no input or output, no clock, no async.

pub mod decode;
pub mod expr;
pub mod history;
pub mod invalid;
pub mod json;
pub mod lens;
pub mod number;
pub mod op;
pub mod path;
pub mod schema;
pub mod table;
pub mod value;

pub use invalid::Invalid;
pub use path::{Path, Segment};
pub use schema::{Model, Properties, Property, Type};
pub use value::{Object, Text, Value};
