//! Tests of the rules and laws: generators, checks and the soak. Only ever a dev-dependency.

pub mod laws;
pub mod rng;
