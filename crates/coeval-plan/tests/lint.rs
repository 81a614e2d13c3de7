//! Every file of `lint/` holds cases: a text of SQL, and what is found in it. `UPDATE_CASES=1` writes what is found into them.
//!
//! A case begins with `== DIALECT[, bare][, not CODE…]: TITLE`, then the text, then `--` and the findings. Whoever runs the text
//! is taken to bound the waiting for locks and to keep a ledger, unless it is `bare`. `not CODE` claims that a rule looks at
//! this text and finds nothing. Text above a line `== next` was run before.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use coeval_plan::SqlDialect;
use coeval_plan::lint::{Context, Finding, lint_parts, lint_sql, page, rules};
use coeval_plan::sql::statements;

struct Case {
    head: String,
    dialect: SqlDialect,
    bare: bool,
    not: Vec<String>,
    text: String,
}

fn cases() -> Vec<(std::path::PathBuf, String, Vec<Case>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lint");
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
        .into_iter()
        .map(|path| {
            let whole = fs::read_to_string(&path).unwrap();
            let cases = format!("\n{whole}").split("\n== case ").skip(1).map(case).collect();
            (path, whole, cases)
        })
        .collect()
}

fn case(part: &str) -> Case {
    let (head, rest) = part.split_once('\n').unwrap();
    let text = rest.split("\n--\n").next().unwrap().trim_end_matches('\n').to_owned();
    let mut words = head.split(':').next().unwrap().split(", ");
    let dialect = words.next().unwrap();
    let dialect = SqlDialect::ALL.into_iter().find(|d| d.name() == dialect).unwrap_or_else(|| panic!("{head}"));
    let (mut bare, mut not) = (false, Vec::new());
    for word in words {
        match word.strip_prefix("not ") {
            Some(code) => not.push(code.to_owned()),
            None if word == "bare" => bare = true,
            None => panic!("{head}: {word}"),
        }
    }
    Case { head: head.to_owned(), dialect, bare, not, text }
}

fn look(case: &Case) -> (String, Vec<Finding>) {
    let mut context = Context::default();
    (context.lock_timeout, context.ledger) = (!case.bare, !case.bare);
    let text = match case.text.split_once("\n== next\n") {
        Some((before, text)) => {
            context.learn(before, case.dialect);
            text
        }
        None => &case.text,
    };
    (text.to_owned(), lint_sql(text, case.dialect, &context))
}

fn told(text: &str, found: &[Finding]) -> String {
    let mut out = String::new();
    for finding in found {
        let place = &text[finding.span.clone()];
        let _ = writeln!(out, "{} {}: {}", finding.level.name(), finding.code, place.replace('\n', "⏎"));
        let _ = writeln!(out, "  {}\n  = {}", finding.message, finding.help);
    }
    out
}

#[test]
fn what_is_found() {
    let mut failed = Vec::new();
    for (path, whole, cases) in cases() {
        let mut actual = String::new();
        for case in &cases {
            let (text, found) = look(case);
            let _ = write!(actual, "== case {}\n{}\n--\n{}\n", case.head, case.text, told(&text, &found));
        }
        if actual == whole {
            continue;
        }
        if std::env::var_os("UPDATE_CASES").is_some() {
            fs::write(&path, actual).unwrap();
        } else {
            failed.push(format!("{}:\n{actual}", path.display()));
        }
    }
    assert!(failed.is_empty(), "UPDATE_CASES=1 takes these over:\n{}", failed.join("\n"));
}

#[test]
fn every_rule_has_a_case_that_it_finds_and_one_that_it_passes() {
    let (mut hit, mut passed) = (BTreeSet::new(), BTreeSet::new());
    for case in cases().iter().flat_map(|(_, _, cases)| cases) {
        let (_, found) = look(case);
        for finding in &found {
            assert!(!finding.message.contains('{') && !finding.help.contains('{'), "a name is missing: {finding:?}");
            hit.insert(finding.code);
        }
        for code in &case.not {
            assert!(found.iter().all(|finding| finding.code != code), "{}: found after all", case.head);
            passed.insert(code.clone());
        }
    }
    let codes: BTreeSet<&str> = rules().map(|rule| rule.code).collect();
    assert_eq!(codes.len(), rules().count(), "a code occurs twice");
    let lacking: Vec<_> = codes.iter().filter(|code| !hit.contains(*code)).collect();
    assert!(lacking.is_empty(), "no case finds {lacking:?}");
    let lacking: Vec<_> = codes.iter().filter(|code| !passed.contains(**code)).collect();
    assert!(lacking.is_empty(), "no case says `not` {lacking:?}");
    let unknown: Vec<_> = passed.iter().filter(|code| !codes.contains(code.as_str())).collect();
    assert!(unknown.is_empty(), "there is no rule {unknown:?}");
}

#[test]
fn the_manual_has_every_rule() {
    let shown = page();
    assert!(!shown.contains('{'), "a name of a rule has no general word");
    for rule in rules() {
        assert!(shown.contains(&format!("\n### {}\n", rule.code)), "{} is not in the page", rule.code);
    }
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/lint.md");
    assert_eq!(fs::read_to_string(file).unwrap(), shown, "docs/lint.md: run `cargo xtask tidy --bless`");
}

#[test]
fn several_texts_are_one_migration_and_hide_nothing_from_each_other() {
    let texts =
        ["CREATE TABLE pets (id bigint PRIMARY KEY);", "SELECT 'a", "CREATE INDEX ON pets (id); DROP TABLE users -- at last"];
    let found = lint_parts(&texts, SqlDialect::Postgres, &with_a_ledger());
    let told: Vec<_> = found.iter().map(|(part, finding)| (*part, finding.code, &texts[*part][finding.span.clone()])).collect();
    assert_eq!(told, [(1, "SQL000-unclosed-quote", "'"), (2, "SQL018-drop-table", "DROP TABLE users")]);
    let steps = ["ALTER TABLE a ADD b int, ALGORITHM=INSTANT", "ALTER TABLE a ADD c int, ALGORITHM=INSTANT"];
    assert_eq!(lint_parts(&steps, SqlDialect::MySql, &with_a_ledger()), []);
}

#[test]
fn what_undoes_a_text_may_drop_what_it_added() {
    let (up, down) = (
        "CREATE TABLE pets (id bigint); ALTER TABLE users ADD COLUMN fax text",
        "ALTER TABLE users DROP COLUMN fax; DROP TABLE pets",
    );
    let found = |context: &Context| lint_sql(down, SqlDialect::Postgres, context).iter().map(|f| f.code).collect::<Vec<_>>();
    let mut context = with_a_ledger();
    assert_eq!(found(&context), ["SQL017-drop-column", "SQL018-drop-table"]);
    context.undo(up, SqlDialect::Postgres);
    assert!(found(&context).is_empty());
}

fn with_a_ledger() -> Context {
    let mut context = Context::default();
    (context.lock_timeout, context.ledger) = (true, true);
    context
}

/// Texts that are cut, doubled and mixed up: whatever comes out is looked through without a panic, and every finding lies in it.
#[test]
fn no_text_makes_it_panic() {
    let all = cases();
    let texts: Vec<&str> = all.iter().flat_map(|(_, _, cases)| cases).map(|case| case.text.as_str()).collect();
    let signs = [
        "'",
        "\"",
        "`",
        "$$",
        "$a$",
        "/*",
        "*/",
        "--",
        "(",
        ")",
        ",",
        ";",
        "\\",
        "é",
        "😀",
        ".",
        "[",
        "]",
        "\0",
        "ALTER TABLE",
        "END",
    ];
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % below.max(1) as u64).unwrap()
    };
    for round in 0..6000 {
        let mut text: String = texts[random(texts.len())].to_owned();
        for _ in 0..=random(4) {
            let mut at = random(text.len() + 1);
            while !text.is_char_boundary(at) {
                at -= 1;
            }
            match random(4) {
                0 => text.insert_str(at, signs[random(signs.len())]),
                1 => text.truncate(at),
                2 => text.insert_str(at, texts[random(texts.len())]),
                _ => {
                    let mut end = (at + random(12)).min(text.len());
                    while !text.is_char_boundary(end) {
                        end += 1;
                    }
                    text.replace_range(at..end, "");
                }
            }
        }
        for dialect in SqlDialect::ALL {
            for finding in lint_sql(&text, dialect, &Context::default()) {
                assert!(text.get(finding.span.clone()).is_some(), "round {round}: {finding:?} in {text:?}");
            }
            let cut: String = statements(&text, dialect).into_iter().map(|span| &text[span]).collect();
            assert!(cut.len() <= text.len());
        }
    }
}
