//! Which functions are computed by the engine alone, in each dialect.

use std::fmt::Write as _;

use coeval_core::expr::FUNCTIONS;
use coeval_sql::{Dialect, render};

use crate::corpus::CORPUS;
use crate::model::compile;

/// For each function the expressions of the corpus that call it, and whether they are pushed down.
#[test]
fn what_is_local_in_each_dialect() {
    let mut out = String::new();
    for dialect in [Dialect::Postgres, Dialect::Sqlite] {
        let _ = writeln!(out, "{dialect:?}");
        for source in CORPUS {
            let compiled = compile(source).unwrap_or_else(|e| panic!("{source}: {}", e.message));
            let inputs: Vec<String> = (0..compiled.inputs().len()).map(|i| format!("t.x{i}")).collect();
            if let Err(local) = render(&compiled, &inputs, dialect) {
                let _ = writeln!(out, "  {source}: {} ⟨{}⟩", local.reason, &source[local.span.clone()]);
            }
        }
    }
    insta::assert_snapshot!(out);
}

#[test]
fn the_corpus_has_each_function() {
    for entry in FUNCTIONS {
        let called = |source: &&&str| source.contains(&format!("{}(", entry.name));
        assert!(CORPUS.iter().find(called).is_some(), "{} is not in the corpus", entry.name);
    }
}
