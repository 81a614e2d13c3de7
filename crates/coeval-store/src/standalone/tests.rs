//! Runs with standalone migrations, one after the other, over a history.

use coeval_plan::Capabilities;
use coeval_plan::SqlDialect;
use coeval_plan::standalone::{Entry as Written, Standalone};

use super::*;
use crate::conformance::catalog::up_to;
use crate::ledger::{Entry, Happened, Started};
use crate::lower::{Aim, lower};
use crate::work::Policy;

fn migration(id: &str, after: Option<u32>, depends_on: &[&str], reversible: bool) -> Standalone {
    Standalone {
        id: id.to_owned(),
        depends_on: depends_on.iter().map(|id| (*id).to_owned()).collect(),
        after,
        backend: None,
        up: vec![Written::Sql(format!("up {id}"))],
        down: if reversible { vec![Written::Sql(format!("down {id}"))] } else { Vec::new() },
        reversible,
        checks: Vec::new(),
        digest: format!("of {id}"),
    }
}

fn catalog(migrations: Vec<Standalone>) -> Catalog {
    Catalog { standalone: Some(Ordered { dialect: SqlDialect::Postgres, migrations }), ..up_to(5).unwrap() }
}

const TABLES: Capabilities = Capabilities {
    schema: true,
    transactions: true,
    conditional_delete: true,
    revisions: false,
    metadata: false,
    knows_writer: true,
    one_writer: false,
    archives_records: false,
};

/// A history that runs are added to, each with the steps that are lowered for it.
#[derive(Default)]
struct Past(Ledger);

impl Past {
    fn add(&mut self, happened: Happened) {
        let entry = Entry { number: self.0.next(), at: "2026-11-21T10:00:00Z".to_owned(), by: "test".to_owned(), happened };
        self.0.push(entry).unwrap();
    }

    /// Runs to the end, or undoes what it did; returns what it did with standalone migrations.
    fn run(&mut self, catalog: &Catalog, action: Action, to: u32, warm: bool, well: bool) -> Vec<String> {
        let from = self.0.in_force().unwrap_or_default();
        let steps = lower(catalog, TABLES, &self.0, Aim { action, from, to, scan: false, warm }).unwrap();
        let run = self.0.next().to_string();
        let told = told(&steps);
        let (policy, versions) = (Policy::Reject, Vec::new());
        self.add(Happened::Started(Started { run: run.clone(), action, from, to, steps, policy, versions }));
        self.add(if well {
            Happened::Finished { run, tallies: Vec::new() }
        } else {
            Happened::Undone { run, reason: "it failed".to_owned() }
        });
        told
    }

    fn applied(&self) -> Vec<String> {
        applied(&self.0).into_iter().map(|applied| applied.id).collect()
    }
}

fn told(steps: &[Step]) -> Vec<String> {
    let sql = |step: &Step| match step {
        Step::Standalone { up, .. } => match up.first() {
            Some(coeval_plan::standalone::Act::Sql { text, .. }) => Some(text.clone()),
            _ => None,
        },
        _ => None,
    };
    steps.iter().filter_map(sql).collect()
}

const NONE: [&str; 0] = [];

#[test]
fn they_come_after_the_versions_and_go_before_them() {
    let catalog = catalog(vec![
        migration("a", None, &[], true),
        migration("late", Some(3), &[], true),
        migration("b", None, &["late"], true),
    ]);
    let mut past = Past::default();
    assert_eq!(
        past.run(&catalog, Action::Migrate, 2, false, true),
        ["up a"],
        "what waits for version 3 waits, and what depends on it"
    );
    assert_eq!(past.run(&catalog, Action::Migrate, 3, false, false), ["up late", "up b"]);
    assert_eq!(past.applied(), ["a"], "what was undone is not recorded");
    let aim = Aim { action: Action::Migrate, from: 2, to: 3, scan: false, warm: false };
    let steps = lower(&catalog, TABLES, &past.0, aim).unwrap();
    assert!(
        matches!(steps[steps.len() - 3..], [Step::CreateViews { .. }, Step::Standalone { .. }, Step::Standalone { .. }]),
        "{steps:?}"
    );
    past.run(&catalog, Action::Migrate, 3, false, true);
    assert_eq!(past.applied(), ["a", "late", "b"]);
    assert_eq!(past.run(&catalog, Action::Migrate, 3, false, true), NONE);
    let steps =
        lower(&catalog, TABLES, &past.0, Aim { action: Action::Rollback, from: 3, to: 2, scan: false, warm: false }).unwrap();
    assert!(matches!(steps[..3], [Step::Standalone { .. }, Step::Standalone { .. }, Step::DropViews { .. }]), "{steps:?}");
    assert_eq!(past.run(&catalog, Action::Rollback, 2, false, true), ["down b", "down late"]);
    assert_eq!(past.applied(), ["a"]);
    assert_eq!(past.run(&catalog, Action::Migrate, 3, false, true), ["up late", "up b"], "once more");
}

#[test]
fn those_of_a_run_that_brought_no_version_go_alone() {
    let mut past = Past::default();
    let (one, two) = (migration("one", None, &[], true), migration("two", None, &[], true));
    past.run(&catalog(vec![one.clone()]), Action::Migrate, 2, false, true);
    let both = catalog(vec![one, two]);
    assert_eq!(last_alone(&past.0, 2), None);
    assert_eq!(past.run(&both, Action::Migrate, 2, false, true), ["up two"]);
    assert!(last_alone(&past.0, 2).is_some());
    assert_eq!(past.run(&both, Action::Rollback, 2, false, true), ["down two"]);
    assert_eq!((past.applied(), past.0.made(), last_alone(&past.0, 2)), (vec!["one".to_owned()], 2, None));
    past.run(&both, Action::Migrate, 2, false, true);
    assert_eq!(past.run(&both, Action::Rollback, 1, false, true), ["down two", "down one"]);
}

#[test]
fn a_warm_rollback_leaves_them() {
    let catalog = catalog(vec![migration("a", None, &[], true)]);
    let mut past = Past::default();
    past.run(&catalog, Action::Migrate, 1, false, false);
    past.run(&catalog, Action::Migrate, 3, false, true);
    assert_eq!(past.run(&catalog, Action::Rollback, 2, true, true), NONE);
    assert_eq!((past.applied(), past.0.made()), (vec!["a".to_owned()], 3));
    assert_eq!(past.run(&catalog, Action::Rollback, 1, false, true), ["down a"]);
}

#[test]
fn one_that_cannot_be_undone_ends_a_run() {
    let catalog =
        catalog(vec![migration("a", None, &[], true), migration("b", None, &[], false), migration("c", None, &[], true)]);
    let mut past = Past::default();
    assert_eq!(past.run(&catalog, Action::Migrate, 2, false, true), ["up a", "up b"]);
    assert_eq!(past.run(&catalog, Action::Migrate, 2, false, true), ["up c"]);
    assert_eq!(taken_back(&catalog, &past.0, 2, 1).unwrap_err(), Refusal::NotReversible { id: "b".to_owned() });
    let aim = Aim { action: Action::Rollback, from: 2, to: 1, scan: false, warm: false };
    assert!(lower(&catalog, TABLES, &past.0, aim).unwrap_err().to_string().contains("`b` says that it cannot be undone"));
}

#[test]
fn what_was_edited_or_is_gone_or_impossible_is_refused() {
    let mut past = Past::default();
    past.run(&catalog(vec![migration("a", None, &[], true)]), Action::Migrate, 2, false, true);
    let mut edited = migration("a", None, &[], true);
    "other".clone_into(&mut edited.digest);
    assert_eq!(pending(&catalog(vec![edited]), &past.0, 2).unwrap_err(), Refusal::Edited { id: "a".to_owned() });
    assert_eq!(taken_back(&up_to(5).unwrap(), &past.0, 2, 1).unwrap_err(), Refusal::Gone { id: "a".to_owned() });
    assert_eq!(pending(&up_to(5).unwrap(), &past.0, 2).unwrap(), []);
    let mut begins = migration("b", None, &[], true);
    begins.up = vec![Written::Sql("BEGIN; DELETE FROM a; COMMIT".to_owned())];
    let refused = pending(&catalog(vec![begins]), &past.0, 2).unwrap_err();
    assert!(matches!(&refused, Refusal::Impossible { id, what, .. } if id == "b" && what == "BEGIN"), "{refused}");
    let aim = Aim { action: Action::Migrate, from: 2, to: 3, scan: false, warm: false };
    let documents = Capabilities { schema: false, ..TABLES };
    assert!(lower(&catalog(Vec::new()), documents, &past.0, aim).is_err());
}
