//! Tests of structures.
