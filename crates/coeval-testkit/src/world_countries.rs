//! Nine real releases of a data set as nine versions: `examples/world-countries`, loaded.

use std::fs;
use std::path::PathBuf;

use coeval_core::history::History;
use coeval_core::json;
use coeval_core::op::{Context, Rewrites};
use coeval_core::table::{Table, Tables};
use coeval_manifest::{Manifest, Source};

/// The releases, that of version 1 first.
pub const RELEASES: [&str; 9] = ["1.4.0", "1.6.0", "1.7.0", "1.8.0", "2.0.0", "3.0.0", "4.0.0", "5.0.0", "5.1.0"];

/// The model over all versions, and its records.
#[derive(Debug)]
pub struct World {
    /// The model.
    pub history: History,
    /// The records of each release, as JSON lines.
    pub releases: Vec<Vec<String>>,
}

/// Returns the folder of the example.
pub fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../examples/world-countries")
}

fn text(name: &str) -> String {
    fs::read_to_string(folder().join(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
}

/// Loads the example.
///
/// # Panics
/// If it is not as it should be.
pub fn load() -> World {
    load_as(true)
}

/// Loads the example without the model's key, so that records of all releases can lie beside each other.
///
/// # Panics
/// As [`load`].
pub fn load_without_key() -> World {
    load_as(false)
}

fn load_as(with_key: bool) -> World {
    let model = ("models/country.yaml".to_owned(), text("models/country.yaml").into_bytes());
    let config = Source::new("coeval.yaml", text("coeval.yaml"));
    let manifest = Manifest::load(&config, vec![model], None).unwrap_or_else(|e| panic!("{e:?}"));
    let table = |name: &&str| {
        let value = json::parse(text(&format!("tables/{name}.json")).as_bytes()).unwrap_or_else(|e| panic!("{name}: {e}"));
        Table::from_value(name, &value).unwrap_or_else(|e| panic!("{name}: {e}"))
    };
    let tables: Tables = ["countries", "currencies", "language_names", "languages"].iter().map(table).collect();
    let versions = manifest.model("country").unwrap_or_else(|e| panic!("{e:?}"));
    let mut life = versions.lives().remove(0);
    if !with_key {
        life.model.key.clear();
    }
    let context = Context { tables: &tables, rewrites: &Rewrites::new() };
    let history = History::new(life.first, life.model, &life.releases, &context).unwrap_or_else(|e| panic!("{e}"));
    World { history, releases: RELEASES.iter().map(release).collect() }
}

fn release(name: &&str) -> Vec<String> {
    let packed = fs::read(folder().join(format!("data/{name}.jsonl.zst"))).unwrap_or_else(|e| panic!("{name}: {e}"));
    let plain = zstd::decode_all(packed.as_slice()).unwrap_or_else(|e| panic!("{name}: {e}"));
    String::from_utf8(plain).unwrap_or_else(|e| panic!("{name}: {e}")).lines().map(str::to_owned).collect()
}
