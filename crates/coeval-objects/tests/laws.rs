//! The laws on records that lie in a store of objects: generated histories, clients, runs and other tools.

#![allow(clippy::unwrap_used, reason = "a test fails where it would")]

mod common;

use std::cell::Cell;
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
use coeval_testkit::laws::stored::{Left, Outside, Replay};

use common::{catalog, in_force};

/// Rewrites objects as another tool does; in the end with all notes, or without some.
struct Tool {
    objects: Arc<dyn Objects>,
    /// How many edits there were.
    edits: Cell<u32>,
    careless: bool,
}

impl Outside for Tool {
    async fn replace(&self, key: &Key, document: &Value) -> Left {
        let name = format!("thing/{key}.json");
        let mut object = self.objects.get(&name).await.unwrap().unwrap();
        self.edits.set(self.edits.get() + 1);
        let left = match self.edits.get() % 3 {
            1 if self.careless => Left::Version,
            2 if self.careless => Left::Nothing,
            _ => Left::Notes,
        };
        let bytes = match left {
            Left::Notes => {
                let read = Document::read(&object.bytes, &Format::default()).unwrap();
                let edited = coeval_core::lens::Stored { document: document.clone(), ..read.stored.clone() };
                read.write(&edited).unwrap()
            }
            Left::Version | Left::Nothing => document.to_string().into_bytes(),
        };
        if left == Left::Nothing {
            object.attributes.metadata.clear();
        }
        self.objects.put(&name, Bytes::from(bytes), &object.attributes, &Condition::None).await.unwrap();
        left
    }
}

async fn replay(scenario: &Scenario, objects: Arc<dyn Objects>, careless: bool) -> Result<u64, String> {
    let history = scenario.history().map_err(|fault| fault.to_string())?;
    let entry = ModelEntry { name: "thing".to_owned(), eras: vec![Era { first: 1, end: None, history }] };
    let store = Documents::open(Arc::clone(&objects), catalog(vec![entry], scenario.newest())).unwrap();
    in_force(&store, 0, scenario.newest()).await;
    let tool = Tool { objects, edits: Cell::new(0), careless };
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
    hold_with(aim, chains, false).await;
}

async fn hold_with(aim: Aim, chains: u64, careless: bool) {
    let mut reads = 0;
    for seed in 0..chains {
        let objects = Arc::new(MemoryObjects::new());
        reads += replay(&scenario(seed, aim), objects, careless).await.unwrap_or_else(|e| panic!("seed {seed}, {aim:?}: {e}"));
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
async fn l16_holds_where_the_notes_were_dropped_too() {
    hold_with(Aim::Outside, 200, true).await;
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
            replay(&scenario(seed, Aim::Any), objects, false).await.unwrap_or_else(|e| panic!("seed {seed} in {name}: {e}"));
        }
    }
}
