//! Tests of the rules and laws: generators, checks and models to compare with. Only ever a dev-dependency.

pub mod differential;
