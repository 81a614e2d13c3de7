//! The part of the demonstration that runs on a store: all releases as objects in a folder, each record at the version it was
//! published at, taken to the newest version, back to the first and to the newest again.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use coeval_core::document::{Document, Format};
use coeval_core::history::History;
use coeval_core::json;
use coeval_core::lens::Stored;
use coeval_engine::{Goal, How, Outcome as Ended};
use coeval_manifest::{Diagnostic, ModelFile};
use coeval_objects::Directory;
use coeval_objects::documents::Documents;
use coeval_store::ledger::VersionId;
use coeval_store::objects::{Attributes, Condition, Objects};
use coeval_store::work::Pace;
use coeval_store::{Catalog, Era, ModelEntry};
use futures::{StreamExt, TryStreamExt};

use crate::error::{CommandError, Kind, Result};
use crate::store::{block_on, refused};
use crate::ui::{Ui, number};
use crate::workspace::Workspace;

/// How many objects are read or written at the same time.
const AT_ONCE: usize = 32;

/// What every version shows of every record.
type Reads = BTreeMap<(String, u32), String>;

fn fault(message: String) -> CommandError {
    CommandError::new(Kind::Failed, Diagnostic::error("internal", message).help("this is a fault of coeval; please report it"))
}

/// The model without its key: records of several releases about the same country lie beside each other.
fn catalog(workspace: &Workspace, file: &ModelFile) -> Result<Catalog> {
    let model = workspace.manifest.history(file).map_err(<[Diagnostic]>::to_vec)?;
    let mut life = model.lives().into_iter().next().ok_or_else(|| fault("the example has no model".to_owned()))?;
    life.model.key.clear();
    let history = History::new(life.first, life.model, &life.releases, &workspace.context());
    let history = history.map_err(|fault| vec![workspace.manifest.place_fault(file, &fault)])?;
    let name = file.name().unwrap_or_default().to_owned();
    let versions = workspace.manifest.versions.all.iter();
    let versions = versions.map(|v| VersionId { number: v.number, id: v.id.clone() }).collect();
    let eras = vec![Era { first: life.first, end: None, history }];
    Ok(Catalog { versions, models: vec![ModelEntry { name, eras }], ..Catalog::default() })
}

/// Stores the releases in a folder, migrates, and compares every byte.
pub(super) fn run(dir: &Path, workspace: &Workspace, file: &ModelFile, releases: &[Vec<&str>], ui: &mut Ui) -> Result<()> {
    let catalog = Arc::new(catalog(workspace, file)?);
    let start = Instant::now();
    let (records, written) = block_on(async {
        let told = |error: coeval_store::Error| refused(&error, "releases");
        let objects: Arc<dyn Objects> = Arc::new(Directory::open(dir).map_err(told)?);
        let store = Documents::open(Arc::clone(&objects), Arc::clone(&catalog)).map_err(told)?;
        let records = fill(&objects, &catalog, releases).await?;
        let before = reads(&objects, &catalog).await?;
        let mut written = 0;
        for goal in
            [Goal::Migrate { to: None, scan: false }, Goal::Rollback { to: Some(1) }, Goal::Migrate { to: None, scan: false }]
        {
            let pace = Pace { concurrency: NonZeroUsize::new(AT_ONCE).unwrap_or(NonZeroUsize::MIN), ..Pace::default() };
            let how = How { name: "coeval demo".to_owned(), pace, ..How::quietly() };
            let ended = coeval_engine::run(&store, goal, &how).await.map_err(|error| fault(error.to_string()))?;
            if let Ended::Done(done) = ended {
                written += done.tally().written;
            }
            let after = reads(&objects, &catalog).await?;
            if let Some((key, version)) = before.iter().find(|(key, text)| after.get(*key) != Some(text)).map(|(key, _)| key) {
                return Err(fault(format!("{key} reads differently at version {version}")));
            }
        }
        Ok((records, written))
    })?;
    let seconds = start.elapsed().as_secs_f64();
    ui.field("objects", number(records));
    ui.field("objects_written", i64::try_from(written).unwrap_or(i64::MAX));
    ui.say(&format!(
        "\nThe {records} records as objects in a folder, each at the version of its release, were migrated to version {}, back to 1,\n\
         and to {} again: {written} writes. Every record reads at every version as before, byte for byte ({seconds:.1} s).",
        catalog.head(),
        catalog.head()
    ))
}

/// Writes the records as whoever published them would have.
async fn fill(objects: &Arc<dyn Objects>, catalog: &Catalog, releases: &[Vec<&str>]) -> Result<usize> {
    let format = Format::default();
    let mut all = Vec::new();
    for (lines, version) in releases.iter().zip(1..) {
        for (line, text) in lines.iter().enumerate() {
            let value = json::parse(text.as_bytes()).map_err(|error| fault(error.to_string()))?;
            let stored = Stored::plain(version, value);
            let bytes = Document::new(stored.clone(), &format, true).write(&stored);
            let bytes = bytes.map_err(|error| fault(error.to_string()))?;
            all.push((format!("{}/{version}-{}.json", catalog.models[0].name, line + 1), Bytes::from(bytes)));
        }
    }
    let count = all.len();
    let attributes = Attributes::default();
    let put = |(key, bytes): (String, Bytes)| {
        let attributes = &attributes;
        async move { objects.put(&key, bytes, attributes, &Condition::Absent).await.map(drop) }
    };
    let written = futures::stream::iter(all).map(put).buffer_unordered(AT_ONCE).try_collect::<Vec<()>>().await;
    written.map_err(|error| refused(&error, "releases"))?;
    Ok(count)
}

/// Reads every record at every version; each object is asked for once.
async fn reads(objects: &Arc<dyn Objects>, catalog: &Catalog) -> Result<Reads> {
    let (name, history) = (&catalog.models[0].name, &catalog.models[0].eras[0].history);
    let prefix = format!("{name}/");
    let listed = objects.list(&prefix, None).map_ok(|listed| listed.key);
    let each = listed.map_ok(|key| async move {
        let object = objects.get(&key).await?;
        let missing = || coeval_store::Error::failed(&*key, "it vanished");
        let object = object.ok_or_else(missing)?;
        let document = Document::read(&object.bytes, &Format::default());
        let document = document.map_err(|error| coeval_store::Error::failed(&*key, error.to_string()))?;
        let texts = (1..=catalog.head()).map(|at| Ok(((key.clone(), at), document.read_text(history, at)?)));
        texts.collect::<coeval_store::Result<Vec<_>>>()
    });
    let all: Vec<_> = each.try_buffer_unordered(AT_ONCE).try_collect().await.map_err(|error| refused(&error, "releases"))?;
    Ok(all.into_iter().flatten().collect())
}
