//! The laws on records that lie in a store of objects: generated histories, clients, runs and other tools.

#![allow(clippy::unwrap_used, reason = "a test fails where it would")]

mod common;

use std::sync::Arc;

use bytes::Bytes;
use coeval_core::document::{Document, Format};
use coeval_core::schema::Model;
use coeval_core::value::Value;
use coeval_objects::documents::Documents;
use coeval_store::objects::{Condition, MemoryObjects, Objects};
use coeval_store::records::Key;
use coeval_store::{Era, ModelEntry};
use coeval_testkit::laws::generate::{Aim, Counts, play};
use coeval_testkit::laws::scenario::Scenario;
use coeval_testkit::laws::stored::{Outside, Replay};

use common::{catalog, in_force};

/// Rewrites objects as another tool does.
struct Tool(Arc<dyn Objects>);

impl Outside for Tool {
    async fn replace(&self, key: &Key, document: &Value) {
        let name = format!("thing/{key}.json");
        let object = self.0.get(&name).await.unwrap().unwrap();
        let read = Document::read(&object.bytes, &Format::default()).unwrap();
        let mut edited = read.stored.clone();
        edited.document = document.clone();
        let bytes = read.write(&edited).unwrap();
        self.0.put(&name, Bytes::from(bytes), &object.attributes, &Condition::None).await.unwrap();
    }
}

async fn replay(scenario: &Scenario, objects: Arc<dyn Objects>) -> Result<u64, String> {
    let history = scenario.history().map_err(|fault| fault.to_string())?;
    let entry = ModelEntry { name: "thing".to_owned(), eras: vec![Era { first: 1, end: None, history }] };
    let store = Documents::open(Arc::clone(&objects), catalog(vec![entry], scenario.newest())).unwrap();
    in_force(&store, 0, scenario.newest()).await;
    let tool = Tool(objects);
    let mut replay = Replay::new(&store, &tool, scenario, Key(vec!["r".to_owned()])).map_err(|e| e.to_string())?;
    for event in &scenario.events {
        replay.step(event).await.map_err(|failure| format!("{failure}\n{}", scenario.to_text()))?;
    }
    Ok(replay.reads)
}

fn scenario(seed: u64, aim: Aim) -> Scenario {
    let mut scenario = Scenario::new(Model::new("thing"));
    play(seed, aim, &mut scenario, &mut Counts::default()).expect("the laws hold in the core");
    // The record's name is not in its document: generated writes change every property, and a store lets no key change.
    scenario.model.key.clear();
    scenario
}

async fn hold(aim: Aim, chains: u64) {
    let mut reads = 0;
    for seed in 0..chains {
        let objects = Arc::new(MemoryObjects::new());
        reads += replay(&scenario(seed, aim), objects).await.unwrap_or_else(|e| panic!("seed {seed}, {aim:?}: {e}"));
    }
    assert!(reads > chains, "{reads} reads of {chains} chains");
}

#[tokio::test]
async fn every_law_holds_on_stored_records() {
    hold(Aim::Any, 300).await;
}

#[tokio::test]
async fn l7_a_former_value_that_is_written_back_is_fresh() {
    hold(Aim::Former, 100).await;
}

#[tokio::test]
async fn l14_a_group_that_changes_in_part_is_computed_as_one() {
    hold(Aim::Partial, 100).await;
}

#[tokio::test]
async fn l15_a_value_of_its_own_stays_when_its_source_changes() {
    hold(Aim::Pinned, 100).await;
}

#[tokio::test]
async fn l16_an_edit_from_outside_is_a_write() {
    hold(Aim::Outside, 200).await;
}

#[tokio::test]
async fn what_retires_changes_nothing_at_a_version_that_lives() {
    hold(Aim::Retire, 150).await;
}

#[tokio::test]
async fn every_law_holds_in_a_directory_and_on_s3() {
    for seed in 1000..1010 {
        let folder = tempfile::tempdir().unwrap();
        let directory = Arc::new(coeval_objects::Directory::open(folder.path()).unwrap());
        for objects in [directory as Arc<dyn Objects>, common::s3(&uuid::Uuid::now_v7().to_string())] {
            let name = objects.name();
            replay(&scenario(seed, Aim::Any), objects).await.unwrap_or_else(|e| panic!("seed {seed} in {name}: {e}"));
        }
    }
}
