//! Tests of the rules and laws: generators, checks, models to compare with, and the soak. Only ever a dev-dependency.

pub mod differential;
pub mod hostile;
pub mod laws;
pub mod long_history;
pub mod policies;
pub mod rng;
pub mod unique;
pub mod world_countries;
