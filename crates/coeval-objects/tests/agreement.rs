//! Random sequences of requests get the same answers from memory, a directory, and S3.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::BTreeMap;

use coeval_objects::{Directory, open};
use coeval_store::Error;
use coeval_store::objects::{Attributes, Condition, MemoryObjects, Objects, Token};
use futures::TryStreamExt;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// Few, so that requests meet; none continues another one after a `/`, which files cannot.
const KEYS: [&str; 9] = ["a", "a-", "a.json", "a0", "b/1", "b/2/x", "b/2/y", "b-/1", "č/ž"];
const PREFIXES: [&str; 10] = ["", "a", "a.", "b", "b/", "b/2", "b/2/", "b/2/x", "č", "none/"];

/// One request; a number stands for the token that the n-th write gave, and none for one that no write gave.
#[derive(Debug, Clone)]
enum Request {
    Get(&'static str),
    Put(&'static str, u8, On),
    Delete(&'static str, On),
    List(&'static str, Option<&'static str>),
}

#[derive(Debug, Clone, Copy)]
enum On {
    Nothing,
    Absence,
    Write(usize),
    /// What was last read or written of that object, as an honest client would say.
    Latest,
}

fn request(random: &mut StdRng) -> Request {
    let key = |random: &mut StdRng| KEYS[random.random_range(0..KEYS.len())];
    let on = |random: &mut StdRng| match random.random_range(0..8) {
        0 | 1 => On::Nothing,
        2 | 3 => On::Absence,
        4 => On::Write(random.random_range(0..12)),
        _ => On::Latest,
    };
    match random.random_range(0..12) {
        0 | 1 => Request::Get(key(random)),
        // Few different bytes, so that states come back and their tokens with them.
        2..=7 => Request::Put(key(random), random.random_range(0..4), on(random)),
        8 | 9 => Request::Delete(key(random), on(random)),
        _ => {
            let prefix = PREFIXES[random.random_range(0..PREFIXES.len())];
            let after = random.random_bool(0.5).then(|| key(random));
            Request::List(prefix, after)
        }
    }
}

/// A store and the tokens that it gave.
struct Told<'a> {
    store: &'a dyn Objects,
    written: Vec<Token>,
    latest: BTreeMap<&'static str, Token>,
}

impl Told<'_> {
    fn condition(&self, key: &str, on: On) -> Condition {
        let unknown = || Token("\"00000000000000000000000000000000\"".to_owned());
        match on {
            On::Nothing => Condition::None,
            On::Absence => Condition::Absent,
            On::Write(index) => Condition::Unchanged(self.written.get(index).cloned().unwrap_or_else(unknown)),
            On::Latest => Condition::Unchanged(self.latest.get(key).cloned().unwrap_or_else(unknown)),
        }
    }

    /// Names a token by the first write that gave it, since stores call them differently.
    fn named(&self, token: &Token) -> String {
        self.written.iter().position(|known| known == token).map_or("unheard of".to_owned(), |index| index.to_string())
    }

    /// Makes a request and returns the answer in words that are the same for all stores.
    async fn ask(&mut self, request: &Request) -> String {
        match request {
            Request::Get(key) => match self.store.get(key).await.unwrap() {
                Some(found) => {
                    self.latest.insert(key, found.token.clone());
                    format!("{:?} {}", found.bytes, self.named(&found.token))
                }
                None => "none".to_owned(),
            },
            Request::Put(key, text, on) => {
                let bytes = text.to_string().repeat(usize::from(*text)).into();
                match self.store.put(key, bytes, &Attributes::default(), &self.condition(key, *on)).await {
                    Ok(token) => {
                        self.written.push(token.clone());
                        self.latest.insert(key, token.clone());
                        self.named(&token)
                    }
                    Err(error) => refused(&error),
                }
            }
            Request::Delete(key, on) => match self.store.delete(key, &self.condition(key, *on)).await {
                Ok(()) => "deleted".to_owned(),
                Err(error) => refused(&error),
            },
            Request::List(prefix, after) => {
                let listed: Vec<_> = self.store.list(prefix, *after).try_collect().await.unwrap();
                format!("{listed:?}")
            }
        }
    }
}

fn refused(error: &Error) -> String {
    assert!(error.is_conflict(), "{error}");
    "conflict".to_owned()
}

/// Makes the same requests of memory and another store, and compares each answer.
async fn agree(store: &dyn Objects, seed: u64, requests: usize) {
    let mut random = StdRng::seed_from_u64(seed);
    let memory = MemoryObjects::new();
    let tell = |store| Told { store, written: Vec::new(), latest: BTreeMap::new() };
    let (mut expected, mut found) = (tell(&memory), tell(store));
    let mut history = Vec::new();
    for _ in 0..requests {
        let request = request(&mut random);
        let answers = [expected.ask(&request).await, found.ask(&request).await];
        history.push(format!("{request:?}: {}", answers[0]));
        let name = store.name();
        assert_eq!(answers[0], answers[1], "seed {seed}, memory and {name} disagree after\n{}", history.join("\n"));
    }
}

#[tokio::test]
async fn a_directory_agrees_with_memory() {
    for seed in 0..60 {
        let folder = tempfile::tempdir().unwrap();
        agree(&Directory::open(folder.path()).unwrap(), seed, 60).await;
    }
}

#[tokio::test]
async fn s3_agrees_with_memory() {
    let said = std::env::var("COEVAL_TEST_S3");
    let said = said.expect("COEVAL_TEST_S3 is not set: run `./test`, or `testing/s3 COMMAND…`, which start a server");
    let pairs =
        said.split(' ').map(|pair| pair.split_once('=').unwrap()).map(|(name, value)| (name.to_owned(), value.to_owned()));
    let mut options: BTreeMap<String, String> = pairs.filter(|(name, _)| !name.starts_with("reader_")).collect();
    let url = options.remove("url").unwrap();
    for seed in 1000..1012 {
        let store = open(&format!("{url}/{}", uuid::Uuid::now_v7()), &options).unwrap();
        agree(&store, seed, 60).await;
    }
}
