//! The pure core of coeval: no input or output, no clock, no async.
//!
//! A model's schema changes; its records do not have to. Every version of the model stays readable and writable, and this
//! crate says exactly what a read and a write at any version mean. The rules below are its contract; each is a law that
//! property tests check (`coeval-testkit`).
//!
//! # Identities and groups
//!
//! A **property has an identity**: the version that added it. A rename or a move keeps the identity, adding makes one, removing
//! hides one. A change of type or meaning makes a new identity and ties it to the old one by two functions, `up` and `down`:
//! a **group**. Where a property becomes required or optional, nullable or not, the identity goes on in a new **epoch**, which
//! is tied to the old one in the same way, because absence is a value that must not be lost either. An identity in one epoch is
//! a **node** ([`history::Node`]).
//!
//! - The **total state** of a record ([`lens::State`]) gives every node a value: absent, null, a value, or *bad* where a
//!   conversion failed. It is what a reader at any version sees a part of.
//! - A **version** is a cut in the sequence of operations ([`history::Cuts`]); it shows the nodes that are alive there.
//! - A node that a version does not show follows by exactly one **recipe** ([`history::Recipe`]): `up` if it was born later,
//!   `down` if it ended earlier. What a recipe reads lies nearer to the version, so there is nothing to search.
//! - A recipe of a group is **two-way**: its outputs are one unit, computed together when one of its inputs changed. A value
//!   that an operation gave (`add_property {value}`, `remove_property {value}`) is **one-way**: it holds until somebody writes
//!   another one, and that one then stays.
//! - An absence never reaches an expression of one property: absent gives absent. What is computed then *lands* in its target
//!   ([`history::land`]): the target's presence decides first (optional, nullable, required with a fill), then its type.
//! - An object's presence is a node too, one for each epoch, together its *lineage*. A default never makes its own container:
//!   it applies only where the object is there, or something that was written implies it.
//!
//! # Reading and writing
//!
//! - **Create** at a version: its nodes take the document's values, defaults filled in; all others are computed, in order.
//! - **Write** at a version: what the document changes, in meaning, is dirty; if nothing is, nothing is written at all. Then, in
//!   order: a two-way node with a dirty source is computed anew and is dirty itself, even if the value came out equal. A one-way
//!   node that held what its recipe gave is computed anew; one that held something else is *pinned* and stays, unless this very
//!   write deleted the object it lies in. Everything else stays as it was.
//! - **Read** at a version: its nodes. If they do not fit the version's schema the record is in that version's *quarantine*, a
//!   state of the record and no error.
//! - **Stored** ([`lens::Stored`]): the natural document of one version, and beside it, in `_coeval.keep`, every node that
//!   could not be computed from it to the letter. A two-way entry carries the fingerprint of the stored values that it would be
//!   computed from; it is used while they still are the same, and so an edit of the stored document by any other tool means the
//!   same as a write.
//! - **Migrate**: the same state, stored at another version. A record that cannot be shown there, or is broken where it lies,
//!   stays as it is.
//! - **Retire**: the versions before one are gone, and no client reads or writes at them. A node that had ended by then holds what
//!   its recipe gives, and nothing is kept of it; no read at a version that lives changes ([`history::History::forget`]).
//! - **Lists and maps** with operations beneath them: each element is a state of its own under the same rules. Items are matched
//!   by the declared key, else by a patch's indices, else by content ([`lens::align`]).
//!
//! Values are compared by meaning (`1.10` is `1.1`, order of keys does not matter), and kept by text, so that every byte comes
//! back.
//!
//! # A small example
//!
//! Version 1 holds a price in tenths of a cent, version 2 in cents, version 3 in dollars and adds a slug that follows the name.
//!
//! ```
//! use coeval_core::history::{History, Release};
//! use coeval_core::lens::Stored;
//! use coeval_core::op::{Context, Operation, Rewrites};
//! use coeval_core::schema::{Model, no_shared_types};
//! use coeval_core::table::Tables;
//! use coeval_core::value;
//!
//! let model = Model::from_value(&value!({"type": "model", "name": "item", "properties": {
//!     "price": {"type": "integer", "required": true}, "name": {"type": "string", "required": true}}}), &no_shared_types)?;
//! let retype = |divisor: i64| Operation::from_value(&coeval_core::json::parse(format!(
//!     r#"{{"retype_property": {{"path": "price", "schema": {{"type": "integer", "required": true}},
//!          "up": "price / {divisor}", "down": "price * {divisor}"}}}}"#).as_bytes()).unwrap());
//! let slug = Operation::from_value(&value!({"add_property": {
//!     "path": "slug", "schema": {"type": "string", "required": true}, "value": "lower(name)"}}))?;
//! let releases = [
//!     Release { version: 2, operations: vec![retype(10)?], order: None },
//!     Release { version: 3, operations: vec![retype(100)?, slug], order: None },
//! ];
//! let history = History::new(1, model, &releases, &Context { tables: &Tables::new(), rewrites: &Rewrites::new() })?;
//! let price = |stored: &Stored, version| history.read(stored, version).unwrap().as_object().and_then(|o| o.get("price")?.as_i64());
//!
//! let record = history.create(1, value!({"price": 19991, "name": "Ann"}))?;
//! assert_eq!(history.read(&record, 3)?, value!({"price": 19, "name": "Ann", "slug": "ann"}));
//!
//! // Stored at version 3, what 19 dollars cannot say is kept beside it, and every version reads as before.
//! let record = history.migrate(&record, 3)?;
//! assert_eq!(history.read(&record, 1)?, value!({"price": 19991, "name": "Ann"}));
//!
//! // Writing back what was read changes nothing; a new price does, and going back to the old one brings nothing back.
//! assert_eq!(history.put(&record, 3, &value!({"price": 19, "name": "Ann", "slug": "ann"}))?, None);
//! let raised = history.put(&record, 3, &value!({"price": 20, "name": "Ann", "slug": "ann"}))?.unwrap();
//! let back = history.put(&raised, 3, &value!({"price": 19, "name": "Ann", "slug": "ann"}))?.unwrap();
//! assert_eq!(price(&back, 1), Some(19000));
//!
//! // The slug follows the name until somebody writes another one.
//! let bob = history.put(&record, 1, &value!({"price": 19991, "name": "Bob"}))?.unwrap();
//! assert_eq!(history.read(&bob, 3)?, value!({"price": 19, "name": "Bob", "slug": "bob"}));
//! let bobby = history.put(&bob, 3, &value!({"price": 19, "name": "Bob", "slug": "bobby"}))?.unwrap();
//! let cy = history.put(&bobby, 1, &value!({"price": 19991, "name": "Cy"}))?.unwrap();
//! assert_eq!(history.read(&cy, 3)?, value!({"price": 19, "name": "Cy", "slug": "bobby"}));
//!
//! // Another tool edits the stored document: what was kept with the old price is not used for the new one.
//! let stored = history.migrate(&cy, 3)?;
//! let edited = history.edit_outside(&stored, value!({"price": 25, "name": "Cy", "slug": "bobby"}));
//! assert_eq!(price(&edited, 1), Some(25000));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod classify;
pub mod decode;
pub mod document;
pub mod expr;
pub mod history;
pub mod invalid;
pub mod json;
pub mod lens;
#[doc(hidden)]
pub mod mutant;
pub mod number;
pub mod op;
pub mod patch;
pub mod path;
pub mod sample;
pub mod schema;
pub mod table;
pub mod value;

pub use invalid::Invalid;
pub use path::{Path, Segment};
pub use schema::{Model, Properties, Property, Type};
pub use value::{Object, Text, Value};
