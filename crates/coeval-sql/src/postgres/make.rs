//! The triggers themselves and their functions: made, and dropped.

use coeval_core::history::History;

use super::{Names, Triggers};
use crate::compute::lookup;

/// Renders the creation of the triggers, or of the one for updates with other columns. The functions are there.
///
/// With `others`, triggers of other people change rows before they are updated, columns that the statement does not name among them:
/// then it is the values that tell whether a watched column changed.
pub fn create_triggers(triggers: &Triggers, names: &Names, others: bool) -> Vec<String> {
    let (table, insert, update) = (&names.table, names.insert(), names.update());
    let mut out =
        vec![format!("CREATE OR REPLACE TRIGGER {INSERT} BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION {insert}()")];
    let changed = |column: &String| format!("NEW.{column} IS DISTINCT FROM OLD.{column}");
    out.push(match triggers.watched.as_slice() {
        [] => format!("DROP TRIGGER IF EXISTS {UPDATE} ON {table}"),
        watched if others => {
            let changed: Vec<String> = watched.iter().map(changed).collect();
            format!(
                "CREATE OR REPLACE TRIGGER {UPDATE} BEFORE UPDATE ON {table} FOR EACH ROW WHEN ({}) EXECUTE FUNCTION {update}()",
                changed.join(" OR ")
            )
        }
        watched => format!(
            "CREATE OR REPLACE TRIGGER {UPDATE} BEFORE UPDATE OF {} ON {table} FOR EACH ROW EXECUTE FUNCTION {update}()",
            watched.join(", ")
        ),
    });
    out
}

/// Renders the drop of the triggers and their functions, but not of the functions that these call.
pub fn drop_triggers(names: &Names) -> Vec<String> {
    let mut out = vec![
        format!("DROP TRIGGER IF EXISTS {INSERT} ON {}", names.table),
        format!("DROP TRIGGER IF EXISTS {UPDATE} ON {}", names.table),
    ];
    out.extend(drop_functions(names));
    out
}

/// Renders the drop of the functions of the triggers, of a table that is gone.
pub fn drop_functions(names: &Names) -> Vec<String> {
    vec![format!("DROP FUNCTION IF EXISTS {}()", names.insert()), format!("DROP FUNCTION IF EXISTS {}()", names.update())]
}

/// Renders the drop of the functions that triggers called before and do not call any more.
pub fn drop_helpers(history: &History, triggers: Option<&Triggers>, names: &Names) -> Vec<String> {
    let mut all = vec![names.beyond(), names.align()];
    for (id, recipe) in history.scope().recipes.iter().enumerate() {
        for at in 0..recipe.targets.len() {
            all.push(names.guard(id, at));
        }
    }
    lookup::in_scope(history.scope(), &mut |table| {
        let name = names.lookup(table);
        if !all.contains(&name) {
            all.push(name);
        }
    });
    let is_called = |name: &String| {
        let made = format!("FUNCTION {name}(");
        triggers.is_some_and(|triggers| triggers.helpers.iter().any(|helper| helper.contains(&made)))
    };
    all.iter().filter(|name| !is_called(name)).map(|name| format!("DROP FUNCTION IF EXISTS {name}")).collect()
}

/// Triggers fire in the order of their names: after those of other people, whose changes they have to see.
const INSERT: &str = "zz_coeval_insert";
const UPDATE: &str = "zz_coeval_update";

/// Lets everybody call functions, which is so by itself unless the database's owner has said otherwise: triggers call them with the
/// rights of whoever writes, who may have none but on the views of a version.
pub(super) fn everybodys(mut helpers: Vec<String>) -> Vec<String> {
    let signature = |helper: &String| {
        let (made, _) = helper.split_once(" RETURNS pg_catalog.")?;
        made.split_once("FUNCTION ").map(|(_, signature)| signature.to_owned())
    };
    let signatures: Vec<String> = helpers.iter().filter_map(signature).collect();
    if !signatures.is_empty() {
        helpers.push(format!("GRANT EXECUTE ON FUNCTION {} TO PUBLIC", signatures.join(", ")));
    }
    helpers
}
