//! What holds for every command: machine output, colours, paths, completions, manual pages; and the demonstration.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use common::{World, text};

use coeval_core::{Value, json};

#[test]
fn every_command_writes_one_json_document() {
    let world = World::two_versions();
    world.write("r.jsonl", "{\"id\":\"a\",\"title\":\"A\"}\n");
    let commands: &[(&[&str], i32)] = &[
        (&["init"], 3),
        (&["init", "-C", "other"], 0),
        (&["import", "r.jsonl", "--model", "other"], 0),
        (&["freeze"], 0),
        (&["diff"], 0),
        (&["diff", "--from", "1"], 0),
        (&["lint"], 0),
        (&["rebase"], 0),
        (&["validate", "--model", "item", "--at", "1", "r.jsonl"], 0),
        (&["validate", "--model", "item", "--at", "2", "r.jsonl"], 1),
        (&["convert", "--model", "item", "--from", "1", "--to", "2", "r.jsonl", "-o", "out.jsonl"], 0),
        (&["convert", "--from", "1", "r.jsonl"], 2),
        (&["status"], 3),
        (&["plan"], 3),
        (&["migrate"], 3),
        (&["rollback", "--to", "9"], 2),
        (&["get", "item", "a", "--at", "1"], 3),
        (&["explain"], 0),
        (&["man", "--dir", "man"], 0),
        (&["nothing"], 2),
        (&["freeze", "--nothing"], 2),
    ];
    for (command, code) in commands {
        let mut arguments = command.to_vec();
        arguments.extend(["--format", "json"]);
        let output = world.run(&arguments, b"");
        assert_eq!(output.status.code(), Some(*code), "{command:?} {}", text(&output.stdout));
        // Where records would go to standard output, the report does not.
        let report = if output.stdout.is_empty() { &output.stderr } else { &output.stdout };
        let report = json::parse(report).unwrap_or_else(|e| panic!("{command:?}: {e}: {}", text(report)));
        let report = report.as_object().unwrap();
        assert_eq!(report.get("exit").and_then(Value::as_i64), Some(i64::from(*code)));
        assert_eq!(report.get("diagnostics").and_then(Value::as_list).unwrap().is_empty(), *code == 0, "{command:?}");
    }
}

#[test]
fn colours_are_for_terminals_and_for_who_asks() {
    let world = World::new();
    world.write("models/m.yaml", "type: model\nname: m\nproperties: {a: strng}\n");
    for (arguments, coloured) in
        [(&["freeze"][..], false), (&["freeze", "--color", "always"], true), (&["freeze", "--color", "never"], false)]
    {
        let output = world.run(arguments, b"");
        assert_eq!(output.stderr.contains(&0x1b), coloured, "{arguments:?}");
    }
    let output = world.command(&["freeze", "--color", "auto"]).env("NO_COLOR", "1").output().unwrap();
    assert!(!output.stderr.contains(&0x1b));
}

#[test]
fn paths_are_shown_as_they_are_reached() {
    let world = World::new();
    world.write("models/m.yaml", "type: model\nname: m\nproperties: {a: strng}\n");
    world.write("sub/folder/x", "");
    let output = world.command(&["freeze"]).current_dir(world.path().join("sub/folder")).output().unwrap();
    assert!(text(&output.stderr).contains("--> ../../models/m.yaml:3:17"), "{}", text(&output.stderr));
    let output = world.command(&["freeze", "-C", ".."]).current_dir(world.path().join("sub")).output().unwrap();
    assert!(text(&output.stderr).contains("--> ../models/m.yaml:3:17"), "{}", text(&output.stderr));
    let parent = world.path().parent().unwrap();
    let name = world.path().file_name().unwrap().to_str().unwrap();
    let output = world.command(&["freeze", "-C", name]).current_dir(parent).output().unwrap();
    assert!(text(&output.stderr).contains(&format!("--> {name}/models/m.yaml:3:17")), "{}", text(&output.stderr));
}

#[test]
fn completions_and_manual_pages_name_every_command() {
    let world = World::new();
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let output = world.run(&["completions", shell], b"");
        assert!(text(&output.stdout).contains("keep-going"), "{shell}");
    }
    assert!(text(&world.run(&["man"], b"").stdout).contains(".TH coeval 1"));
    let markdown = text(&world.run(&["man", "--markdown"], b"").stdout);
    let help = text(&world.run(&["help"], b"").stdout);
    let commands = help.split("Commands:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    assert!(world.run(&["man", "--dir", "pages"], b"").status.success());
    for command in commands.lines().filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help") {
        assert!(markdown.contains(&format!("\n## coeval {command}\n")), "{command}");
        assert!(!world.read(&format!("pages/coeval-{command}.1")).is_empty());
        let output = world.run(&[command, "--help"], b"");
        assert!(output.status.success() && !output.stdout.is_empty(), "{command}");
    }
}

#[test]
fn the_cache_is_used_and_never_trusted() {
    let world = World::two_versions();
    let convert = || world.run(&["convert", "--from", "1"], b"{\"id\":\"a\",\"title\":\"A\"}\n");
    let before = convert();
    let folder = world.path().join(".cache/coeval");
    let entries: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|e| e.unwrap().path()).collect();
    assert!(!entries.is_empty(), "what was folded is kept");
    for entry in entries {
        std::fs::write(entry, "garbage").unwrap();
    }
    let after = convert();
    assert_eq!((text(&before.stdout), text(&after.stderr)), (text(&after.stdout), String::new()));
}

#[test]
fn the_demonstration_tells_its_story() {
    let world = World::new();
    let output = world.run(&["demo", "--dir", "demo", "--records", "3"], b"");
    assert!(output.status.success(), "{}", text(&output.stderr));
    let told = text(&output.stdout);
    assert!(told.contains("81 pairs, 243 records"), "{told}");
    assert!(told.contains("Each came back byte for byte."), "{told}");
    assert!(told.contains("  1-4  {\"capital\": \"Akureyri\"}\n  5-9  {\"capital\": [\"Akureyri\"]}\n"), "{told}");
    assert!(told.contains("  1-5  {\"currency\": [\"EUR\"]}\n"), "{told}");
    assert!(told.lines().count() < 40);
    let again = world.run(&["demo", "--dir", "demo"], b"");
    assert_eq!(again.status.code(), Some(3));
    let lint = world.run(&["-C", "demo", "lint"], b"");
    assert!(lint.status.success(), "{}", text(&lint.stdout));
}
