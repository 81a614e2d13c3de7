//! The models of a manifest, compiled: what records are read and written with.

use std::collections::BTreeMap;

use coeval_core::history::History;
use coeval_core::schema::Model;
use coeval_plan::Step;
use coeval_plan::standalone::Ordered;

use crate::error::{Error, Result};
use crate::ledger::{Ledger, VersionId};

/// The versions from one that adds a model to one that removes it: records have a way between any two of them.
#[derive(Debug)]
pub struct Era {
    /// The version that adds the model.
    pub first: u32,
    /// The version that removes it; `None` where it is there at the head.
    pub end: Option<u32>,
    /// The model over these versions.
    pub history: History,
}

impl Era {
    /// Returns whether the model is there at a version.
    pub fn contains(&self, version: u32) -> bool {
        version >= self.first && self.end.is_none_or(|end| version < end)
    }

    /// Returns the version that gave the model the shape it has at `version`: the newest up to it that changed the model. It is
    /// what records are stamped with, so that versions which leave a model alone leave its records alone.
    pub fn shape(&self, version: u32) -> Option<u32> {
        self.history.versions().rev().find(|v| *v <= version)
    }
}

/// A model over all versions.
#[derive(Debug)]
pub struct ModelEntry {
    /// Its name at the head; at its last version where it was removed.
    pub name: String,
    /// Its eras, oldest first.
    pub eras: Vec<Era>,
}

impl ModelEntry {
    /// Returns the era that a version belongs to.
    pub fn era(&self, version: u32) -> Option<&Era> {
        self.eras.iter().find(|era| era.contains(version))
    }

    /// Returns the model as it is at a version.
    pub fn model(&self, version: u32) -> Option<&Model> {
        self.era(version)?.history.model(version).map(AsRef::as_ref)
    }

    /// Returns the newest model: the one at the last version of its last era.
    pub fn newest(&self) -> Option<&Model> {
        let era = self.eras.last()?;
        era.history.model(era.history.newest()).map(AsRef::as_ref)
    }
}

/// The models of a manifest that one backend keeps.
#[derive(Debug, Default)]
pub struct Catalog {
    /// The versions of the manifest, oldest first.
    pub versions: Vec<VersionId>,
    /// The models.
    pub models: Vec<ModelEntry>,
    /// What frozen documents say that runs on this backend, by the model's name and the version.
    pub frozen: BTreeMap<(String, u32), Vec<Step>>,
    /// The standalone migrations that run on this backend; `None` where none does.
    pub standalone: Option<Ordered>,
}

impl Catalog {
    /// Returns the number of the newest version; 0 where nothing is frozen.
    pub fn head(&self) -> u32 {
        self.versions.last().map_or(0, |version| version.number)
    }

    /// Returns a model.
    ///
    /// # Errors
    /// There is no such model.
    pub fn model(&self, name: &str) -> Result<&ModelEntry> {
        self.models.iter().find(|model| model.name == name).ok_or_else(|| Error::Unknown {
            message: format!("the store keeps no model `{name}`"),
            help: Some(format!("it keeps {}", self.models.iter().map(|m| m.name.as_str()).collect::<Vec<_>>().join(", "))),
        })
    }

    /// Returns without an error if every version that a store came to is this catalog's of that number. Whoever lacks one would
    /// lose what records keep for it; whoever has another one would read records wrongly.
    ///
    /// # Errors
    /// [`Error::Unknown`], with what there is.
    pub fn agree(&self, ledger: &Ledger) -> Result<()> {
        for known in ledger.versions() {
            let own = self.versions.iter().find(|version| version.number == known.number);
            let (message, help) = match own {
                Some(own) if own.id == known.id => continue,
                Some(_) => (
                    format!("the store was migrated with another version {}", known.number),
                    "take the manifest of whoever did; `coeval status` says more",
                ),
                None => (
                    format!("the store came to version {}, which the manifest does not have", known.number),
                    "take the newest manifest from your version control",
                ),
            };
            return Err(Error::Unknown { message, help: Some(help.to_owned()) });
        }
        Ok(())
    }

    /// Returns whether records of an era can be at a version: not if it is newer than the manifest's newest.
    pub fn holds(&self, era: &Era, version: u32) -> bool {
        version <= self.head() && era.contains(version)
    }

    /// Returns the catalog with the versions before one retired.
    #[must_use]
    pub fn retire(&self, before: u32) -> Self {
        let era = |era: &Era| Era { first: era.first, end: era.end, history: era.history.clone().retire(before) };
        let models =
            self.models.iter().map(|model| ModelEntry { name: model.name.clone(), eras: model.eras.iter().map(era).collect() });
        Self {
            versions: self.versions.clone(),
            models: models.collect(),
            frozen: self.frozen.clone(),
            standalone: self.standalone.clone(),
        }
    }

    /// Returns where among the models, and among its eras, the model at a version is.
    ///
    /// # Errors
    /// As [`Catalog::era`].
    pub fn index(&self, name: &str, version: u32) -> Result<(usize, usize)> {
        self.era(name, version)?;
        let found = self.models.iter().position(|model| model.name == name).and_then(|at| {
            let era = self.models[at].eras.iter().position(|era| era.contains(version))?;
            Some((at, era))
        });
        found.ok_or_else(|| Error::Unknown { message: format!("the model `{name}` is not in version {version}"), help: None })
    }

    /// Returns a model and the era of a version.
    ///
    /// # Errors
    /// There is no such model, or not at that version.
    pub fn era(&self, name: &str, version: u32) -> Result<&Era> {
        let entry = self.model(name)?;
        entry.era(version).ok_or_else(|| Error::Unknown {
            message: format!("the model `{name}` is not in version {version}"),
            help: entry.eras.first().map(|era| format!("it begins with version {}", era.first)),
        })
    }
}
