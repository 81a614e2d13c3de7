//! Tests of scalars.
