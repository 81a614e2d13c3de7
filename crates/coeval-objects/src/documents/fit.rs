//! At which version records are that carry no stamp: each is tried at every version of its model.

use std::collections::BTreeMap;

use coeval_core::document::{Document, Format};
use coeval_store::event::Failure;
use coeval_store::objects::Object;
use coeval_store::{Era, ModelEntry, Result};
use futures::{StreamExt, TryStreamExt};

use super::convert::{key_values, lines, read};
use super::execute::stamp;
use super::problem::{BROKEN, CLAIMED, CONTRADICTION, MISPLACED, UNREADABLE, failure};
use super::{Documents, Place};

/// How many records that do not fit a version are named.
const NAMED: usize = 20;

/// How the records of a model fit its versions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fit {
    /// How many records there are.
    pub records: u64,
    /// For each version that changed the model, the records that cannot be at it.
    pub versions: BTreeMap<u32, Misfits>,
}

/// Records that cannot be at a version.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Misfits {
    /// How many they are.
    pub count: u64,
    /// The first twenty of them, each with the reason.
    pub first: Vec<Failure>,
}

impl Documents {
    /// Reads every record of a model and tries it at each version of the model, as if it carried no stamp and were at that version.
    /// It fits where the version can show it, and it has nothing undeclared that another version declares: what a migration left
    /// behind, or what one brought that nobody noted. `concurrency` is how many objects are read at once. Nothing is written.
    ///
    /// # Errors
    /// [`coeval_store::Error::Unknown`] for a model that the store does not keep, and what the store says.
    pub async fn fit(&self, model: &str, concurrency: usize) -> Result<Fit> {
        let place = self.place(model)?;
        let trial = Trial { place, entry: self.catalog.model(model)? };
        let versions = trial.entry.eras.iter().flat_map(|era| era.history.versions());
        let versions = versions.map(|version| (version, Misfits::default())).collect();
        let mut fit = Fit { records: 0, versions };
        let template = &place.template;
        let keys = self.objects.list(template.prefix(), None).map_ok(|listed| listed.key);
        let keys = keys.try_filter(|key| futures::future::ready(template.matches(key)));
        let read = |key: String| async move { Ok(self.objects.get(&key).await?.map(|object| (key, object))) };
        let mut objects = std::pin::pin!(keys.map_ok(read).try_buffered(concurrency.max(1)).boxed());
        while let Some(object) = objects.try_next().await? {
            if let Some((key, object)) = object {
                trial.object(&key, &object, &mut fit);
            }
        }
        Ok(fit)
    }
}

/// A model, and where its records lie.
struct Trial<'t> {
    place: &'t Place,
    entry: &'t ModelEntry,
}

impl Trial<'_> {
    fn object(&self, key: &str, object: &Object, fit: &mut Fit) {
        let template = &self.place.template;
        let unpacked = match template.packing.unpack(&object.bytes) {
            Ok(unpacked) => unpacked,
            Err(error) => {
                fit.records += 1;
                return self.nowhere(key, UNREADABLE, &format!("it cannot be unpacked: {error}"), fit);
            }
        };
        if !template.lines {
            return self.record(key, &unpacked, stamp(object), fit);
        }
        for (at, line) in lines(&unpacked).enumerate().filter(|(_, line)| !line.trim_ascii().is_empty()) {
            self.record(&format!("{key}:{}", at + 1), line, None, fit);
        }
    }

    fn record(&self, name: &str, bytes: &[u8], stamp: Option<u32>, fit: &mut Fit) {
        fit.records += 1;
        let format = Format { meta: self.place.meta.clone(), unversioned: 1 };
        let mut document = match read(&format, bytes, stamp) {
            Ok(document) => document,
            Err((kind, reason)) => return self.nowhere(name, kind, &reason, fit),
        };
        let said = document.stamped.or(stamp);
        for era in &self.entry.eras {
            for version in era.history.versions() {
                document.stored.version = version;
                let wrong = match said {
                    Some(said) if said != version => {
                        Some((CONTRADICTION, format!("it says itself that it is at version {said}")))
                    }
                    _ => self.wrong(era, &document, name),
                };
                if let Some((kind, reason)) = wrong {
                    self.misfit(version, name, kind, &reason, fit);
                }
            }
        }
    }

    /// Returns why a record cannot be at the version that it is tried at.
    fn wrong(&self, era: &Era, document: &Document, name: &str) -> Option<(&'static str, String)> {
        let version = document.stored.version;
        if let Err(refused) = era.history.read(&document.stored, version) {
            return Some((BROKEN, refused.to_string()));
        }
        for other in era.history.versions().filter(|other| *other != version) {
            let claimed = era.history.claimed(&document.stored, other).unwrap_or_default();
            if !claimed.is_empty() {
                let reason = format!("version {version} does not have `{}`, version {other} has", claimed.join("`, `"));
                return Some((CLAIMED, reason));
            }
        }
        let expected = self.place.template.key_of(name)?.0;
        let own = key_values(era, document);
        if own.as_ref() == Some(&expected) || era.history.model(version).is_none_or(|model| model.key.is_empty()) {
            return None;
        }
        let own = own.map_or("no key".to_owned(), |own| format!("the key `{}`", own.join("/")));
        Some((MISPLACED, format!("the record has {own}, the object's name says `{}`", expected.join("/"))))
    }

    /// Notes a record that can be at no version.
    fn nowhere(&self, name: &str, kind: &'static str, reason: &str, fit: &mut Fit) {
        let versions: Vec<u32> = fit.versions.keys().copied().collect();
        for version in versions {
            self.misfit(version, name, kind, reason, fit);
        }
    }

    fn misfit(&self, version: u32, name: &str, kind: &'static str, reason: &str, fit: &mut Fit) {
        let misfits = fit.versions.entry(version).or_default();
        misfits.count += 1;
        if misfits.first.len() < NAMED {
            misfits.first.push(failure(&self.place.model, name, kind, reason));
        }
    }
}
