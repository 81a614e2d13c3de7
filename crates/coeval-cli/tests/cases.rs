//! Every file of `cases/` is a script and its files in one text: files are set and edited, commands are run, and what they write
//! to both streams and their exit code are compared. `UPDATE_CASES=1` writes what came out into the script.
//!
//! `-- PATH --` sets a file (`\xNN` is a byte), `-- edit PATH --` replaces, `-- show PATH --` prints, `-- remove PATH --`
//! removes, `-- list --` prints the names of all files, `-- $ coeval … [< PATH] [> PATH] --` runs.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

struct Section {
    command: String,
    body: String,
}

fn sections(text: &str) -> (String, Vec<Section>) {
    let mut comment = String::new();
    let mut out: Vec<Section> = Vec::new();
    for line in text.split_inclusive('\n') {
        if let Some(command) = line.trim_end().strip_prefix("-- ").and_then(|l| l.strip_suffix(" --")) {
            out.push(Section { command: command.to_owned(), body: String::new() });
        } else {
            out.last_mut().map_or(&mut comment, |s| &mut s.body).push_str(line);
        }
    }
    (comment, out)
}

/// Runs a section; its output is compared with its body. `None` where it only sets something.
fn run(folder: &Path, section: &Section) -> Option<String> {
    let (word, rest) = section.command.split_once(' ').unwrap_or((&section.command, ""));
    match word {
        "$" => Some(command(folder, rest)),
        "show" => Some(normal(folder, &String::from_utf8_lossy(&fs::read(folder.join(rest)).unwrap()))),
        "list" => {
            let mut names = Vec::new();
            list(folder, "", &mut names);
            names.sort();
            Some(names.concat())
        }
        "remove" => {
            fs::remove_file(folder.join(rest)).unwrap();
            None
        }
        "edit" => {
            let path = folder.join(rest);
            let mut text = fs::read_to_string(&path).unwrap();
            for line in section.body.lines() {
                let (old, new) = line.split_once(" => ").unwrap_or_else(|| panic!("no ` => ` in {line}"));
                let (old, new) = (old.replace("\\n", "\n"), new.replace("\\n", "\n"));
                assert!(text.contains(&old), "{rest} has no {old:?}:\n{text}");
                text = text.replacen(&old, &new, 1);
            }
            fs::write(path, text).unwrap();
            None
        }
        _ => {
            let path = folder.join(&section.command);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes(&section.body)).unwrap();
            None
        }
    }
}

fn list(folder: &Path, prefix: &str, names: &mut Vec<String>) {
    for entry in fs::read_dir(folder.join(prefix)).unwrap() {
        let entry = entry.unwrap();
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.path().is_dir() {
            if name != ".cache" {
                list(folder, &format!("{name}/"), names);
            }
        } else {
            names.push(format!("{name}\n"));
        }
    }
}

/// The bytes of a file: `\xNN` stands for one.
fn bytes(text: &str) -> Vec<u8> {
    let mut parts = text.split("\\x");
    let mut out = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        out.push(u8::from_str_radix(&part[..2], 16).unwrap());
        out.extend(&part.as_bytes()[2..]);
    }
    out
}

fn words(line: &str) -> Vec<String> {
    let mut out = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    for c in line.chars() {
        match (c, quote) {
            (c, Some(q)) if c == q => quote = None,
            ('\'' | '"', None) => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (' ', None) => out.extend(word.take()),
            (c, _) => word.get_or_insert_default().push(c),
        }
    }
    out.extend(word);
    out
}

fn command(folder: &Path, line: &str) -> String {
    let mut words = words(line).into_iter();
    assert_eq!(words.next().as_deref(), Some("coeval"), "{line}");
    let (mut arguments, mut stdin, mut stdout) = (Vec::new(), None, None);
    while let Some(word) = words.next() {
        match word.as_str() {
            "<" => stdin = words.next(),
            ">" => stdout = words.next(),
            _ => arguments.push(word),
        }
    }
    // `-C` before the command changes nothing in where the process runs.
    let mut command = Command::new(env!("CARGO_BIN_EXE_coeval"));
    command.args(arguments).current_dir(folder).env("XDG_CACHE_HOME", folder.join(".cache"));
    command.env_remove("NO_COLOR").env_remove("CLICOLOR_FORCE");
    command.stdin(stdin.map_or_else(Stdio::null, |path| fs::File::open(folder.join(path)).unwrap().into()));
    let output = command.output().unwrap();
    let mut out = String::new();
    match stdout {
        Some(path) => fs::write(folder.join(path), &output.stdout).unwrap(),
        None => out.push_str(&normal(folder, &String::from_utf8_lossy(&output.stdout))),
    }
    let end = |out: &mut String| {
        if !out.is_empty() && !out.ends_with('\n') {
            out.push_str("<no end of line>\n");
        }
    };
    end(&mut out);
    let errors = normal(folder, &String::from_utf8_lossy(&output.stderr));
    if !errors.is_empty() {
        out.push_str("[stderr]\n");
        out.push_str(&errors);
        end(&mut out);
    }
    let code = output.status.code().unwrap();
    if code != 0 {
        out.extend(["[exit ", &code.to_string(), "]\n"]);
    }
    assert!(!out.contains("panicked") && !out.contains("[internal]"), "{line}:\n{out}");
    out
}

/// Puts names in the place of what differs from run to run.
fn normal(folder: &Path, text: &str) -> String {
    let text = text.replace(&folder.canonicalize().unwrap().display().to_string(), "<dir>");
    let text = text.replace(&folder.display().to_string(), "<dir>").replace('\r', "<CR>");
    let hex = |c: char| c.is_ascii_hexdigit();
    let mut out = String::new();
    let mut rest = text.as_str();
    while let Some(c) = rest.chars().next() {
        let starts = out.chars().next_back().is_none_or(|c| !c.is_alphanumeric());
        let uuid = rest.len() >= 36
            && rest.is_char_boundary(36)
            && rest[..36].char_indices().all(|(i, c)| if matches!(i, 8 | 13 | 18 | 23) { c == '-' } else { hex(c) });
        let now = rest.len() >= 20
            && rest.is_char_boundary(20)
            && rest.is_char_boundary(10)
            && rest[..20].ends_with(['Z', '.'])
            && rest[..10].chars().all(|c| c.is_ascii_digit() || c == '-')
            && rest.as_bytes()[10] == b'T'
            && !rest.starts_with("2026-11-21T10:00:00Z");
        if starts && uuid {
            out.push_str("<id>");
            rest = &rest[36..];
        } else if starts && now {
            out.push_str("<now>");
            // With milliseconds or without.
            rest = rest[19..].trim_start_matches(|c: char| c == '.' || c.is_ascii_digit()).trim_start_matches('Z');
        } else if let Some(digest) = rest.strip_prefix("sha256:") {
            out.push_str("sha256:<digest>");
            rest = digest.trim_start_matches(hex).trim_start_matches('…');
        } else {
            out.push(c);
            rest = &rest[c.len_utf8()..];
        }
    }
    // How often progress is told depends on the time; only what is told at the end does not.
    let progress = |line: &str| line.starts_with("{\"event\":\"progress\"");
    let passing = |next: Option<&&str>| next.is_some_and(|next| progress(next) || next.starts_with("{\"event\":\"failure\""));
    let mut lines = out.lines().collect::<Vec<_>>().into_iter().peekable();
    let lines = std::iter::from_fn(|| {
        loop {
            let line = lines.next()?;
            if !(progress(line) && passing(lines.peek())) {
                return Some(line);
            }
        }
    });
    lines.fold(String::new(), |mut out, line| {
        // Who runs is another process on another machine each time.
        let whom = line.find(", by coeval ").filter(|_| line.contains(", process "));
        out.push_str(whom.map_or(line, |at| &line[..at]));
        out.push_str(if whom.is_some() { ", by <whom>\n" } else { "\n" });
        out
    })
}

#[test]
fn cases() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let mut paths: Vec<_> = fs::read_dir(&folder).expect("cases").map(|e| e.expect("a case").path()).collect();
    paths.sort();
    assert!(paths.len() > 5, "the cases are there");
    let mut failed = Vec::new();
    for path in paths {
        let text = fs::read_to_string(&path).expect("a case");
        let (mut actual, sections) = sections(&text);
        let world = tempfile::Builder::new().prefix("case-").tempdir().unwrap();
        for section in &sections {
            let body = run(world.path(), section).unwrap_or_else(|| section.body.clone());
            actual.extend(["-- ", &section.command, " --\n", &body]);
        }
        if actual == text {
            continue;
        }
        if std::env::var_os("UPDATE_CASES").is_some() {
            fs::write(&path, actual).expect("writable");
        } else {
            failed.push(format!("== {}\n{actual}", path.display()));
        }
    }
    assert!(failed.is_empty(), "UPDATE_CASES=1 takes these over:\n{}", failed.join("\n"));
}
