//! Requests to S3 that the library has no call for, signed by it: reading tags, and deleting upon a state.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use coeval_store::objects::{Attributes, Condition, Objects, Token};
use coeval_store::{Error, Result};
use object_store::HeaderValue;
use object_store::aws::AmazonS3;
use object_store::client::{HttpClient, HttpRequest, HttpRequestBody, HttpResponse};
use object_store::path::Path;
use object_store::signer::{HeaderName, Method, SignedUrlOptions, Signer};
use tokio::sync::OnceCell;
use uuid::Uuid;

use super::Cloud;
use super::error::{Act, Failed};
use super::heard::{Failure, listen};
use super::xml::{element, elements};

/// How long a signature is good for: long enough for a clock that is a little off.
const VALID: Duration = Duration::from_secs(300);

/// Sends signed requests.
pub(super) struct Signed {
    signer: Arc<AmazonS3>,
    client: HttpClient,
    /// Whether the server honours the condition of a delete, once it was tried.
    honest_delete: OnceCell<bool>,
}

impl Signed {
    pub(super) fn new(signer: Arc<AmazonS3>, client: HttpClient) -> Self {
        Self { signer, client, honest_delete: OnceCell::new() }
    }

    /// Returns the tags of an object.
    pub(super) async fn tags(&self, path: &Path, failed: Failed<'_>) -> Result<BTreeMap<String, String>> {
        let body = self.send(Method::GET, path, SignedUrlOptions::new().with_query([("tagging", "")]), failed).await?;
        let text = String::from_utf8_lossy(&body);
        let tag = |tag: &str| Some((element(tag, "Key")?, element(tag, "Value").unwrap_or_default()));
        Ok(elements(&text, "Tag").filter_map(|(inner, _)| tag(inner)).collect())
    }

    /// Deletes an object, if it is in a state where one is named; it is no error if there is none, unless one is named.
    pub(super) async fn delete(&self, path: &Path, state: Option<&Token>, failed: Failed<'_>) -> Result<()> {
        let mut options = SignedUrlOptions::new();
        if let Some(Token(token)) = state {
            let Ok(value) = HeaderValue::from_str(token) else { return Err(Error::Conflict { what: failed.key.to_owned() }) };
            options = options.with_signed_header(HeaderName::from_static("if-match"), value);
        }
        self.send(Method::DELETE, path, options, failed).await.map(drop)
    }

    /// Returns whether deleting can depend on a state, as far as it is known.
    pub(super) fn may_delete_upon_state(&self) -> bool {
        self.honest_delete.get().copied().unwrap_or(true)
    }

    /// Tries, once, whether deleting upon a wrong state is refused and upon the right one done.
    pub(super) async fn deletes_upon_state(&self, store: &Cloud) -> Result<bool> {
        let tried = self.honest_delete.get_or_try_init(async || {
            let key = format!("_coeval/probe/{}", Uuid::now_v7());
            let path = store.path(&key)?;
            let failed = || store.failed("deleting", &key, Act::Write { conditional: true });
            let token = store.put(&key, "delete".into(), &Attributes::default(), &Condition::None).await?;
            let wrong = Token("\"0123456789abcdef0123456789abcdef\"".to_owned());
            let upon_wrong = self.delete(&path, Some(&wrong), failed()).await;
            let upon_right = self.delete(&path, Some(&token), failed()).await;
            let left = store.get(&key).await?;
            if left.is_some() {
                self.delete(&path, None, failed()).await?;
            }
            match (upon_wrong, upon_right) {
                (Err(Error::Conflict { .. }), Ok(())) => Ok(left.is_none()),
                (Err(error @ Error::Transient { .. }), _) | (_, Err(error @ Error::Transient { .. })) => Err(error),
                _ => Ok(false),
            }
        });
        tried.await.copied()
    }

    /// Sends a request and returns the body of the answer.
    async fn send(&self, method: Method, path: &Path, options: SignedUrlOptions, failed: Failed<'_>) -> Result<Bytes> {
        let (done, heard) = listen(async {
            let url = self.signer.signed_url_opts(method.clone(), path, VALID, &options).await?;
            let mut request = HttpRequest::new(HttpRequestBody::empty());
            *request.method_mut() = method;
            *request.uri_mut() = url.as_str().parse().map_err(generic)?;
            *request.headers_mut() = options.signed_headers;
            let response: HttpResponse = self.client.execute(request).await.map_err(generic)?;
            let (parts, body) = response.into_parts();
            Ok::<_, object_store::Error>((parts.status, body.bytes().await.map_err(generic)?))
        })
        .await;
        match (done, &heard.failure) {
            (Ok((status, body)), _) if status.is_success() => Ok(body),
            (Ok(_), Some(Failure::Status(said))) if said.is_no_object() && failed.act == (Act::Write { conditional: false }) => {
                Ok(Bytes::new())
            }
            (Ok((status, _)), _) => Err(failed.error(&generic(std::io::Error::other(status.to_string())), heard)),
            (Err(error), _) => Err(failed.error(&error, heard)),
        }
    }
}

fn generic(error: impl std::error::Error + Send + Sync + 'static) -> object_store::Error {
    object_store::Error::Generic { store: "S3", source: Box::new(error) }
}
