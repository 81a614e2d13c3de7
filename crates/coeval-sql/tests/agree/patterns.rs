//! Regular expressions that PostgreSQL is given find what the reference finds.

use coeval_core::Value;
use coeval_core::expr::ExprKind;
use coeval_sql::{Dialect, render};

use crate::database::{Database, Postgres, Row};
use crate::differential::{Tally, compare, rows};
use crate::model::{columns, compile};
use crate::random::Random;

/// What people write, all of which PostgreSQL is given.
const COMMON: &[&str] = &[
    r"regexp_replace(s, '[^0-9]', '', 'g')",
    r"regexp_replace(s, '[^0-9]+', '', 'g')",
    r"regexp_replace(s, '\D', '', 'g')",
    r"regexp_replace(s, '\s+', ' ', 'g')",
    r"regexp_replace(s, '^\s+|\s+$', '', 'g')",
    r"regexp_replace(s, '\s+$|^\s+', '<\&>', 'g')",
    r"regexp_replace(s, '[^a-z0-9]+', '-', 'gi')",
    r"regexp_replace(s, '@.*', '')",
    r"regexp_replace(s, '@.*$', '')",
    r"regexp_replace(s, '$', '!')",
    r"regexp_replace(s, '^', '+')",
    r"regexp_replace(s, '^(\d+)-(\d+)$', '\2/\1')",
    r"regexp_replace(s, '^(\w+)\s+(\w+)$', '\2, \1')",
    r"regexp_replace(s, '^\+?(\d{1,3})[ -](\d+)', '(\1) \2')",
    r"regexp_replace(s, '^(\d{3})(\d{3})(\d{4})$', '\1-\2-\3')",
    r"regexp_replace(s, '^(https?)://', '\1:')",
    r"regexp_replace(s, '(a|b)(c)?', '[\2\1]', 'g')",
    r"regexp_replace(s, 'ß', 'ss', 'g')",
    r"regexp_replace(s, '日|🙂', '\\', 'g')",
    r"regexp_replace(s, 'a', 'x\y\\z\&', 'gi')",
    r"regexp_replace(s, '(a)(?:b)', s, 'g')",
    r"regexp_replace(s, '(x){0}(a)', '[\2]')",
    r"regexp_replace(s, '\.', ',')",
    r"regexp_replace(s, '(?i)straße', 'Str.')",
    r"regexp_replace(s, '\p{Lu}', '(\&)', 'g')",
    r"regexp_replace(s, '[[:punct:]]', '', 'g')",
];

/// What PostgreSQL may find something else for.
const LOCAL: &[(&str, &str)] = &[
    (r"regexp_replace(s, 'a|ab', 'x')", "in several ways"),
    (r"regexp_replace(s, '(a)|(b)c|(a)d', '\3')", "in several ways"),
    (r"regexp_replace(s, 'a*?b', 'x')", "takes as little as it can"),
    (r"regexp_replace(s, 'x*', '-', 'g')", "may match an empty text, with `g`"),
    (r"regexp_replace(s, '(.*) (.*)', '\2')", "in several ways"),
    (r"regexp_replace(s, '\bab\b', 'x')", "words or lines"),
    (r"regexp_replace(s, '(?m)^a', 'x')", "words or lines"),
    (r"regexp_replace(s, '(?:(a)|b)+', '\1')", "a group is read several times"),
    (r"regexp_replace(s, '(?:(a)|b)+', s)", "a group is read several times"),
    (r"regexp_replace(s, '(x){0}(a)', '[\1][\2]')", "a group is never read"),
    (r"regexp_replace(s, '(x){0}(a)', s)", "a group is never read"),
    (r"regexp_replace(s, '(?:$|a)b?', 'x')", "not the last one"),
    (r"regexp_replace(s, 'a{300}', 'x')", "255"),
    (r"regexp_replace(s, '[a-z]{200}[0-9]{200}[a-z]{200}[0-9]{200}[a-z]{200}[0-9]{200}', 'x')", "too long"),
];

/// Texts of few characters, so that patterns find something.
fn texts(random: &mut Random, count: usize) -> Vec<Row> {
    let at = columns().iter().position(|(name, _)| name == "s").expect("a column of texts");
    let mut rows = rows(11, count);
    for row in rows.iter_mut().skip(2) {
        let length = random.below(9);
        let characters = ["a", "b", "A", "c", "1", "2", " ", "-", "\n", "ß", "é", "🙂", "_", "."];
        let text: String = (0..length).map(|_| characters[random.below(characters.len())]).collect();
        row[at] = Value::from(text.as_str());
    }
    rows
}

/// A pattern, often one that can be read in one way only.
fn pattern(random: &mut Random, depth: usize) -> String {
    let atoms = [
        "a", "b", "c", "A", "1", "-", " ", "é", "ß", ".", r"\d", r"\w", r"\s", r"\W", r"\D", "[ab]", "[^a]", "[^ab1]", "[a-c]",
        "[1-9_]", "^", "$", r"\.", "🙂", r"\p{Ll}", "", "[a&&b]", r"\b",
    ];
    match random.below(if depth == 0 { 1 } else { 8 }) {
        0..=2 => atoms[random.below(atoms.len())].to_owned(),
        3 | 4 => format!("{}{}", pattern(random, depth - 1), pattern(random, depth - 1)),
        5 => {
            let (open, close) = [("(", ")"), ("(?:", ")")][random.below(2)];
            format!("{open}{}|{}{close}", pattern(random, depth - 1), pattern(random, depth - 1))
        }
        6 => format!("({})", pattern(random, depth - 1)),
        _ => {
            let count = ["*", "+", "?", "{2}", "{1,3}", "{0,2}", "{2,}", "{0}", "*?", "??"][random.below(10)];
            format!("(?:{}){count}", pattern(random, depth - 1))
        }
    }
}

fn groups(pattern: &str) -> usize {
    pattern.matches('(').count() - pattern.matches("(?").count()
}

#[test]
fn patterns_of_every_day_are_given_to_postgres() {
    let database = Postgres::open();
    let rows = texts(&mut Random(3), 200);
    database.fill(&rows);
    let mut tally = Tally::default();
    for source in COMMON {
        let compiled = compile(source).unwrap_or_else(|e| panic!("{source}: {}", e.message));
        assert!(compare(&database, source, &compiled, &rows, &mut tally), "{source} is left to the engine");
    }
    assert!(tally.wrong.is_empty(), "{}", tally.wrong.join("\n"));
    for (source, reason) in LOCAL {
        let compiled = compile(source).unwrap_or_else(|e| panic!("{source}: {}", e.message));
        let local = render(&compiled, &["s".to_owned()], Dialect::Postgres).expect_err(source);
        assert!(local.reason.contains(reason), "{source}: {}", local.reason);
    }
}

#[test]
fn random_patterns_find_the_same_in_postgres() {
    let database = Postgres::open();
    let mut random = Random(17);
    let rows = texts(&mut random, 60);
    database.fill(&rows);
    let (mut tally, mut replaced) = (Tally::default(), 0);
    for _ in 0..100_000 {
        if tally.expressions == 700 {
            break;
        }
        let pattern = pattern(&mut random, 4);
        let replacement: String =
            (0..=random.below(3)).map(|_| ["<", r"\&", r"\1", r"\2", r"\3", r"\\", r"\x"][random.below(7)]).collect();
        let flags = ["", "g", "i", "gi"][random.below(4)];
        // One that is computed may name groups that there are not.
        let replacement =
            if random.below(4) == 0 { format!("concat_ws('', '{replacement}', s)") } else { format!("'{replacement}'") };
        let source = format!("regexp_replace(s, '{pattern}', {replacement}, '{flags}')");
        // A group that is not there, and what is too large.
        let Ok(compiled) = compile(&source) else { continue };
        if compare(&database, &source, &compiled, &rows, &mut tally) {
            let reads = |value: &Value| compiled.eval(&[value]).is_ok_and(|made| made != *value);
            let at = columns().iter().position(|(name, _)| name == "s").expect("a column of texts");
            let ExprKind::Call(..) = compiled.root().kind else { continue };
            replaced += usize::from(groups(&pattern) > 0 && rows.iter().any(|row| reads(&row[at])));
        }
    }
    assert!(
        tally.wrong.is_empty(),
        "{} of {}:\n{}",
        tally.wrong.len(),
        tally.expressions,
        tally.wrong[..tally.wrong.len().min(10)].join("\n")
    );
    assert!(
        tally.expressions == 700 && replaced > 100,
        "{} patterns, {replaced} with groups that were replaced",
        tally.expressions
    );
}
