//! Records as texts: read one after another, each with its place, converted, and written as they were laid out.

pub(crate) mod convert;
mod locate;
pub(crate) mod output;
pub(crate) mod problem;
pub(crate) mod reader;

pub(crate) use problem::Problem;
pub(crate) use reader::{Item, Reader, Record};
