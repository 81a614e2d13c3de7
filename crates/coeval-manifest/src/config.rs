//! `coeval.yaml`: the manifest's name, its folders and its backends.

use coeval_core::decode::{found, known_keys, object, optional_string, string, text};
use coeval_core::{Invalid, Object, Value};

use crate::decode;
use crate::diagnostic::Diagnostic;
use crate::source::Source;
use crate::yaml;

/// What `coeval.yaml` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The name of the manifest; schemas in databases are called after it.
    pub name: String,
    /// The folder of the models and shared types.
    pub models: String,
    /// The folder of standalone migrations.
    pub migrations: String,
    /// The folder of tables for `lookup`.
    pub tables: String,
    /// The backends by name, in the order written.
    pub backends: Vec<(String, Backend)>,
    /// Which versions clients are offered.
    pub live: Live,
}

/// Where records lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backend {
    /// The address, `${NAME}` left as written: only the command line reads the environment.
    pub url: String,
    /// Everything else that is said about it.
    pub options: Object,
}

/// Which versions clients are offered. It limits what is shown and drops nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Live {
    /// Every version that is not retired.
    All,
    /// Those with a tag.
    Tagged,
    /// The newest ones, this many.
    Newest(u32),
}

impl Config {
    /// Reads the file.
    ///
    /// # Errors
    /// What is not YAML, unknown keys, values of the wrong kind.
    pub fn read(source: &Source) -> Result<Self, Box<Diagnostic>> {
        let documents = yaml::split(&source.text);
        let span = documents.first().map_or(0..0, |d| d.span.clone());
        if let Some(second) = documents.get(1) {
            let place = source.place(second.span.start..second.span.start + 3);
            return Err(Box::new(Diagnostic::error("invalid", "the configuration is one document").at(place)));
        }
        let value = decode::document(source, span.clone())?;
        Self::from_value(&value).map_err(|invalid| Box::new(decode::place(source, span, &invalid)))
    }

    /// Reads the configuration out of a value.
    ///
    /// # Errors
    /// As [`Config::read`].
    pub fn from_value(value: &Value) -> Result<Self, Invalid> {
        let object = object(value, "the configuration")?;
        known_keys(object, &["name", "models", "migrations", "tables", "backends", "live"])?;
        let folder = |key: &str, default: &str| -> Result<String, Invalid> {
            let name = optional_string(object, key)?.unwrap_or(default);
            Ok(if name.ends_with('/') { name.to_owned() } else { format!("{name}/") })
        };
        let name = string(object, "name")?.to_owned();
        if name.is_empty() || !name.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '-') {
            let invalid = Invalid::new(format!("`{name}` does not do as a name")).beneath("name");
            return Err(invalid.help("use letters, digits, `_` and `-`; schemas in databases are called after it"));
        }
        let backends = object.get("backends").map(backends).transpose().map_err(|e| e.beneath("backends"))?;
        let live = object.get("live").map(live).transpose().map_err(|e| e.beneath("live"))?;
        Ok(Self {
            name,
            models: folder("models", "models/")?,
            migrations: folder("migrations", "migrations/")?,
            tables: folder("tables", "tables/")?,
            backends: backends.unwrap_or_default(),
            live: live.unwrap_or(Live::All),
        })
    }

    /// Returns the backend called `name`.
    pub fn backend(&self, name: &str) -> Option<&Backend> {
        self.backends.iter().find(|(n, _)| n == name).map(|(_, backend)| backend)
    }
}

fn backends(value: &Value) -> Result<Vec<(String, Backend)>, Invalid> {
    let entries = object(value, "the backends")?;
    entries.iter().map(|(name, value)| Ok((name.to_string(), backend(value).map_err(|e| e.beneath(name))?))).collect()
}

fn backend(value: &Value) -> Result<Backend, Invalid> {
    if let Some(url) = value.as_str() {
        return Ok(Backend { url: url.to_owned(), options: Object::new() });
    }
    let entries = object(value, "a backend")?;
    let url = string(entries, "url")
        .map_err(|e| e.help("a backend has a `url`: `sqlite:shop.db`, `${DATABASE_URL}`, `s3://bucket/prefix`"))?;
    let options = entries.iter().filter(|(key, _)| key.as_str() != "url").cloned().collect();
    Ok(Backend { url: url.to_owned(), options })
}

fn live(value: &Value) -> Result<Live, Invalid> {
    if let Some(count) = value.as_i64() {
        return match u32::try_from(count) {
            Ok(count) if count > 0 => Ok(Live::Newest(count)),
            _ => Err(Invalid::new("at least one version must be live")),
        };
    }
    match text(value) {
        Ok("all") => Ok(Live::All),
        Ok("tagged") => Ok(Live::Tagged),
        _ => Err(Invalid::new(format!("expected `all`, `tagged` or a number of versions, found {}", found(value)))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_loads_and_the_environment_is_left_alone() {
        let text = "name: shop\nbackends:\n  default: {url: \"sqlite:shop.db\"}\n  main:    {url: \"${DATABASE_URL}\"}\n  \
            lake:    {url: \"s3://bucket/prefix\", endpoint: \"http://x\"}\nlive: 3\n";
        let config = Config::read(&Source::new("coeval.yaml", text)).expect("it loads");
        assert_eq!((config.models.as_str(), config.live), ("models/", Live::Newest(3)));
        assert_eq!(config.backend("main").map(|b| b.url.as_str()), Some("${DATABASE_URL}"));
        assert!(config.backend("lake").is_some_and(|b| b.options.get("endpoint").is_some()));
    }

    #[test]
    fn an_unknown_key_is_underlined_and_its_neighbour_named() {
        let text = "name: shop\nbackend: {}\n";
        let error = Config::read(&Source::new("coeval.yaml", text)).expect_err("it is refused");
        insta::assert_snapshot!(error.render(false), @r"
        error[unknown-key]: unknown key `backend`
         --> coeval.yaml:2:1
          |
        2 | backend: {}
          | ^^^^^^^
          = help: did you mean `backends`?
        ");
    }
}
