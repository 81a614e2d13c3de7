//! Where the records of a model lie: its base table as the versions up to one have it.

use std::collections::{BTreeMap, BTreeSet};

use coeval_core::schema::{Model, Type};
use coeval_plan::table::{Ability, ID, Table, View};
use coeval_sql::sqlite::Names;
use coeval_store::catalog::ModelEntry;
use coeval_store::lower::versions;
use coeval_store::{Catalog, Era, Error, Result};

use crate::catalog;
use crate::statement::Session;

/// A model's base table and its views.
#[derive(Debug)]
pub(crate) struct Layout<'c> {
    pub(crate) catalog: &'c Catalog,
    pub(crate) model: &'c str,
    pub(crate) era: &'c Era,
    pub(crate) table: Table<'c>,
    pub(crate) names: Names,
}

impl<'c> Layout<'c> {
    /// Lays out the table of an era for the versions up to one.
    pub(crate) fn new(catalog: &'c Catalog, entry: &'c ModelEntry, era: &'c Era, up_to: u32) -> Result<Self> {
        let unsupported = |reason: String| Error::Unsupported { what: format!("the model `{}` in SQLite", entry.name), reason };
        let versions = versions(catalog, era, up_to);
        let table = Table::new(&era.history, &versions, Ability { knows_writer: true });
        let table = table.map_err(|unsuitable| unsupported(format!("{unsuitable}; {}", unsuitable.help)))?;
        for view in &table.views {
            let mut seen = BTreeSet::new();
            let mut names = view.entries.iter().map(|(name, _)| name).chain(&view.carried);
            if let Some(name) = names.find(|name| !seen.insert(name.to_ascii_lowercase())) {
                let reason = format!(
                    "version {} shows two things that are called `{name}` but for upper and lower case, which SQLite takes for one",
                    view.version
                );
                return Err(unsupported(reason));
            }
        }
        let names = names(catalog, entry, era);
        Ok(Self { catalog, model: &entry.name, era, table, names })
    }

    /// The type of another model's key, as a reference holds it.
    pub(crate) fn key_type(&self, model: &str) -> Option<Type> {
        key_type(self.catalog, model)
    }

    /// Returns whether the base table has a column of a name.
    pub(crate) fn has_column(&self, session: &Session<'_>, name: &str) -> Result<bool> {
        let found = catalog::table(session, self.names.base())?;
        Ok(found.is_some_and(|table| table.columns.iter().any(|column| column.name.eq_ignore_ascii_case(name))))
    }

    /// The columns that the base table has, of those that the versions up to `up_to` know.
    pub(crate) fn present(&self, session: &Session<'_>) -> Result<BTreeSet<usize>> {
        let Some(table) = catalog::table(session, self.names.base())? else { return Ok(BTreeSet::new()) };
        let there = |at: &usize| {
            let name = &self.table.columns[*at].name;
            table.columns.iter().any(|column| column.name.eq_ignore_ascii_case(name))
        };
        Ok((0..self.table.columns.len()).filter(there).collect())
    }

    /// Whether the base table has some columns, all of them.
    pub(crate) fn has_all(&self, session: &Session<'_>, columns: &[String]) -> Result<bool> {
        let present = self.present(session)?;
        Ok(columns.iter().all(|name| present.iter().any(|at| self.table.columns[*at].name == *name)))
    }

    /// The view of a version.
    ///
    /// # Errors
    /// The model is not in the version.
    pub(crate) fn view(&self, version: u32) -> Result<&View> {
        self.table.view(version).ok_or_else(|| Error::Unknown {
            message: format!("the model `{}` is not in version {version}", self.model),
            help: None,
        })
    }

    /// The names of the columns of the key.
    pub(crate) fn key(&self) -> Vec<&str> {
        self.table.key().into_iter().map(|at| self.table.columns[at].name.as_str()).collect()
    }
}

/// The table that the model's first version says its rows are in: `table: NAME`.
pub(crate) fn adopted(era: &Era) -> Option<&str> {
    era.history.model(era.first)?.options.get("table")?.as_str()
}

/// Where the things of an era's table are: called like the model at the first version of the era, where no older table is.
pub(crate) fn names(catalog: &Catalog, entry: &ModelEntry, era: &Era) -> Names {
    // What was there before is called as it is.
    if let Some(table) = adopted(era) {
        return Names::adopted(table);
    }
    let first = |era: &Era| era.history.model(era.first).map(|model| model.name.clone()).unwrap_or_default();
    let own = first(era);
    let taken = catalog.models.iter().flat_map(|other| other.eras.iter().map(move |era| (other, era))).any(|(other, older)| {
        let same = std::ptr::eq(other, entry) && older.first == era.first;
        !same && older.first < era.first && first(older).eq_ignore_ascii_case(&own)
    });
    if taken { Names::since(&own, era.first) } else { Names::new(&own) }
}

/// Refuses models whose names a database cannot hold, takes for one, or takes for its own or coeval's.
///
/// # Errors
/// [`Error::Unsupported`], with the name.
pub(crate) fn admit(catalog: &Catalog) -> Result<()> {
    for entry in &catalog.models {
        for era in &entry.eras {
            let (table, model) = (adopted(era), era.history.model(era.first));
            let hides = |table: &&str| ["old", "new"].into_iter().any(|row| table.eq_ignore_ascii_case(row));
            if let (Some(table), Some(model)) = (table.filter(hides), model) {
                return Err(refused(model, format!("triggers cannot tell a table `{table}` from the rows that they are about")));
            }
        }
        for model in entry.eras.iter().flat_map(|era| era.history.versions().filter_map(|version| era.history.model(version))) {
            admit_model(model)?;
        }
    }
    for version in &catalog.versions {
        let mut known: BTreeMap<String, &str> = BTreeMap::new();
        for model in catalog.models.iter().filter_map(|entry| entry.model(version.number)) {
            if let Some(other) = known.insert(model.name.to_ascii_lowercase(), &model.name) {
                let reason = format!("SQLite takes its name and that of the model `{}` for one", other.escape_debug());
                return Err(refused(model, reason));
            }
        }
    }
    Ok(())
}

fn admit_model(model: &Model) -> Result<()> {
    let low = model.name.to_ascii_lowercase();
    if low.contains('\0') {
        return Err(refused(model, "no name can hold NUL".to_owned()));
    }
    if let Some((property, _)) = model.properties.iter().find(|(property, _)| property.contains('\0')) {
        let reason = format!("no name can hold NUL, as that of the property `{}` does", property.escape_debug());
        return Err(refused(model, reason));
    }
    let is_word = |name: &str| ["true", "false"].into_iter().any(|word| name.eq_ignore_ascii_case(word));
    if let Some((property, _)) = model.properties.iter().find(|(property, _)| is_word(property)) {
        return Err(refused(model, format!("SQLite calls no column of a view `{property}`, as the property is")));
    }
    if let Some(prefix) = ["coeval_", "sqlite_"].into_iter().find(|prefix| low.starts_with(prefix)) {
        return Err(refused(model, format!("names that begin with `{prefix}` are not for models")));
    }
    let digits = low.rsplit_once("_v").map(|(_, digits)| digits).unwrap_or_default();
    if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(refused(model, "SQLite takes the name for that of a version's view".to_owned()));
    }
    Ok(())
}

fn refused(model: &Model, reason: String) -> Error {
    Error::Unsupported { what: format!("the model `{}` in SQLite", model.name.escape_debug()), reason }
}

/// The type of a model's key, at its newest version.
pub(crate) fn key_type(catalog: &Catalog, model: &str) -> Option<Type> {
    let model = catalog.models.iter().find(|entry| entry.name == model)?.newest()?;
    match model.key.as_slice() {
        [] => Some(Type::Uuid),
        [name] if name == ID => Some(Type::Uuid),
        [name] => Some(model.properties.get(name)?.ty.clone()),
        _ => None,
    }
}

/// The era of a model that a step between two versions is about: the newest that overlaps them.
pub(crate) fn era_between<'c>(catalog: &'c Catalog, model: &str, a: u32, b: u32) -> Result<(&'c ModelEntry, &'c Era)> {
    let entry = catalog.model(model)?;
    let (low, high) = (a.min(b), a.max(b));
    let overlaps = |era: &&Era| era.first <= high && era.end.is_none_or(|end| end > low);
    let era = entry.eras.iter().rev().find(overlaps).or(entry.eras.last());
    let era = era.ok_or_else(|| Error::Unknown { message: format!("the model `{model}` is in no version"), help: None })?;
    Ok((entry, era))
}
