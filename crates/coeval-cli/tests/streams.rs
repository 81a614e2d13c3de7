//! What passes through `convert`: bytes come back, bounds hold, order stays, and a reader that leaves ends it quietly.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::Stdio;
use std::thread;

use common::{World, text};

#[test]
fn every_byte_comes_back() {
    let world = World::two_versions();
    let cases: &[&[u8]] = &[
        b"{\"id\":\"a\",\"title\":\"A\"}",
        b"{\"id\":\"a\",\"title\":\"A\",\"note\":{\"b\": 1.10}}\n",
        b"{\"id\": \"a\", \"title\": \"A\", \"note\": null, \"other\": 1e400}\r\n",
        b"\n\n  {\"id\":\"a\",\"title\":\"A\"}\t\n \n{\"title\":\"A\",\"id\":\"b\"}",
        b"{\n  \"id\": \"a\",\n  \"title\": \"A\",\n  \"note\": [\n    1,\n    {}\n  ]\n}\n",
        b"{\r\n\t\"id\": \"\\u0061\",\r\n\t\"title\": \"\\/\\u00e9\"\r\n}\r\n\r\n",
        b"{\n\"id\": \"a\", \"title\"\n: \"A\"}",
        b"{ \"id\":\"a\" , \"title\":\"A\",\"note\":\"n\" }\n{\"id\":\"b\",\"title\":\"\xf0\x9f\x98\x80\"}\n",
    ];
    for case in cases {
        let there = world.run(&["convert", "--from", "1"], case);
        assert!(there.status.success(), "{}: {}", text(case), text(&there.stderr));
        assert_ne!(&there.stdout, case);
        let back = world.run(&["convert", "--from", "2", "--to", "1"], &there.stdout);
        assert_eq!(text(&back.stdout), text(case), "by way of {}", text(&there.stdout));
        let same = world.run(&["convert", "--from", "2", "--to", "2"], &there.stdout);
        assert_eq!(text(&same.stdout), text(&there.stdout));
    }
}

#[test]
fn a_style_that_nothing_shows_comes_back() {
    let world = World::new();
    world.write("models/m.yaml", "type: model\nname: m\nproperties: {a: integer}\n");
    assert!(world.run(&["freeze"], b"").status.success());
    let frozen = text(&world.read("models/m.yaml"));
    world.write("models/m.yaml", frozen.replacen("properties: {a: integer}", "properties: {}", 1));
    assert!(world.run(&["freeze"], b"").status.success());
    for case in ["{\"a\": 1}\n", "{}\n", "{\n    \"a\": 1\n}\n", "{ }\n"] {
        let there = world.run(&["convert", "--from", "1"], case.as_bytes());
        let back = world.run(&["convert", "--from", "2", "--to", "1"], &there.stdout);
        assert_eq!(text(&back.stdout), case, "by way of {}", text(&there.stdout));
    }
}

#[test]
fn packed_files_are_unpacked_and_packed() {
    let world = World::two_versions();
    let records = "{\"id\":\"a\",\"title\":\"A\",\"note\":1}\n".repeat(2000);
    world.write("r.jsonl", &records);
    for (from, to, input, output) in [
        ("1", "2", "r.jsonl", "newer.jsonl.gz"),
        ("2", "1", "newer.jsonl.gz", "older.jsonl.zst"),
        ("1", "2", "older.jsonl.zst", "newer.jsonl"),
        // In its own place.
        ("2", "1", "newer.jsonl", "newer.jsonl"),
    ] {
        let done = world.run(&["convert", "--from", from, "--to", to, input, "-o", output], b"");
        assert!(done.status.success(), "{output}: {}", text(&done.stderr));
    }
    assert_eq!(text(&world.read("newer.jsonl")), records);
    assert!(world.read("newer.jsonl.gz").starts_with(b"\x1f\x8b"));
    assert!(world.read("older.jsonl.zst").len() < records.len() / 10);
    let mut cut = world.read("newer.jsonl.gz");
    cut.truncate(cut.len() / 2);
    world.write("cut.jsonl.gz", cut);
    let done = world.run(&["convert", "--from", "2", "cut.jsonl.gz", "-o", "out.jsonl"], b"");
    assert_eq!(done.status.code(), Some(4), "{}", text(&done.stderr));
    assert!(!world.path().join("out.jsonl").exists());
}

#[test]
fn a_gibibyte_on_one_line_is_refused_without_being_read() {
    let world = World::two_versions();
    for (start, line) in [("{\"id\":\"", 1), ("\n{\n\"id\":\"", 2)] {
        let mut child = world.command(&["convert", "--from", "1"]).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let feeding = thread::spawn(move || {
            let block = vec![b'x'; 1 << 20];
            let mut written = 0_u64;
            let _ = stdin.write_all(start.as_bytes());
            while written < 1 << 30 && stdin.write_all(&block).is_ok() {
                written += 1 << 20;
            }
            written
        });
        let output = child.wait_with_output().unwrap();
        let written = feeding.join().unwrap();
        assert!(written < 100 << 20, "{written} bytes were read");
        assert_eq!(output.status.code(), Some(1));
        let errors = text(&output.stderr);
        assert!(errors.contains("the record is longer than 67108864 bytes"), "{errors}");
        assert!(errors.contains(&format!("<stdin>:{line}:1")), "{errors}");
        assert!(errors.len() < 1000, "{errors}");
    }
}

#[test]
fn a_hundred_thousand_levels_are_refused() {
    let world = World::two_versions();
    for (input, at) in [("{\"a\":".repeat(100_000), "1:2501"), ("[\n".repeat(100_000), "1:1"), ("[".repeat(100_000), "1:501")] {
        for command in [&["convert", "--from", "1"][..], &["validate"], &["import", "-", "--model", "m", "-o", "-"]] {
            let output = world.run(command, input.as_bytes());
            assert_eq!(output.status.code(), Some(1), "{command:?}");
            let told = text(&output.stdout) + &text(&output.stderr);
            assert!(told.contains(&format!("<stdin>:{at}")), "{told}");
        }
    }
    let deep = format!("{{\"id\":\"a\",\"title\":\"A\",\"note\":{}{}}}", "[".repeat(498), "]".repeat(498));
    let there = world.run(&["convert", "--from", "1"], deep.as_bytes());
    assert!(
        text(&there.stderr).contains("error[too-deep]"),
        "what could not be read back is not written: {}",
        text(&there.stderr)
    );
    let deep = format!("{{\"id\":\"a\",\"title\":\"A\",\"note\":{}{}}}", "[".repeat(490), "]".repeat(490));
    let there = world.run(&["convert", "--from", "1"], deep.as_bytes());
    let back = world.run(&["convert", "--from", "2", "--to", "1"], &there.stdout);
    assert_eq!(text(&back.stdout), deep, "{}{}", text(&there.stderr), text(&back.stderr));
}

#[test]
fn deep_and_huge_manifests_are_refused() {
    let world = World::new();
    let draft = |property: &str| format!("type: model\nname: m\nproperties:\n  a: {property}\n");
    let braces = format!("{}string{}", "{type: array, items: ".repeat(100_000), "}".repeat(100_000));
    let lists = "[".repeat(100_000);
    let blocks = (0..10_000).fold(String::new(), |text, depth| text + &" ".repeat(depth % 400) + "- \n");
    for property in [&braces, &lists, &blocks] {
        world.write("models/m.yaml", draft(property));
        let output = world.run(&["freeze"], b"");
        assert_eq!(output.status.code(), Some(3), "{}", text(&output.stderr));
        assert!(text(&output.stderr).contains("models/m.yaml:"), "{}", text(&output.stderr));
    }
    world.write("models/m.yaml", draft("integer"));
    assert!(world.run(&["freeze"], b"").status.success());
    let frozen = text(&world.read("models/m.yaml"));
    let expression = format!("\"{}a{}\"", "(".repeat(100_000), ")".repeat(100_000));
    let operation = format!("operations:\n  - retype_property: {{path: a, up: {expression}, down: a}}\nproperties:");
    world.write("models/m.yaml", frozen.replacen("properties:", &operation, 1).replacen("a: integer", "a: number", 1));
    let output = world.run(&["freeze"], b"");
    assert_eq!(output.status.code(), Some(3), "{}", text(&output.stderr));
    // A file with a hole takes no room on the disk.
    File::create(world.path().join("models/huge.yaml")).unwrap().set_len(1 << 30).unwrap();
    let output = world.run(&["freeze"], b"");
    assert_eq!(output.status.code(), Some(3));
    assert!(text(&output.stderr).contains("models/huge.yaml has 1024 MiB"), "{}", text(&output.stderr));
}

#[test]
fn order_stays_and_every_failure_is_told() {
    let world = World::two_versions();
    let mut input = String::new();
    for i in 0..10_000 {
        let title = if i % 100 == 7 { "7".to_owned() } else { format!("\"{i}\"") };
        input.extend(["{\"id\":\"", &i.to_string(), "\",\"title\":", &title, "}\n"]);
    }
    let output = world.run(&["convert", "--from", "1", "--keep-going", "--errors", "errors.txt"], input.as_bytes());
    assert_eq!(output.status.code(), Some(1));
    let ids: Vec<usize> = text(&output.stdout).lines().map(|line| line.split('"').nth(3).unwrap().parse().unwrap()).collect();
    assert_eq!(ids, (0..10_000).filter(|i| i % 100 != 7).collect::<Vec<_>>());
    let errors = text(&world.read("errors.txt"));
    assert_eq!(errors.lines().count(), 100);
    assert!(errors.starts_with("<stdin>:8:19: key=7: "), "{errors}");
}

#[test]
fn a_reader_that_leaves_ends_it_quietly() {
    let world = World::two_versions();
    let mut child = world.command(&["convert", "--from", "1"]).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let feeding = thread::spawn(move || while stdin.write_all(b"{\"id\":\"a\",\"title\":\"A\"}\n").is_ok() {});
    let mut reader = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    drop(reader);
    let mut errors = String::new();
    child.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
    assert_eq!((child.wait().unwrap().code(), errors.as_str()), (Some(0), ""));
    feeding.join().unwrap();
    for command in [&["help"][..], &["explain"], &["man"], &["completions", "bash"], &["diff", "--from", "1"]] {
        let mut child = world.command(command).stdin(Stdio::null()).spawn().unwrap();
        drop(child.stdout.take());
        let mut errors = String::new();
        child.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
        child.wait().unwrap();
        assert_eq!(errors, "", "{command:?}");
    }
}
