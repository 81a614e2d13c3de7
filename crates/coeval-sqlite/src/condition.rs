//! Conditions that people demand of records: triggers on the base table, which refuse what makes them false, or repair it; or views that
//! leave out what does.

use coeval_core::expr::{Compiled, Input, Names as Called, Scope};
use coeval_core::path::{Path, Segment};
use coeval_core::schema::Policy;
use coeval_core::table::Tables;
use coeval_core::{Model, Value};
use coeval_plan::table::{Unsuitable, View};
use coeval_plan::{Condition, Step};
use coeval_sql::sqlite::{Names, Repair, repair};
use coeval_sql::{Dialect, ident, string};
use coeval_store::event::Failure;
use coeval_store::{Error, Result};

use crate::execute::failures;
use crate::layout::Layout;
use crate::statement::Session;
use crate::writing;

/// The condition that a step is about, with its name.
pub(crate) fn of(step: &Step) -> Option<(&str, Condition)> {
    match step {
        Step::AddCondition { name, expr, at, policy, .. } | Step::DropCondition { name, expr, at, policy, .. } => {
            Some((name, Condition { expr: expr.clone(), at: *at, policy: policy.clone() }))
        }
        _ => None,
    }
}

fn unsupported(layout: &Layout<'_>) -> impl Fn(coeval_sql::Unfit) -> Error + use<> {
    let what = format!("a condition of `{}` in SQLite", layout.model);
    move |unfit| Error::Unsupported { what: what.clone(), reason: unfit.to_string() }
}

fn unsuitable(layout: &Layout<'_>) -> impl Fn(Unsuitable) -> Error + use<> {
    let what = format!("a condition of `{}` in SQLite", layout.model);
    move |unsuitable| Error::Unsupported { what: what.clone(), reason: unsuitable.to_string() }
}

/// The columns that have to be there.
pub(crate) fn columns(layout: &Layout<'_>, at: u32) -> Vec<String> {
    let shown = layout.table.made(at).into_iter().flat_map(|view| view.entries);
    shown.map(|(_, column)| layout.table.columns[column].name.clone()).collect()
}

fn says(name: &str, known: &Condition) -> String {
    format!("`{name}` does not hold: {}", known.expr)
}

/// Names the rows that do not fulfil a condition, with what becomes of them.
pub(crate) fn broken(session: &Session<'_>, layout: &Layout<'_>, name: &str, known: &Condition) -> Result<Vec<Failure>> {
    let (table, says) = (&layout.table, says(name, known));
    match &known.policy {
        Policy::Reject => {
            let holds = coeval_sql::condition(table, known.at, &known.expr, "t", Dialect::Sqlite).map_err(unsupported(layout))?;
            failures(session, layout, &format!("({holds}) IS 0"), ("rejected", &says))
        }
        Policy::Quarantine => {
            let holds = coeval_sql::holding(table, known.at, &known.expr, "t", Dialect::Sqlite).map_err(unsupported(layout))?;
            failures(session, layout, &format!("({holds}) IS 0"), ("quarantined", &says))
        }
        Policy::Repair(with) => {
            let Some((Repair { broken, hopeless, .. }, _)) = rendered(session, layout, name, known)? else {
                return Ok(Vec::new());
            };
            let reason = format!("{says}, and what repairs it does not either: {with}");
            let mut found = failures(session, layout, &format!("{broken} AND {hopeless}"), ("rejected", &reason))?;
            let reason = format!("{says}; it is repaired: {with}");
            found.extend(failures(session, layout, &format!("{broken} AND NOT {hopeless}"), ("repaired", &reason))?);
            Ok(found)
        }
    }
}

fn trigger(layout: &Layout<'_>, name: &str, event: &str) -> String {
    format!("{}_{name}_{event}", layout.names.base())
}

/// Returns the triggers that make a condition a rule, by their names.
pub(crate) fn triggers(
    session: &Session<'_>,
    layout: &Layout<'_>,
    name: &str,
    known: &Condition,
) -> Result<Vec<(String, String)>> {
    match &known.policy {
        Policy::Reject => {
            let holds = coeval_sql::condition(&layout.table, known.at, &known.expr, "NEW", Dialect::Sqlite);
            let (table, holds) = (layout.names.table(), holds.map_err(unsupported(layout))?);
            // As the version calls the model that demands it: later ones may call it otherwise.
            let model =
                layout.table.stated().find(|view| view.version == known.at).map_or(layout.model, |view| view.name.as_str());
            let message = string(&format!("{model}: {}", says(name, known)), Dialect::Sqlite);
            let one = |event: &str| {
                let trigger = trigger(layout, name, event);
                let sql = format!(
                    "CREATE TRIGGER {} BEFORE {} ON {table} WHEN ({holds}) IS 0 BEGIN\n  SELECT RAISE(ABORT, {message});\nEND",
                    ident(&trigger),
                    event.to_uppercase()
                );
                (trigger, sql)
            };
            Ok(["insert", "update"].map(one).to_vec())
        }
        Policy::Quarantine => Ok(Vec::new()),
        Policy::Repair(_) => {
            let Some((repair, _)) = rendered(session, layout, name, known)? else { return Ok(Vec::new()) };
            Ok(layout.names.repair(name, known.at).into_iter().zip(repair.triggers).collect())
        }
    }
}

/// Makes it a rule that a condition never is false, or is repaired.
pub(crate) fn add(session: &Session<'_>, layout: &Layout<'_>, name: &str, known: &Condition) -> Result<()> {
    drop_triggers(session, layout, name, known)?;
    for (_, trigger) in triggers(session, layout, name, known)? {
        session.batch(&trigger)?;
    }
    if let Policy::Repair(_) = known.policy
        && let Some((repair, _)) = rendered(session, layout, name, known)?
    {
        writing::renew(session, layout, &layout.present(session)?)?;
        session.batch(&repair.mend)?;
    }
    Ok(())
}

/// Takes the rule back, as far as it is on the base table.
pub(crate) fn drop_triggers(session: &Session<'_>, layout: &Layout<'_>, name: &str, known: &Condition) -> Result<()> {
    let names = match known.policy {
        Policy::Reject => ["insert", "update"].map(|event| ident(&trigger(layout, name, event))).to_vec(),
        Policy::Quarantine => Vec::new(),
        Policy::Repair(_) => layout.names.repair(name, known.at).map(|name| ident(&name)).to_vec(),
    };
    for name in names {
        session.batch(&format!("DROP TRIGGER IF EXISTS {name}"))?;
    }
    Ok(())
}

/// What repairs a condition, and the view that it writes through: that of the oldest version that clients have of those which show what
/// it is about; of the oldest one where they have none. `None` where it is shown no more.
fn rendered(session: &Session<'_>, layout: &Layout<'_>, name: &str, known: &Condition) -> Result<Option<(Repair, View)>> {
    let all = coeval_plan::mending(&layout.table, 0, name, known).map_err(unsuitable(layout))?;
    let mut through = all.first();
    for candidate in &all {
        if writing::text(session, &Names::view(candidate.0))?.is_some() {
            through = Some(candidate);
            break;
        }
    }
    let Some((view, property)) = through else { return Ok(None) };
    let view = Names::mending(view);
    let repair = repair(&layout.table, name, known, (&view, property), &layout.names).map_err(unsupported(layout))?;
    Ok(Some((repair, view)))
}

/// What repairs, and the views that it writes through.
#[derive(Debug, Default)]
pub(crate) struct Mending {
    /// Triggers on the base table that are there, with what they should be.
    pub(crate) triggers: Vec<(String, String)>,
    pub(crate) views: Vec<View>,
}

/// Returns what there should be of the repairs that are there.
pub(crate) fn mending(session: &Session<'_>, layout: &Layout<'_>) -> Result<Mending> {
    let mut out = Mending::default();
    for (name, known) in coeval_plan::repairs(&layout.table).map_err(unsuitable(layout))? {
        let [insert, update] = layout.names.repair(&name, known.at);
        let there = session.row("SELECT 1 FROM sqlite_schema WHERE type = 'trigger' AND name = ?1", [&insert], |_| Ok(()))?;
        if there.is_none() {
            continue;
        }
        if let Some((repair, view)) = rendered(session, layout, &name, &known)? {
            let [on_insert, on_update] = repair.triggers;
            out.triggers.extend([(insert, on_insert), (update, on_update)]);
            if !out.views.contains(&view) {
                out.views.push(view);
            }
        }
    }
    Ok(out)
}

/// Why a version cannot show a row with some values, by its columns; `None` where it can. What its own clients write so is refused.
pub(crate) fn hidden(layout: &Layout<'_>, values: &[Option<Value>], version: u32) -> Result<Option<String>> {
    let view = layout.view(version)?;
    for (name, known) in coeval_plan::guards(&layout.table, view).map_err(unsuitable(layout))? {
        let Some(stated) = layout.table.made(known.at) else { continue };
        let Some(model) = layout.table.model(&stated) else { continue };
        let document = layout.table.document(values, &stated);
        if !holds(&known.expr, model, &document).map_err(|reason| Error::failed("asking a condition", reason))? {
            return Ok(Some(says(&name, &known)));
        }
    }
    Ok(None)
}

/// Whether a condition is not false; what it cannot be computed for breaks it.
fn holds(expr: &str, model: &Model, document: &Value) -> Result<bool, String> {
    let scope = Scope { names: Called::Record(&model.properties), tables: &Tables::new(), absent_is_null: true };
    let compiled = Compiled::compile(expr, &scope).map_err(|invalid| invalid.message)?;
    let value = |input: &Input| match input {
        Input::Property(path) => found(document, path).cloned().unwrap_or(Value::Null),
        Input::Key => Value::Null,
    };
    let values: Vec<Value> = compiled.inputs().iter().map(value).collect();
    Ok(!matches!(compiled.eval(&values.iter().collect::<Vec<_>>()), Ok(Value::Bool(false)) | Err(_)))
}

fn found<'v>(document: &'v Value, path: &Path) -> Option<&'v Value> {
    path.segments().iter().try_fold(document, |value, segment| match segment {
        Segment::Name(name) => value.as_object()?.get(name),
        Segment::Items | Segment::Values => None,
    })
}
