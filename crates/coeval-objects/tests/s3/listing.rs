//! Listings: those that servers get wrong, and resuming.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;

/// The server keeps folders, and a folder is listed where its name goes, not its keys. Every place to resume from is tried.
#[tokio::test]
async fn a_listing_can_go_on_after_any_key() {
    let store = fresh();
    let all = ["a", "a!", "a-b/1", "a-b/2", "a.json", "a/1", "a/1.json", "a/1/2", "a/b-/c", "a/b/c", "a0", "b", "b/", "c/d/e/f"];
    let all: Vec<&str> = all.into_iter().filter(|key| !key.ends_with('/')).collect();
    for key in &all {
        put(&store, key, key, &Condition::None).await.unwrap();
    }
    assert_eq!(keys(&store, "").await, all);
    for (index, after) in all.iter().enumerate() {
        let rest: Vec<_> = store.list("", Some(after)).map_ok(|listed| listed.key).try_collect().await.unwrap();
        assert_eq!(rest, all[index + 1..], "after {after}");
    }
}

/// Stands before the server and gives it another name, so that it is taken for one that lists in the order of bytes.
async fn disguised() -> String {
    let target = server()["endpoint"].trim_start_matches("http://").to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let server = TcpStream::connect(&target).await.unwrap();
            let ((mut from_client, mut to_client), (mut from_server, mut to_server)) = (client.into_split(), server.into_split());
            tokio::spawn(async move { tokio::io::copy(&mut from_client, &mut to_server).await });
            tokio::spawn(async move {
                let mut buffer = vec![0; 1 << 16];
                while let Ok(count @ 1..) = from_server.read(&mut buffer).await {
                    let said = &mut buffer[..count];
                    if let Some(at) = said.windows(9).position(|name| name == b"SeaweedFS") {
                        said[at..at + 9].copy_from_slice(b"Elsewhere");
                    }
                    to_client.write_all(said).await.unwrap();
                }
            });
        }
    });
    format!("http://127.0.0.1:{port}")
}

/// Page after page as Amazon lists, which SeaweedFS does too as long as no folder's name begins another one's.
#[tokio::test]
async fn a_listing_in_the_order_of_the_server() {
    let store = at(&fresh_prefix(), &[("endpoint", &disguised().await)]);
    let mut all: Vec<String> = (0..1100).map(|index| format!("many/{index:04}")).collect();
    all.extend(["a", "b/c/d", "z/1"].map(str::to_owned));
    all.sort();
    let writes = all.iter().map(|key| put(&store, key, "x", &Condition::None));
    futures::future::try_join_all(writes).await.unwrap();
    assert_eq!(keys(&store, "").await, all);
    assert_eq!(keys(&store, "many/010").await, all[102..112]);
    let rest: Vec<_> = store.list("", Some("many/1098")).map_ok(|listed| listed.key).try_collect().await.unwrap();
    assert_eq!(rest, ["many/1099", "z/1"]);
}

#[tokio::test]
async fn a_listing_out_of_order_is_refused() {
    let prefix = fresh_prefix();
    let store = at(&prefix, &[("endpoint", &disguised().await)]);
    for key in ["a/b", "a-b"] {
        put(&store, key, "x", &Condition::None).await.unwrap();
    }
    let error = store.list("", None).try_collect::<Vec<_>>().await.unwrap_err();
    let reason = "the server lists \"a-b\" after \"a/b\", which is not the order of bytes";
    assert_eq!(error.to_string(), format!("listing s3://coeval-test/{prefix}/: {reason}"));
}

#[tokio::test]
async fn markers_of_folders_are_no_objects() {
    let prefix = fresh_prefix();
    let store = at(&prefix, &[]);
    put(&store, "photos/1.json", "1", &Condition::None).await.unwrap();
    // Made as a console makes it; no key of ours can.
    let options = server();
    let status = std::process::Command::new("python3")
        .args(["-c", MARKER, &options["endpoint"], &options["access_key_id"], &options["secret_access_key"]])
        .arg(format!("/coeval-test/{prefix}/photos/"))
        .status();
    assert!(status.unwrap().success());
    assert_eq!(keys(&store, "").await, ["photos/1.json"]);
    assert_eq!(keys(&store, "photos/").await, ["photos/1.json"]);
}

/// A signed PUT of nothing.
const MARKER: &str = r#"
import hashlib, hmac, sys, time, urllib.request
endpoint, key, secret, path = sys.argv[1:]
now, digest = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime()), hashlib.sha256(b"").hexdigest()
signed = {"host": endpoint.split("//")[1], "x-amz-content-sha256": digest, "x-amz-date": now}
scope = f"{now[:8]}/us-east-1/s3/aws4_request"
canonical = "\n".join(["PUT", path, "", "".join(f"{n}:{v}\n" for n, v in signed.items()), ";".join(signed), digest])
text = "\n".join(["AWS4-HMAC-SHA256", now, scope, hashlib.sha256(canonical.encode()).hexdigest()])
mac = ("AWS4" + secret).encode()
for part in scope.split("/") + [text]:
    mac = hmac.new(mac, part.encode(), "sha256").digest()
signed["authorization"] = f"AWS4-HMAC-SHA256 Credential={key}/{scope}, SignedHeaders={';'.join(list(signed))}, Signature={mac.hex()}"
urllib.request.urlopen(urllib.request.Request(endpoint + path, data=b"", method="PUT", headers=signed))
"#;
