//! Where the records of a model lie: which table, with which columns, for which versions.

use coeval_core::Type;
use coeval_plan::Step;
use coeval_plan::table::{Ability, Table, View};
use coeval_sql::postgres::Names;
use coeval_store::lower::versions;
use coeval_store::{Catalog, Era, Error, ModelEntry, Result};

/// PostgreSQL's triggers see by the changed columns, and by the marker of a new row, which version wrote.
pub(crate) const ABILITY: Ability = Ability { knows_writer: false };

/// An era of a model, in its table.
#[derive(Debug, Clone)]
pub(crate) struct Layout<'c> {
    catalog: &'c Catalog,
    pub(crate) entry: &'c ModelEntry,
    pub(crate) era: &'c Era,
    /// The table's name, not quoted.
    pub(crate) table_name: String,
    /// Where its things are.
    pub(crate) names: Names,
    /// The schema and the name of a table that was there before; coeval neither makes nor drops it.
    pub(crate) adopted: Option<(String, String)>,
    /// The oldest version that was not retired.
    oldest: u32,
}

impl<'c> Layout<'c> {
    pub(crate) fn new(catalog: &'c Catalog, deployment: &str, oldest: u32, entry: &'c ModelEntry, era: &'c Era) -> Self {
        let adopted = adopted(era);
        let own = table_name(catalog, entry, era);
        let names = match &adopted {
            Some((schema, table)) => Names::adopted(deployment, &own, schema, table),
            None => Names::new(deployment, &own),
        };
        let table_name = adopted.as_ref().map_or(own, |(_, table)| table.clone());
        Self { catalog, entry, era, table_name, names, adopted, oldest }
    }

    /// Returns the era of a model that is there at a version.
    ///
    /// # Errors
    /// [`Error::Unknown`] where there is none.
    pub(crate) fn at(catalog: &'c Catalog, deployment: &str, oldest: u32, model: &str, version: u32) -> Result<Self> {
        let era = catalog.era(model, version)?;
        Ok(Self::new(catalog, deployment, oldest, catalog.model(model)?, era))
    }

    /// Returns all eras of all models.
    pub(crate) fn all(catalog: &'c Catalog, deployment: &str, oldest: u32) -> Vec<Self> {
        let eras = catalog.models.iter().flat_map(|entry| entry.eras.iter().map(move |era| (entry, era)));
        eras.map(|(entry, era)| Self::new(catalog, deployment, oldest, entry, era)).collect()
    }

    /// Returns the table as the versions up to one have it, without those that were retired.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for what a table cannot hold.
    pub(crate) fn table(&self, up_to: u32) -> Result<Table<'c>> {
        Ok(self.whole(up_to)?.retire(self.oldest))
    }

    /// Returns the table as the versions up to one have it, with those that were retired.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for what a table cannot hold.
    pub(crate) fn whole(&self, up_to: u32) -> Result<Table<'c>> {
        let versions = self.versions(up_to);
        Table::new(&self.era.history, &versions, ABILITY).map_err(|unsuitable| Error::Unsupported {
            what: format!("the model `{}` in a table", self.entry.name),
            reason: format!("{unsuitable}; {}", unsuitable.help),
        })
    }

    /// Returns the versions of the era up to one.
    pub(crate) fn versions(&self, up_to: u32) -> Vec<u32> {
        versions(self.catalog, self.era, up_to)
    }

    /// Returns the type of the key of another model, by the name that it has at any version.
    pub(crate) fn key_type(&self, model: &str) -> Option<Type> {
        let named = |entry: &&ModelEntry| {
            let mut names = entry.eras.iter().flat_map(|era| era.history.versions().filter_map(|v| era.history.model(v)));
            entry.name == model || names.any(|known| known.name == model)
        };
        let newest = self.catalog.models.iter().find(named)?.newest()?;
        match newest.key.as_slice() {
            [] => Some(Type::Uuid),
            [key] => newest.properties.get(key).map(|property| property.ty.clone()),
            _ => None,
        }
    }

    /// Returns whether a step of this model, or its reverse, leads between two versions of this era.
    pub(crate) fn has(&self, step: &Step, low: u32, high: u32) -> Result<bool> {
        if self.era.first > high || self.era.end.is_some_and(|end| end <= low) {
            return Ok(false);
        }
        let last = self.era.end.map_or(high, |end| high.min(end.saturating_sub(1)));
        let from = (low >= self.era.first).then_some(low);
        let versions = self.versions(last);
        let steps = coeval_plan::lower(&self.entry.name, &self.era.history, &versions, from, last, ABILITY);
        let steps = steps.map_err(|unsuitable| Error::failed(step.to_string(), unsuitable.to_string()))?;
        Ok(steps.iter().any(|known| known == step || known.reverse().as_ref() == Some(step)))
    }
}

/// The table that the model's first version says its rows are in: `table: SCHEMA.NAME`, in the schema `public` where none is said.
fn adopted(era: &Era) -> Option<(String, String)> {
    let table = era.history.model(era.first)?.options.get("table")?.as_str()?;
    let (schema, name) = table.split_once('.').unwrap_or(("public", table));
    Some((schema.to_owned(), name.to_owned()))
}

/// The newest view up to a version.
pub(crate) fn view_up_to<'t>(table: &'t Table<'_>, version: u32) -> Option<&'t View> {
    table.views.iter().rev().find(|view| view.version <= version)
}

/// The model's name at its first version; with that version where an older table has the name.
fn table_name(catalog: &Catalog, entry: &ModelEntry, era: &Era) -> String {
    let first = |era: &Era| era.history.model(era.first).map(|model| model.name.clone()).unwrap_or_default();
    let own = first(era);
    let taken = catalog.models.iter().flat_map(|other| other.eras.iter().map(move |era| (other, era))).any(|(other, older)| {
        let same = std::ptr::eq(other, entry) && older.first == era.first;
        !same && older.first < era.first && first(older) == own
    });
    if taken { format!("{own}_v{}", era.first) } else { own }
}
