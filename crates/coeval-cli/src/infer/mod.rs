//! From samples to a draft: what was seen, what type that makes, and what was rare.

mod draft;
mod shape;

pub(crate) use draft::Draft;
pub(crate) use shape::Objects;
