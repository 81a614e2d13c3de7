//! What a person reads when S3 does not do what it should.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;

/// Returns what a person reads of an error that asking again does not help.
fn said(error: Error) -> (String, String, String) {
    let Error::Failed { what, reason, help } = error else { panic!("{error:?}") };
    (what, reason, help.unwrap_or_default())
}

#[tokio::test]
async fn a_bucket_that_is_not_there() {
    let mut options = server();
    options.remove("url");
    options.retain(|name, _| !name.starts_with("reader_"));
    let store = open("s3://no-such-bucket/p", &options).unwrap();
    for (verb, error) in [
        ("reading s3://no-such-bucket/p/a", store.get("a").await.unwrap_err()),
        ("writing s3://no-such-bucket/p/a", put(&store, "a", "1", &Condition::None).await.unwrap_err()),
        ("writing s3://no-such-bucket/p/a", put(&store, "a", "1", &Condition::Absent).await.unwrap_err()),
        ("deleting s3://no-such-bucket/p/a", store.delete("a", &Condition::None).await.unwrap_err()),
        ("listing s3://no-such-bucket/p/x", store.list("x", None).try_collect::<Vec<_>>().await.unwrap_err()),
    ] {
        let (what, reason, help) = said(error);
        assert_eq!(what, verb);
        assert!(reason.starts_with("404 NoSuchBucket "), "{reason}");
        assert_eq!(help, "Create the bucket, or correct its name in the address.");
    }
}

#[tokio::test]
async fn somebody_who_is_not_known() {
    for (other, code) in [
        ([("access_key_id", "nobody"), ("secret_access_key", "x")], "403 InvalidAccessKeyId "),
        ([("access_key_id", "coeval-admin"), ("secret_access_key", "wrong")], "403 SignatureDoesNotMatch "),
    ] {
        let store = at("p", &other);
        let (what, reason, help) = said(store.get("a").await.unwrap_err());
        assert_eq!(what, "reading s3://coeval-test/p/a");
        assert!(reason.starts_with(code), "{reason}");
        let expected =
            "Who asks was not recognised; see that `access_key_id` and `secret_access_key` belong together and to this server.";
        assert_eq!(help, expected);
    }
}

#[tokio::test]
async fn somebody_who_may_only_read() {
    let prefix = fresh_prefix();
    put(&at(&prefix, &[]), "a", "1", &Condition::None).await.unwrap();
    let all = server();
    let reader = [("access_key_id", &*all["reader_access_key_id"]), ("secret_access_key", &all["reader_secret_access_key"])];
    let store = at(&prefix, &reader);
    assert_eq!(store.get("a").await.unwrap().unwrap().bytes, "1");
    assert_eq!(keys(&store, "").await, ["a"]);
    for error in [
        put(&store, "a", "2", &Condition::None).await.unwrap_err(),
        put(&store, "b", "2", &Condition::Absent).await.unwrap_err(),
        store.delete("a", &Condition::None).await.unwrap_err(),
        probe(&store, "").await.unwrap_err(),
    ] {
        let (_, reason, help) = said(error);
        assert!(reason.starts_with("403 AccessDenied "), "{reason}");
        assert_eq!(help, "Whoever asks needs the right to write and delete objects there.");
    }
    assert_eq!(keys(&store, "").await, ["a"]);
}

/// Answers every connection with the same bytes, or with none.
async fn answering(answer: impl Into<Option<String>>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let answer = answer.into();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let answer = answer.clone();
            tokio::spawn(async move {
                let mut request = vec![0; 1 << 16];
                let _ = stream.read(&mut request).await;
                match answer {
                    Some(answer) => drop(stream.write_all(answer.as_bytes()).await),
                    None => tokio::time::sleep(Duration::from_secs(60)).await,
                }
            });
        }
    });
    endpoint
}

fn response(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\n{headers}content-length: {}\r\nconnection: close\r\n\r\n{body}", body.len())
}

fn s3_error(status: &str, code: &str) -> String {
    response(status, "", &format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>Said.</Message></Error>"))
}

/// What each answer becomes: its text, how long to wait, and whether a write is ambiguous.
#[tokio::test]
async fn answers_that_pass_are_transient() {
    let busy = response("503 Slow Down", "retry-after: 7\r\n", "<Error><Code>SlowDown</Code><Message>Less.</Message></Error>");
    for (answer, reason, after, ambiguous) in [
        (Some(busy), "503 SlowDown Less.", Some(7), false),
        (Some(s3_error("429 Too Many Requests", "TooManyRequests")), "429 TooManyRequests Said.", None, false),
        (Some(s3_error("409 Conflict", "ConditionalRequestConflict")), "409 ConditionalRequestConflict Said.", None, false),
        (Some(s3_error("500 Internal", "InternalError")), "500 InternalError Said.", None, true),
        (Some(s3_error("503 Unavailable", "ServiceUnavailable")), "503 ServiceUnavailable Said.", None, true),
        (Some(response("502 Bad Gateway", "", "<html>oops</html>")), "502", None, true),
        (Some(response("504 Gateway Timeout", "", "")), "504", None, true),
        (Some(s3_error("400 Bad Request", "RequestTimeout")), "400 RequestTimeout Said.", None, true),
        (Some(String::new()), "HTTP error: error sending request", None, true),
        (None, "the request timed out (HTTP error: error sending request", None, true),
    ] {
        let endpoint = answering(answer).await;
        let store = at("p", &[("endpoint", &endpoint), ("timeout", "0.3")]);
        let errors = [
            ("reading s3://coeval-test/p/a", false, store.get("a").await.unwrap_err()),
            ("writing s3://coeval-test/p/a", ambiguous, put(&store, "a", "1", &Condition::Absent).await.unwrap_err()),
            ("deleting s3://coeval-test/p/a", ambiguous, store.delete("a", &Condition::None).await.unwrap_err()),
            ("listing s3://coeval-test/p/", false, store.list("", None).try_collect::<Vec<_>>().await.unwrap_err()),
        ];
        for (verb, unknown, error) in errors {
            let Error::Transient { what, reason: told, after: wait, ambiguous } = error else { panic!("{reason}: {error:?}") };
            assert_eq!(what, verb);
            assert!(told.starts_with(reason), "{told}, not {reason}");
            assert_eq!((wait, ambiguous), (after.map(Duration::from_secs), unknown), "{verb}: {reason}");
        }
    }
}

#[tokio::test]
async fn answers_that_do_not_pass_say_what_to_do() {
    let moved =
        response("301 Moved Permanently", "x-amz-bucket-region: eu-north-1\r\n", "<Error><Code>PermanentRedirect</Code></Error>");
    let malformed = "<Error><Code>AuthorizationHeaderMalformed</Code><Message>M</Message><Region>eu-west-1</Region></Error>";
    for (answer, reason, help) in [
        (moved, "301 PermanentRedirect", "The bucket lies in another region: set `region: eu-north-1`."),
        (response("400 Bad Request", "", malformed), "400 AuthorizationHeaderMalformed M", "set `region: eu-west-1`."),
        (s3_error("400 Bad Request", "ExpiredToken"), "400 ExpiredToken Said.", "The session token has expired: get a new one."),
        (s3_error("403 Forbidden", "RequestTimeTooSkewed"), "403 RequestTimeTooSkewed Said.", "Set this machine's clock."),
        (s3_error("403 Forbidden", "AccessDenied"), "403 AccessDenied Said.", "needs the right to read and list objects there."),
        (s3_error("501 Not Implemented", "NotImplemented"), "501 NotImplemented Said.", ""),
    ] {
        let endpoint = answering(answer).await;
        let (_, told, advice) = said(at("p", &[("endpoint", &endpoint)]).get("a").await.unwrap_err());
        assert_eq!(told, reason);
        assert!(advice.ends_with(help), "{advice}");
    }
}

#[tokio::test]
async fn a_body_that_is_cut_is_read_again_by_whoever_likes() {
    let head = "HTTP/1.1 200 OK\r\netag: \"x\"\r\ncontent-length: 1000\r\n\r\nhalf".to_owned();
    let error = at("p", &[("endpoint", &answering(Some(head)).await)]).get("a").await.unwrap_err();
    assert!(matches!(&error, Error::Transient { ambiguous: false, .. }), "{error:?}");
}

#[tokio::test]
async fn a_server_that_is_not_there() {
    // A port that was free a moment ago.
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let error =
        put(&at("p", &[("endpoint", &format!("http://127.0.0.1:{port}"))]), "a", "1", &Condition::None).await.unwrap_err();
    assert!(matches!(&error, Error::Transient { ambiguous: false, .. }), "{error:?}");
    assert!(error.to_string().contains("Connection refused"), "{error}");

    // TLS where the server speaks none.
    let endpoint = server()["endpoint"].replace("http://", "https://");
    let (_, reason, help) = said(at("p", &[("endpoint", &endpoint)]).get("a").await.unwrap_err());
    assert!(reason.contains("InvalidContentType"), "{reason}");
    assert_eq!(help, "The server speaks no TLS: write `http://` in `endpoint` if that is meant.");
}

#[tokio::test]
async fn a_server_without_etags_is_refused() {
    let endpoint = answering(response("200 OK", "last-modified: Tue, 15 Nov 1994 12:45:26 GMT\r\n", "x")).await;
    let error = at("p", &[("endpoint", &endpoint)]).get("a").await.unwrap_err();
    let expected = "reading s3://coeval-test/p/a: the server does not say which state of the object it is (`ETag`)";
    assert_eq!(error.to_string(), expected);
}

/// It answers a delete upon a wrong state with yes.
#[tokio::test]
async fn a_server_that_deletes_whatever_the_state_is_found_out() {
    let store = at("p", &[("endpoint", &answering(response("200 OK", "etag: \"x\"\r\n", "")).await)]);
    assert!(store.capabilities().conditional_delete, "nobody knows yet");
    for _ in 0..2 {
        let error = store.delete("a", &Condition::Unchanged(Token("\"x\"".to_owned()))).await.unwrap_err();
        assert!(matches!(&error, Error::Unsupported { .. }), "{error:?}");
        let reason = "the server deletes whatever the state (it takes no heed of `If-Match`)";
        assert_eq!(error.to_string(), format!("deleting s3://coeval-test/p/a: {reason}"));
        assert!(!store.capabilities().conditional_delete);
    }
    store.delete("a", &Condition::None).await.unwrap();
}
