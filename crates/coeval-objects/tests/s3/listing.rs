//! Listings: those that servers get wrong, and resuming.

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
