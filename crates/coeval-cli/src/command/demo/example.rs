//! What the demonstration shows: a manifest, its data, and two edits. All of it is data; the story is told elsewhere.

/// A file of an example: its path in the example's folder, and its bytes.
pub(super) type File = (&'static str, &'static [u8]);

/// An edit of one property by a client of one version.
pub(super) struct Edit {
    /// The version of the client.
    pub(super) version: u32,
    /// The property that it sets.
    pub(super) property: &'static str,
    /// The value, as JSON.
    pub(super) value: &'static str,
    /// What the property is called at the versions, for reading it back.
    pub(super) called: &'static [&'static str],
}

/// An example.
pub(super) struct Example {
    /// What it is, in a sentence.
    pub(super) about: &'static str,
    /// The model.
    pub(super) model: &'static str,
    /// The files of the manifest.
    pub(super) manifest: &'static [File],
    /// The data of each version, packed: the first is that of version 1.
    pub(super) releases: &'static [File],
    /// The record that is looked at: a property of its key, and the value.
    pub(super) record: (&'static str, &'static str),
    /// The versions at which it is shown.
    pub(super) shown_at: &'static [u32],
    /// The properties that are shown of it.
    pub(super) shown: &'static [&'static str],
    /// The edits.
    pub(super) edits: &'static [Edit],
}

macro_rules! file {
    ($path:literal) => {
        ($path, include_bytes!(concat!("../../../../../examples/world-countries/", $path)) as &[u8])
    };
}

/// Nine releases of one data set.
pub(super) const EXAMPLE: Example = Example {
    about: "nine releases of the data set world-countries, each a version of the model",
    model: "country",
    manifest: &[
        file!("README.md"),
        file!("coeval.yaml"),
        file!("models/country.yaml"),
        file!("tables/README.md"),
        file!("tables/countries.json"),
        file!("tables/currencies.json"),
        file!("tables/language_names.json"),
        file!("tables/languages.json"),
    ],
    releases: &[
        file!("data/1.4.0.jsonl.zst"),
        file!("data/1.6.0.jsonl.zst"),
        file!("data/1.7.0.jsonl.zst"),
        file!("data/1.8.0.jsonl.zst"),
        file!("data/2.0.0.jsonl.zst"),
        file!("data/3.0.0.jsonl.zst"),
        file!("data/4.0.0.jsonl.zst"),
        file!("data/5.0.0.jsonl.zst"),
        file!("data/5.1.0.jsonl.zst"),
    ],
    record: ("cca3", "ISL"),
    shown_at: &[1, 5, 9],
    shown: &["capital", "currency", "currencies", "callingCode", "idd", "languages", "name"],
    edits: &[
        Edit { version: 2, property: "capital", value: "\"Akureyri\"", called: &["capital"] },
        Edit {
            version: 9,
            property: "currencies",
            value: r#"{"EUR": {"name": "Euro", "symbol": "€"}}"#,
            called: &["currency", "currencies"],
        },
    ],
};
