//! What can be said about a store beside its address, and which variables of the environment say the same.

use std::collections::BTreeMap;
use std::time::Duration;

use coeval_core::invalid::nearest;
use coeval_store::{Error, Result};

/// An option and the variables of the environment that stand for it, the first of them first.
type Known = (&'static str, &'static [&'static str]);

const NETWORK: &[Known] = &[("timeout", &[]), ("connect_timeout", &[]), ("anonymous", &[])];

const S3: &[Known] = &[
    ("endpoint", &["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"]),
    ("region", &["AWS_REGION", "AWS_DEFAULT_REGION"]),
    ("access_key_id", &["AWS_ACCESS_KEY_ID"]),
    ("secret_access_key", &["AWS_SECRET_ACCESS_KEY"]),
    ("session_token", &["AWS_SESSION_TOKEN"]),
    ("virtual_hosted", &[]),
    ("web_identity_token_file", &["AWS_WEB_IDENTITY_TOKEN_FILE"]),
    ("role_arn", &["AWS_ROLE_ARN"]),
    ("role_session_name", &["AWS_ROLE_SESSION_NAME"]),
    ("container_credentials_relative_uri", &["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"]),
    ("container_credentials_full_uri", &["AWS_CONTAINER_CREDENTIALS_FULL_URI"]),
    ("container_authorization_token_file", &["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"]),
    ("instance_role", &[]),
];

const GS: &[Known] = &[
    ("endpoint", &[]),
    ("service_account", &["GOOGLE_SERVICE_ACCOUNT"]),
    ("service_account_key", &["GOOGLE_SERVICE_ACCOUNT_KEY"]),
    ("application_credentials", &["GOOGLE_APPLICATION_CREDENTIALS"]),
    ("bearer_token", &[]),
];

const AZ: &[Known] = &[
    ("endpoint", &["AZURE_STORAGE_ENDPOINT"]),
    ("account", &["AZURE_STORAGE_ACCOUNT", "AZURE_STORAGE_ACCOUNT_NAME"]),
    ("access_key", &["AZURE_STORAGE_KEY", "AZURE_STORAGE_ACCOUNT_KEY"]),
    ("sas_token", &["AZURE_STORAGE_SAS_TOKEN"]),
    ("client_id", &["AZURE_CLIENT_ID"]),
    ("client_secret", &["AZURE_CLIENT_SECRET"]),
    ("tenant_id", &["AZURE_TENANT_ID"]),
    ("bearer_token", &[]),
];

/// Returns all options of a scheme; `None` for a scheme that is not known.
fn known(scheme: &str) -> Option<Vec<Known>> {
    let own = match scheme {
        "s3" => S3,
        "gs" => GS,
        "az" => AZ,
        "file" | "memory" => return Some(Vec::new()),
        _ => return None,
    };
    Some(own.iter().chain(NETWORK).copied().collect())
}

/// Returns which variables of the environment stand for which options of a store: `("AWS_REGION", "region")`. What is said in
/// `coeval.yaml` goes before; of two variables for one option, the one that comes first here.
pub fn environment(url: &str) -> Vec<(&'static str, &'static str)> {
    let scheme = url.split(':').next().unwrap_or_default();
    let options = known(scheme).unwrap_or_default();
    options.into_iter().flat_map(|(option, variables)| variables.iter().map(move |variable| (*variable, option))).collect()
}

/// The options of one store, each of a name that its scheme knows. It does not print their values, which may be secrets.
pub(crate) struct Options<'a> {
    what: String,
    values: &'a BTreeMap<String, String>,
}

impl<'a> Options<'a> {
    /// Checks the names of options.
    ///
    /// # Errors
    /// [`Error::Failed`] for a name that is not known, with the nearest that is.
    pub(crate) fn new(what: &str, scheme: &str, values: &'a BTreeMap<String, String>) -> Result<Self> {
        let known = known(scheme).unwrap_or_default();
        let names = || known.iter().map(|(name, _)| *name);
        if let Some(unknown) = values.keys().find(|name| !names().any(|known| known == name.as_str())) {
            let help = match nearest(unknown, names()) {
                Some(near) => format!("Did you mean `{near}`?"),
                None if known.is_empty() => format!("A store at `{scheme}:` has no options."),
                None => format!("The options of `{scheme}:` are {}.", names().collect::<Vec<_>>().join(", ")),
            };
            let reason = format!("there is no option `{unknown}`");
            return Err(Error::Failed { what: what.to_owned(), reason, help: Some(help) });
        }
        Ok(Self { what: what.to_owned(), values })
    }

    /// Returns an option; an empty one counts as not given, as variables of the environment do.
    pub(crate) fn get(&self, name: &str) -> Option<&'a str> {
        self.values.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Returns whether an option is `true`.
    ///
    /// # Errors
    /// [`Error::Failed`] if it is neither `true` nor `false`.
    pub(crate) fn is(&self, name: &str) -> Result<bool> {
        match self.get(name) {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(self.wrong(format!("the option `{name}` is neither `true` nor `false`"), None)),
        }
    }

    /// Returns a time that is given in seconds.
    ///
    /// # Errors
    /// [`Error::Failed`] if it is no positive number.
    pub(crate) fn seconds(&self, name: &str, default: u32) -> Result<Duration> {
        let seconds = self.get(name).map_or(Some(f64::from(default)), |text| text.parse().ok());
        match seconds.filter(|seconds| (0.001..=86_400.0).contains(seconds)) {
            Some(seconds) => Ok(Duration::from_secs_f64(seconds)),
            None => Err(self.wrong(format!("the option `{name}` is no number of seconds between 0.001 and 86400"), None)),
        }
    }

    /// Makes an error about the options.
    pub(crate) fn wrong(&self, reason: impl Into<String>, help: Option<&str>) -> Error {
        Error::Failed { what: self.what.clone(), reason: reason.into(), help: help.map(str::to_owned) }
    }
}
