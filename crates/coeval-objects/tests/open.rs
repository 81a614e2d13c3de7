//! Addresses and options: what they open, and what a person reads of those that make no sense.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::BTreeMap;

use coeval_objects::{environment, open};
use coeval_store::Error;

fn options(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// An address, options, and what is said of them.
type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a str);

const KEYS: [(&str, &str); 2] = [("access_key_id", "AKIDNOTSHOWN"), ("secret_access_key", "SECRETNOTSHOWN")];

#[test]
fn addresses_open_and_names_show_no_secret() {
    let here = std::env::current_dir().unwrap();
    let key = ("access_key", "U0VDUkVUTk9UU0hPV04=");
    for (url, pairs, name) in [
        ("s3://bucket", &KEYS[..], "s3://bucket"),
        ("s3://bucket/", &KEYS, "s3://bucket"),
        ("s3://bucket/some/prefix/", &KEYS, "s3://bucket/some/prefix"),
        ("s3://public", &[("anonymous", "true"), ("region", "eu-north-1"), ("virtual_hosted", "true")], "s3://public"),
        ("s3://bucket", &[("instance_role", "true")], "s3://bucket"),
        ("gs://bucket/p", &[("bearer_token", "SECRETNOTSHOWN")], "gs://bucket/p"),
        ("az://container/p", &[("account", "me"), key], "az://container/p"),
        ("file:data", &[], &format!("file:{}/data", here.display())),
        ("file:///no/such/folder", &[], "file:/no/such/folder"),
        ("memory:", &[], "memory:"),
    ] {
        let store = open(url, &options(pairs)).unwrap_or_else(|error| panic!("{url}: {error}"));
        assert_eq!(store.name(), name);
        assert!(!format!("{store:?}").contains("NOTSHOWN"), "{store:?}");
    }
}

#[test]
fn what_makes_no_sense_is_said() {
    let table: &[Case] = &[
        ("data", &[], "opening data: it is no address of a store | Write `file:PATH` for a folder, or `s3://BUCKET/PREFIX`."),
        (
            "ftp://x/y",
            &[],
            "opening ftp://x/y: no store of documents has such an address | There are `s3:`, `gs:`, `az:`, `file:` and `memory:`.",
        ),
        ("s3:bucket", &KEYS, "opening s3:bucket: the bucket is missing | Write `s3://BUCKET/PREFIX`, or `s3://BUCKET`."),
        ("gs:///p", &[], "opening gs:///p: the bucket is missing | Write `gs://BUCKET/PREFIX`, or `gs://BUCKET`."),
        (
            "s3://me:SECRETNOTSHOWN@bucket/p",
            &KEYS,
            "opening s3://…@bucket/p: it holds credentials | Give them as options or in the environment, and the address without them.",
        ),
        ("s3://b/p?region=x", &KEYS, "opening s3://b/p?region=x: it holds `?` or `#` | Give options beside the address."),
        (
            "s3://b/../p",
            &KEYS,
            "opening s3://b/../p: its prefix is empty in parts, or holds `.` or `..` | Write `s3://BUCKET/PREFIX`, or `s3://BUCKET`.",
        ),
        (
            "s3://b",
            &[],
            "opening s3://b: no credentials are given | Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or the options `access_key_id` and `secret_access_key`; or `instance_role: true` on a machine at Amazon, `anonymous: true` for a public bucket.",
        ),
        ("s3://b", &KEYS[..1], "opening s3://b: `access_key_id` is given without `secret_access_key`"),
        ("s3://b", &KEYS[1..], "opening s3://b: `secret_access_key` is given without `access_key_id`"),
        (
            "s3://b",
            &[("acces_key_id", "NOTSHOWN")],
            "opening s3://b: there is no option `acces_key_id` | Did you mean `access_key_id`?",
        ),
        (
            "s3://b",
            &[("endpoint", "localhost:9000")],
            "opening s3://b: the option `endpoint` is no address | Write `https://HOST` or `http://HOST:PORT`.",
        ),
        ("s3://b", &[("anonymous", "yes")], "opening s3://b: the option `anonymous` is neither `true` nor `false`"),
        (
            "s3://b",
            &[("timeout", "soon")],
            "opening s3://b: the option `timeout` is no number of seconds between 0.001 and 86400",
        ),
        ("s3://b", &[("timeout", "-1")], "opening s3://b: the option `timeout` is no number of seconds between 0.001 and 86400"),
        ("az://c", &[], "opening az://c: the option `account` is missing | Set it, or AZURE_STORAGE_ACCOUNT."),
        ("file:", &[], "opening file:: the path is missing"),
        (
            "file://host/p",
            &[],
            "opening file://host/p: it names another machine | Write `file:PATH` for a path that starts at the current folder, `file:///PATH` for an absolute one.",
        ),
        ("file:x", &[("region", "x")], "opening file:x: there is no option `region` | A store at `file:` has no options."),
        ("memory:", &[("region", "x")], "opening memory:: there is no option `region` | A store at `memory:` has no options."),
    ];
    for (url, pairs, expected) in table {
        let error = open(url, &options(pairs)).unwrap_err();
        let help = if let Error::Failed { help: Some(help), .. } = &error { format!(" | {help}") } else { String::new() };
        assert_eq!(format!("{error}{help}"), *expected);
    }
}

#[test]
fn variables_of_the_environment_stand_for_options() {
    let s3 = environment("s3://bucket");
    for pair in [("AWS_ACCESS_KEY_ID", "access_key_id"), ("AWS_SESSION_TOKEN", "session_token"), ("AWS_REGION", "region")] {
        assert!(s3.contains(&pair), "{pair:?}");
    }
    let region: Vec<_> = s3.iter().filter(|(_, option)| *option == "region").map(|(variable, _)| *variable).collect();
    assert_eq!(region, ["AWS_REGION", "AWS_DEFAULT_REGION"]);
    assert!(environment("gs://b").contains(&("GOOGLE_APPLICATION_CREDENTIALS", "application_credentials")));
    assert!(environment("az://c").contains(&("AZURE_STORAGE_ACCOUNT", "account")));
    assert_eq!(environment("file:x"), []);
    assert_eq!(environment("postgres://x"), []);
}
