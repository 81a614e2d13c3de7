//! From a manifest's standalone migrations to what is to be run.

use coeval_manifest::migration_file::{Action, Check, Migration};
use coeval_plan::standalone::{self, Entry, Exec, Standalone, Update};

/// Returns a migration of a manifest as far as running it goes. [`coeval_plan::standalone`] makes runs of them; the order is that
/// of [`coeval_manifest::Manifest::migrations`].
pub fn standalone(migration: &Migration) -> Standalone {
    let check = |check: &Check| standalone::Check { sql: check.sql.clone(), expect_zero_rows: check.expect_zero_rows };
    Standalone {
        id: migration.id.clone(),
        depends_on: migration.depends_on.clone(),
        after: migration.after,
        backend: migration.backend.clone(),
        up: migration.up.iter().map(entry).collect(),
        down: migration.down.iter().map(entry).collect(),
        reversible: migration.reversible,
        checks: migration.validation.iter().map(check).collect(),
        digest: migration.digest.clone(),
    }
}

fn entry(action: &Action) -> Entry {
    match action {
        Action::Sql(text) => Entry::Sql(text.clone()),
        Action::Operations { model, operations } => Entry::Operations { model: model.clone(), operations: operations.clone() },
        Action::Update { model, filter, set } => {
            Entry::Update(Update { model: model.clone(), filter: filter.clone(), set: set.clone() })
        }
        Action::Exec { model, command } => Entry::Exec(Exec { model: model.clone(), command: command.clone() }),
    }
}
