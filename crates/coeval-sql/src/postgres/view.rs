//! The views of a version: what its clients read and write.

use std::fmt::Write as _;

use coeval_core::Value;
use coeval_plan::table::{Held, MARKER, Table, View};

use super::Names;
use super::table::default_of;
use crate::condition::guards;
use crate::dialect::Dialect;
use crate::literal::Unfit;
use crate::name::{fit, ident};
use crate::types::{KeyType, column_type};

/// Renders a version's view of a table, in a schema that is there.
///
/// Every column has the default that the version declares. One that it does not declare has none, even where the base table has
/// one: a property that is left out is NULL then, and refused where it is required. (`nullif` is kept by PostgreSQL, while a
/// default of NULL is not, and the base table's would shine through.)
///
/// # Errors
/// A default that no column can hold.
pub fn create_view(table: &Table<'_>, view: &View, names: &Names, keys: KeyType<'_>) -> Result<Vec<String>, Unfit> {
    let column = |at: usize| ident(&table.columns[at].name);
    let hiding: Vec<String> = view.hiding.iter().map(|at| format!("{} IS NOT TRUE", column(*at))).collect();
    let guards = guards(table, view, "", Dialect::Postgres)?;
    let shown: Vec<String> =
        hiding.into_iter().chain(guards.iter().map(|guard| format!("({}) IS NOT FALSE", guard.sql))).collect();
    let mut condition = if shown.is_empty() { String::new() } else { format!(" WHERE {}", shown.join(" AND ")) };
    if !guards.is_empty() {
        // What older versions may write, this one's own clients may not.
        condition.push_str(" WITH LOCAL CHECK OPTION");
    }
    let outer = names.view(view);
    let mut out = Vec::new();
    let marker = ident(MARKER);
    let called = |own: String, name: String| if own == name { own } else { format!("{own} AS {name}") };
    let shown = |name: &str| ident(&fit(name));
    let carried: Vec<String> = view.carried.iter().map(|name| ident(name)).collect();
    if view.marked {
        let inner = names.inner(view);
        // A view that is replaced keeps the names of its columns, while what they show may move: they are those of the properties.
        let between = inner_names(view);
        let own = view.entries.iter().map(|(_, at)| column(*at));
        let columns = own.zip(&between).map(|(own, name)| called(own, ident(name))).chain([marker.clone()]);
        let columns: Vec<String> = columns.chain(carried.clone()).collect();
        let entries = view.entries.iter().zip(&between);
        let entries = entries.map(|((name, _), between)| called(ident(between), shown(name)));
        let entries: Vec<String> = entries.chain(carried).collect();
        out.push(format!("CREATE OR REPLACE VIEW {inner} AS SELECT {} FROM {}{condition}", columns.join(", "), names.table));
        out.push(format!("ALTER VIEW {inner} ALTER COLUMN {marker} SET DEFAULT {}", view.version));
        out.push(format!("CREATE OR REPLACE VIEW {outer} AS SELECT {} FROM {inner}", entries.join(", ")));
    } else {
        let entries = view.entries.iter().map(|(name, at)| called(column(*at), shown(name)));
        let entries: Vec<String> = entries.chain(carried).collect();
        out.push(format!("CREATE OR REPLACE VIEW {outer} AS SELECT {} FROM {}{condition}", entries.join(", "), names.table));
    }
    out.extend(set_defaults(&outer, view_defaults(table, view, keys)?.iter()));
    Ok(out)
}

/// Returns what the columns of a version are called between its view and the table, where there is something: as their properties are,
/// but for one that is called as the marker. Not quoted.
pub fn inner_names(view: &View) -> Vec<String> {
    let names: Vec<String> = view.entries.iter().map(|(name, _)| fit(name)).collect();
    let mut free = (0..=names.len()).map(|number| format!("{MARKER}{number}")).filter(|free| !names.contains(free));
    let own = |name: &String| if name == MARKER { free.next().unwrap_or_default() } else { name.clone() };
    names.iter().map(own).collect()
}

/// Renders that columns of a view have defaults: all at once, since the server reads the whole view again for each statement.
fn set_defaults<'d>(view: &str, defaults: impl Iterator<Item = &'d ViewDefault>) -> Option<String> {
    let each: Vec<String> =
        defaults.map(|default| format!("ALTER COLUMN {} SET DEFAULT {}", ident(&default.column), default.value)).collect();
    (!each.is_empty()).then(|| format!("ALTER VIEW {view} {}", each.join(", ")))
}

/// The default of a view's column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ViewDefault {
    /// The column's name, not quoted.
    pub column: String,
    /// The expression.
    pub value: String,
    /// Whether it fills in a value; what does not only keeps the base table's default from shining through.
    pub fills: bool,
}

/// Returns the defaults of a view's columns. The twin for COPY has those that fill something in: what is left out there comes to the
/// view as NULL.
///
/// # Errors
/// A default that no column can hold.
pub fn view_defaults(table: &Table<'_>, view: &View, keys: KeyType<'_>) -> Result<Vec<ViewDefault>, Unfit> {
    let d = Dialect::Postgres;
    let model = table.model(view);
    let mut out = Vec::new();
    for (name, at) in &view.entries {
        let column = &table.columns[*at];
        let declared = model.and_then(|model| model.properties.get(name)).and_then(|property| property.default.as_ref());
        // One that does not fit the type is refused where it would be filled in.
        let ty = model.and_then(|model| model.properties.get(name)).map_or(&column.property.ty, |property| &property.ty);
        let declared = declared.filter(|value| **value != Value::Null && ty.admits(value));
        let (value, fills) = match (declared, &column.constant) {
            (Some(value), _) => (default_of(value, ty)?, true),
            (_, _) if column.held == Held::Id => ("pg_catalog.gen_random_uuid()".to_owned(), true),
            (_, Some(Some(_))) => (format!("nullif({0}, {0})", none(&column_type(&column.property.ty, keys, d))), false),
            (_, _) => continue,
        };
        out.push(ViewDefault { column: fit(name), value, fills });
    }
    Ok(out)
}

/// Any value of a type, which is then made NULL.
fn none(ty: &str) -> String {
    format!("NULL::{ty}")
}

/// Renders the drop of a version's view.
pub fn drop_view(view: &View, names: &Names) -> Vec<String> {
    let mut out = vec![format!("DROP VIEW IF EXISTS {}", names.view(view))];
    if view.marked {
        out.push(format!("DROP VIEW IF EXISTS {}", names.inner(view)));
    }
    out
}

/// Renders the drop of the twin of a version's view.
pub fn drop_copy(view: &View, names: &Names) -> Vec<String> {
    vec![format!("DROP VIEW IF EXISTS {}", names.copy(view)), format!("DROP FUNCTION IF EXISTS {}()", names.copy_function(view))]
}

/// Renders the twin of a version's view, which takes COPY.
///
/// # Errors
/// A default that no column can hold.
pub fn copy_view(table: &Table<'_>, view: &View, names: &Names, keys: KeyType<'_>) -> Result<Vec<String>, Unfit> {
    let (twin, outer, function) = (names.copy(view), names.view(view), names.copy_function(view));
    let columns: Vec<String> = view.entries.iter().map(|(name, _)| ident(&fit(name))).collect();
    let values: Vec<String> = columns.iter().map(|column| format!("NEW.{column}")).collect();
    // What the table computes by itself is not copied in.
    let mut out = vec![format!("CREATE VIEW {twin} AS SELECT {} FROM {outer}", columns.join(", "))];
    out.extend(set_defaults(&twin, view_defaults(table, view, keys)?.iter().filter(|default| default.fills)));
    let mut body = String::new();
    let _ = write!(
        body,
        "CREATE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql AS {}",
        crate::name::body(&format!(
            "\nBEGIN\n  INSERT INTO {outer} ({}) OVERRIDING SYSTEM VALUE VALUES ({});\n  RETURN NEW;\nEND\n",
            columns.join(", "),
            values.join(", ")
        ))
    );
    out.push(body);
    out.push(format!("CREATE TRIGGER copy INSTEAD OF INSERT ON {twin} FOR EACH ROW EXECUTE FUNCTION {function}()"));
    Ok(out)
}
