//! Operations: one logical, two-way change between a version and the next. One file each.
//!
//! An operation states its meaning only: whether it fits a model, what it does to the schema, and what it does to identities
//! and groups. Documents, columns, views, plans and manual pages are derived from that; no operation knows a store.

mod add_model;
mod add_property;
mod constraint;
mod map_enum;
mod map_keys;
mod move_property;
mod relax_property;
mod remove_model;
mod remove_property;
mod rename_model;
mod rename_property;
mod require_property;
mod retype_property;
mod rewrite;
mod set_additional;
mod set_default;
mod set_nullable;
mod sql;
mod support;
mod transform;
mod unwrap_list;
mod wrap_list;

pub use add_model::AddModel;
pub use add_property::AddProperty;
pub use constraint::{AddConstraint, RemoveConstraint};
pub use map_enum::MapEnum;
pub use map_keys::MapKeys;
pub use move_property::MoveProperty;
pub use relax_property::RelaxProperty;
pub use remove_model::RemoveModel;
pub use remove_property::RemoveProperty;
pub use rename_model::RenameModel;
pub use rename_property::RenameProperty;
pub use require_property::RequireProperty;
pub use retype_property::RetypeProperty;
pub use rewrite::Rewrite;
pub use set_additional::SetAdditional;
pub use set_default::SetDefault;
pub use set_nullable::SetNullable;
pub use sql::Sql;
pub use support::{Context, Policies, Rewrites};
pub use transform::Transform;
pub use unwrap_list::UnwrapList;
pub use wrap_list::WrapList;

use crate::decode;
use crate::history::Edit;
use crate::invalid::{Invalid, nearest};
use crate::path::Path;
use crate::schema::Model;
use crate::value::{Object, Value};

/// What every operation states.
pub trait Op: Sized {
    /// The name by which it is written.
    const NAME: &'static str;
    /// A model, the operation and a record before and after it: test, manual page and documentation in one.
    const EXAMPLE: Example;

    /// Reads its fields.
    fn from_fields(fields: &Object) -> Result<Self, Invalid>;
    /// Returns its fields.
    fn to_fields(&self) -> Object;
    /// Says why it does not fit the model, if it does not. Expressions are looked at by [`Op::lens`].
    fn check(&self, before: &Model) -> Result<(), Invalid>;
    /// Changes the schema. The check has passed.
    fn apply(&self, model: &mut Model);
    /// Returns what it does to identities and groups. The check has passed; what is left to fail are expressions.
    fn lens(&self, before: &Model, context: &Context<'_>) -> Result<LensEdit, Invalid>;
    /// Returns the operation that leads back, where one does without keeping values.
    fn inverse(&self, before: &Model) -> Option<Operation>;
    /// Says in the imperative what it does.
    fn describe(&self) -> String;
}

/// Edits of identities and groups, all within one scope.
#[derive(Debug, Clone, Default)]
pub struct LensEdit {
    /// The element that the edits' paths start from, `items[]`; empty for the record.
    pub within: Path,
    /// The edits in order.
    pub edits: Vec<Edit>,
}

impl LensEdit {
    /// Returns edits of the record or the element at `within`.
    pub fn new(within: Path, edits: Vec<Edit>) -> Self {
        Self { within, edits }
    }
}

/// An operation shown on one record.
#[derive(Debug, Clone, Copy)]
pub struct Example {
    /// The model's properties before, as JSON.
    pub properties: &'static str,
    /// The operation's fields, as JSON.
    pub operation: &'static str,
    /// A record at the older version.
    pub older: &'static str,
    /// The same record at the newer version.
    pub newer: &'static str,
}

macro_rules! operations {
    ($($variant:ident),+ $(,)?) => {
        /// One logical, two-way change between a version and the next.
        #[derive(Debug, Clone, PartialEq, Eq)]
        #[allow(missing_docs, reason = "each variant is documented at its type")]
        pub enum Operation {
            $($variant($variant)),+
        }

        impl Operation {
            /// Every operation's name and example, in the order of the manual.
            pub const ALL: &'static [(&'static str, Example)] = &[$(($variant::NAME, $variant::EXAMPLE)),+];

            /// Returns the name by which it is written.
            pub fn name(&self) -> &'static str {
                match self {
                    $(Self::$variant(op) => op.written_name()),+
                }
            }

            fn read(name: &str, fields: &Object) -> Option<Result<Self, Invalid>> {
                $(if $variant::answers_to(name) {
                    return Some($variant::read_as(name, fields).map(Self::$variant));
                })+
                None
            }

            fn fields(&self) -> Object {
                match self { $(Self::$variant(op) => op.to_fields()),+ }
            }

            /// Says why the operation does not fit the model, if it does not.
            ///
            /// # Errors
            /// A missing or taken path, a value that is missing, a version that could not be constructed.
            pub fn check(&self, before: &Model) -> Result<(), Invalid> {
                match self { $(Self::$variant(op) => op.check(before)),+ }.map_err(|e| e.beneath(self.name()))
            }

            /// Changes the schema. The check has passed.
            pub fn apply(&self, model: &mut Model) {
                match self { $(Self::$variant(op) => op.apply(model)),+ }
            }

            /// Returns what the operation does to identities and groups.
            ///
            /// # Errors
            /// An expression that does not compile or does not fit its target.
            pub fn lens(&self, before: &Model, context: &Context<'_>) -> Result<LensEdit, Invalid> {
                match self { $(Self::$variant(op) => op.lens(before, context)),+ }.map_err(|e| e.beneath(self.name()))
            }

            /// Returns the operation that leads back, where one does without keeping values.
            pub fn inverse(&self, before: &Model) -> Option<Self> {
                match self { $(Self::$variant(op) => op.inverse(before)),+ }
            }

            /// Says in the imperative what the operation does.
            pub fn describe(&self) -> String {
                match self { $(Self::$variant(op) => op.describe()),+ }
            }
        }
    };
}

operations!(
    AddModel,
    RemoveModel,
    RenameModel,
    AddProperty,
    RemoveProperty,
    RenameProperty,
    MoveProperty,
    RetypeProperty,
    SetNullable,
    RequireProperty,
    RelaxProperty,
    SetDefault,
    SetAdditional,
    MapEnum,
    WrapList,
    UnwrapList,
    MapKeys,
    Transform,
    Rewrite,
    AddConstraint,
    RemoveConstraint,
    Sql,
);

/// The names under which an operation is written: one, unless its type answers to several.
pub(crate) trait Named: Op {
    fn answers_to(name: &str) -> bool {
        name == Self::NAME
    }

    fn read_as(_name: &str, fields: &Object) -> Result<Self, Invalid> {
        Self::from_fields(fields)
    }

    fn written_name(&self) -> &'static str {
        Self::NAME
    }
}

/// Every name by which an operation can be written.
const NAMES: &[&str] = &[
    "add_model",
    "remove_model",
    "rename_model",
    "add_property",
    "remove_property",
    "rename_property",
    "move_property",
    "retype_property",
    "set_nullable",
    "require_property",
    "relax_property",
    "set_default",
    "set_additional",
    "map_enum",
    "wrap_list",
    "unwrap_list",
    "map_keys",
    "transform",
    "rewrite",
    "add_index",
    "remove_index",
    "add_unique",
    "remove_unique",
    "add_check",
    "remove_check",
    "add_reference",
    "remove_reference",
    "sql",
];

impl Operation {
    /// Reads an operation: a mapping with one key, its name, and its fields as the value.
    ///
    /// # Errors
    /// An unknown name, unknown, missing or wrong fields.
    pub fn from_value(value: &Value) -> Result<Self, Invalid> {
        let object = decode::object(value, "an operation")?;
        let mut entries = object.iter();
        let (Some((name, fields)), None) = (entries.next(), entries.next()) else {
            return Err(Invalid::new("an operation is a mapping with one key, its name"));
        };
        let empty = Object::new();
        let fields = match fields {
            Value::Null => &empty,
            fields => decode::object(fields, "the operation's fields").map_err(|e| e.beneath(name))?,
        };
        Self::read(name, fields).map_or_else(
            || {
                let invalid = Invalid::new(format!("unknown operation `{}`", name.as_str())).key(name.as_str());
                Err(match nearest(name, NAMES.iter().copied()) {
                    Some(near) => invalid.help(format!("did you mean `{near}`?")),
                    None => invalid.help(format!("known operations: {}", NAMES.join(", "))),
                })
            },
            |read| read.map_err(|e| e.beneath(name)),
        )
    }

    /// Returns the operation as it is written.
    pub fn to_value(&self) -> Value {
        Object::from_iter([(self.name().into(), self.fields().into())]).into()
    }
}
