//! What a server said, where the library in between does not pass it on: the code of an error, how long to wait, that there are tags.
//!
//! Our own HTTP client sits beneath `object_store` and notes it for the request that is under way, which is one task.

use std::error::Error as StdError;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures::Future;
use object_store::client::{
    ClientOptions, HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpService, ReqwestConnector,
};
use object_store::{HeaderMap, HeaderValue};

use super::skim::skim;
use super::xml;

/// What was heard during a request.
#[derive(Debug, Default, Clone)]
pub(super) struct Heard {
    /// Why it failed, if it did.
    pub(super) failure: Option<Failure>,
    /// Whether the object that was read has tags.
    pub(super) tagged: bool,
    /// The object's storage class, where it is not the usual one.
    pub(super) storage_class: Option<String>,
    /// How the server calls itself.
    pub(super) server: Option<String>,
}

/// Why a request failed.
#[derive(Debug, Clone)]
pub(super) enum Failure {
    /// The server said so.
    Status(Status),
    /// It was not reached, or did not answer to the end.
    Network {
        /// How.
        kind: HttpErrorKind,
        /// All that is known, from the outside in.
        text: String,
    },
}

/// What a server said instead of doing it.
#[derive(Debug, Clone, Default)]
pub(super) struct Status {
    /// The status of HTTP.
    pub(super) number: u16,
    /// The code in the body: `SlowDown`, `AccessDenied`; empty if there is none.
    pub(super) code: String,
    /// What it says to people; may be empty.
    pub(super) message: String,
    /// How long it asks to wait.
    pub(super) after: Option<Duration>,
    /// The region that it says the bucket lies in.
    pub(super) region: Option<String>,
}

impl Status {
    /// Returns whether it says that there is no such object, in a bucket that is there.
    pub(super) fn is_no_object(&self) -> bool {
        self.number == 404 && !["NoSuchBucket", "ContainerNotFound"].contains(&self.code.as_str())
    }
}

tokio::task_local! {
    static HEARD: Arc<Mutex<Heard>>;
}

/// Does something and returns what was heard during it.
pub(super) async fn listen<T>(act: impl Future<Output = T>) -> (T, Heard) {
    let heard = Arc::new(Mutex::new(Heard::default()));
    let done = HEARD.scope(heard.clone(), act).await;
    let heard = heard.lock().unwrap_or_else(PoisonError::into_inner).clone();
    (done, heard)
}

fn note(act: impl FnOnce(&mut Heard)) {
    // Nobody listens while credentials are fetched in the background.
    let _ = HEARD.try_with(|heard| act(&mut heard.lock().unwrap_or_else(PoisonError::into_inner)));
}

/// Notes why the network failed.
pub(super) fn note_network(error: &HttpError) {
    let failure = Failure::Network { kind: error.kind(), text: chain(error) };
    note(|heard| heard.failure = Some(failure));
}

/// Makes clients that listen.
#[derive(Debug)]
pub(super) struct Listening;

impl HttpConnector for Listening {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let inner = ReqwestConnector::default().connect(options)?;
        Ok(HttpClient::new(Ear { inner }))
    }
}

#[derive(Debug)]
struct Ear {
    inner: HttpClient,
}

#[async_trait]
impl HttpService for Ear {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let lists = request.uri().query().is_some_and(|query| query.contains("list-type=2") || query.contains("comp=list"));
        let response = self.inner.execute(request).await.inspect_err(note_network)?;
        let status = response.status();
        let server = header(response.headers(), "server");
        note(|heard| heard.server = server);
        if status.is_success() {
            note_object(response.headers());
            return if lists { skimmed(response).await } else { Ok(response) };
        }
        let (mut parts, body) = response.into_parts();
        let body = body.bytes().await.inspect_err(note_network)?;
        let text = String::from_utf8_lossy(&body);
        let said = Status {
            number: status.as_u16(),
            code: xml::element(&text, "Code").or_else(|| header(&parts.headers, "x-ms-error-code")).unwrap_or_default(),
            message: xml::element(&text, "Message").unwrap_or_default(),
            after: header(&parts.headers, "retry-after").and_then(|after| after.parse().ok()).map(Duration::from_secs),
            region: header(&parts.headers, "x-amz-bucket-region").or_else(|| xml::element(&text, "Region")),
        };
        note(|heard| heard.failure = Some(Failure::Status(said)));
        // A redirect is to another region, which must be said, not followed: the signature would be wrong there.
        parts.headers.remove("location");
        Ok(HttpResponse::from_parts(parts, body.into()))
    }
}

/// Leaves out of a page of a listing what is no object to us.
async fn skimmed(response: HttpResponse) -> Result<HttpResponse, HttpError> {
    let (mut parts, body) = response.into_parts();
    let body = body.bytes().await.inspect_err(note_network)?;
    let Ok(text) = std::str::from_utf8(&body) else { return Ok(HttpResponse::from_parts(parts, body.into())) };
    let text = skim(text);
    parts.headers.insert("content-length", HeaderValue::from(text.len()));
    Ok(HttpResponse::from_parts(parts, text.into()))
}

fn note_object(headers: &HeaderMap) {
    let tagged = header(headers, "x-amz-tagging-count").is_some_and(|count| count != "0");
    let storage_class = header(headers, "x-amz-storage-class").filter(|class| class != "STANDARD");
    note(|heard| {
        heard.tagged |= tagged;
        heard.storage_class = storage_class;
    });
}

fn header(headers: &HeaderMap, name: &str) -> Option<String> {
    Some(headers.get(name)?.to_str().ok()?.to_owned())
}

/// Returns an error and its causes, each said once.
pub(super) fn chain(error: &(dyn StdError + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let cause = error.to_string();
        if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
        source = error.source();
    }
    text
}
