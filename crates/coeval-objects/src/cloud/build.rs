//! From an address and options to a client.

use std::sync::{Arc, Once, OnceLock};
use std::time::Duration;

use coeval_store::{Error, Result};
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::client::HttpConnector;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::{BackoffConfig, ClientOptions, HeaderValue, RetryConfig};

use super::heard::{Listening, chain};
use super::s3::Signed;
use super::{Cloud, Kind};
use crate::options::Options;

/// Where a store is.
#[derive(Debug)]
pub(crate) struct Address<'a> {
    /// Which kind of store.
    pub(crate) kind: Kind,
    /// How people call it.
    pub(crate) name: String,
    /// The bucket, or container.
    pub(crate) bucket: &'a str,
    /// What all keys begin with: empty, or with a `/` at its end.
    pub(crate) prefix: String,
}

/// Nobody hears of the library's retries, so there are none.
fn no_retries() -> RetryConfig {
    RetryConfig { backoff: BackoffConfig::default(), max_retries: 0, retry_timeout: Duration::ZERO }
}

impl Cloud {
    /// Opens a store, without asking it anything.
    pub(crate) fn open(address: Address<'_>, options: &Options<'_>) -> Result<Self> {
        // The one that TLS uses in this process; if another part was faster, that one's does as well.
        static PROVIDER: Once = Once::new();
        PROVIDER.call_once(|| drop(rustls::crypto::ring::default_provider().install_default()));
        let client = client(options)?;
        let (library, signed): (Arc<dyn super::Library>, _) = match address.kind {
            Kind::S3 => {
                let own = Listening.connect(&client).map_err(wrong(options))?;
                let library = Arc::new(s3(address.bucket, options, client)?.build().map_err(wrong(options))?);
                (library.clone(), Some(Signed::new(library, own)))
            }
            Kind::Gcs => (Arc::new(gs(address.bucket, options, client)?.build().map_err(wrong(options))?), None),
            Kind::Azure => (Arc::new(az(address.bucket, options, client)?.build().map_err(wrong(options))?), None),
        };
        let Address { kind, name, prefix, .. } = address;
        Ok(Self { kind, name, prefix, store: library, signed, lists_by_folder: OnceLock::new() })
    }
}

fn wrong<'a>(options: &'a Options<'_>) -> impl Fn(object_store::Error) -> Error + 'a {
    |error| options.wrong(chain(&error), None)
}

fn client(options: &Options<'_>) -> Result<ClientOptions> {
    let endpoint = options.get("endpoint");
    if let Some(endpoint) = endpoint
        && !endpoint.starts_with("http://")
        && !endpoint.starts_with("https://")
    {
        return Err(options.wrong("the option `endpoint` is no address", Some("Write `https://HOST` or `http://HOST:PORT`.")));
    }
    let agent = HeaderValue::from_static(concat!("coeval/", env!("CARGO_PKG_VERSION")));
    Ok(ClientOptions::new()
        .with_user_agent(agent)
        .with_timeout(options.seconds("timeout", 60)?)
        .with_connect_timeout(options.seconds("connect_timeout", 5)?)
        // Servers close idle connections after a minute or so; a request on one that is being closed would be ambiguous.
        .with_pool_idle_timeout(Duration::from_secs(20))
        .with_allow_http(endpoint.is_some_and(|endpoint| endpoint.starts_with("http://"))))
}

fn s3(bucket: &str, options: &Options<'_>, client: ClientOptions) -> Result<AmazonS3Builder> {
    let mut builder = AmazonS3Builder::new()
        .with_bucket_name(bucket)
        .with_retry(no_retries())
        .with_client_options(client)
        .with_http_connector(Listening)
        .with_skip_signature(options.is("anonymous")?);
    let virtual_hosted = options.is("virtual_hosted")?;
    builder = builder.with_virtual_hosted_style_request(virtual_hosted);
    if let Some(endpoint) = options.get("endpoint") {
        builder = builder.with_endpoint(match endpoint.split_once("://") {
            Some((scheme, host)) if virtual_hosted => format!("{scheme}://{bucket}.{host}"),
            _ => endpoint.to_owned(),
        });
    }
    let keys = [
        ("region", AmazonS3ConfigKey::Region),
        ("access_key_id", AmazonS3ConfigKey::AccessKeyId),
        ("secret_access_key", AmazonS3ConfigKey::SecretAccessKey),
        ("session_token", AmazonS3ConfigKey::Token),
        ("web_identity_token_file", AmazonS3ConfigKey::WebIdentityTokenFile),
        ("role_arn", AmazonS3ConfigKey::RoleArn),
        ("role_session_name", AmazonS3ConfigKey::RoleSessionName),
        ("container_credentials_relative_uri", AmazonS3ConfigKey::ContainerCredentialsRelativeUri),
        ("container_credentials_full_uri", AmazonS3ConfigKey::ContainerCredentialsFullUri),
        ("container_authorization_token_file", AmazonS3ConfigKey::ContainerAuthorizationTokenFile),
    ];
    for (name, key) in keys {
        if let Some(value) = options.get(name) {
            builder = builder.with_config(key, value);
        }
    }
    s3_credentials(options)?;
    Ok(builder)
}

/// Sees that it is said who asks: else the library would look for a service that only machines at Amazon have, for a long time.
fn s3_credentials(options: &Options<'_>) -> Result<()> {
    let given = |names: &[&str]| names.iter().all(|name| options.get(name).is_some());
    match (given(&["access_key_id"]), given(&["secret_access_key"])) {
        (true, false) => return Err(options.wrong("`access_key_id` is given without `secret_access_key`", None)),
        (false, true) => return Err(options.wrong("`secret_access_key` is given without `access_key_id`", None)),
        _ => {}
    }
    let known = given(&["access_key_id"])
        || given(&["web_identity_token_file", "role_arn"])
        || given(&["container_credentials_relative_uri"])
        || given(&["container_credentials_full_uri", "container_authorization_token_file"])
        || options.is("instance_role")?
        || options.is("anonymous")?;
    let help = "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or the options `access_key_id` and `secret_access_key`; or \
                `instance_role: true` on a machine at Amazon, `anonymous: true` for a public bucket.";
    if known { Ok(()) } else { Err(options.wrong("no credentials are given", Some(help))) }
}

fn gs(bucket: &str, options: &Options<'_>, client: ClientOptions) -> Result<GoogleCloudStorageBuilder> {
    let mut builder = GoogleCloudStorageBuilder::new()
        .with_bucket_name(bucket)
        .with_retry(no_retries())
        .with_client_options(client)
        .with_http_connector(Listening)
        .with_skip_signature(options.is("anonymous")?);
    if let Some(endpoint) = options.get("endpoint") {
        builder = builder.with_base_url(endpoint);
    }
    if let Some(path) = options.get("service_account") {
        builder = builder.with_service_account_path(path);
    }
    if let Some(key) = options.get("service_account_key") {
        builder = builder.with_service_account_key(key);
    }
    if let Some(path) = options.get("application_credentials") {
        builder = builder.with_application_credentials(path);
    }
    if let Some(token) = options.get("bearer_token") {
        builder = builder.with_bearer_token(token);
    }
    Ok(builder)
}

fn az(container: &str, options: &Options<'_>, client: ClientOptions) -> Result<MicrosoftAzureBuilder> {
    let mut builder = MicrosoftAzureBuilder::new()
        .with_container_name(container)
        .with_retry(no_retries())
        .with_client_options(client)
        .with_http_connector(Listening)
        .with_skip_signature(options.is("anonymous")?);
    if options.get("account").is_none() {
        return Err(options.wrong("the option `account` is missing", Some("Set it, or AZURE_STORAGE_ACCOUNT.")));
    }
    let keys = [
        ("account", AzureConfigKey::AccountName),
        ("access_key", AzureConfigKey::AccessKey),
        ("sas_token", AzureConfigKey::SasKey),
        ("client_id", AzureConfigKey::ClientId),
        ("client_secret", AzureConfigKey::ClientSecret),
        ("tenant_id", AzureConfigKey::AuthorityId),
        ("bearer_token", AzureConfigKey::Token),
        ("endpoint", AzureConfigKey::Endpoint),
    ];
    for (name, key) in keys {
        if let Some(value) = options.get(name) {
            builder = builder.with_config(key, value);
        }
    }
    Ok(builder)
}
