//! The page of the manual about the rules, written from their table.

use std::fmt::Write as _;

use super::{Rule, mysql, postgres, shared, sqlite};

const HEAD: &str = "\
# What `coeval lint` finds in SQL

Written by `coeval lint --rules`; do not edit.

`coeval lint` looks through SQL that people wrote: the `sql` of standalone migrations, raw `sql` operations, and files that are
named on the command line. Each finding has a stable code. Errors and warnings make the command exit with 1, notes do not.
Nothing is flagged on a table that the same text creates: nobody uses it yet. What earlier migrations declare (types of columns,
validated constraints) is known to later ones.

## Allowing a finding

A comment right above a statement, in the SQL itself, with the reason:

```sql
-- coeval-lint: allow SQL017-drop-column: because nothing has read it since version 12
ALTER TABLE users DROP COLUMN fax;
```

A comment without a reason, with a code that does not exist, or that allows nothing is a finding of its own. Several codes are
written with commas between them. What the codes `SQL000-suppression-without-reason`, `SQL000-unused-suppression`,
`SQL000-unknown-code` and `SQL000-unclosed-quote` find cannot be allowed.
";

/// What stands in the page for what a finding fills in.
const GENERAL: &[(&str, &str)] = &[
    ("{unique}", "[UNIQUE] "),
    ("{name}ON {on}", "NAME ON TABLE (…)"),
    ("{table}", "TABLE"),
    ("{bare}", "TABLE"),
    ("{column}", "COLUMN"),
    ("{plain}", "COLUMN"),
    ("{columns}", "COLUMNS"),
    ("{name}", "NAME"),
    ("{other}", "OTHER"),
    ("{type}", "TYPE"),
    ("{value}", "VALUE"),
    ("{code}", "CODE"),
    ("{what}", "WHAT IS DONE"),
    ("{word}", "UPDATE or DELETE"),
    ("{quote}", "a quote or comment"),
    ("{block}", "`DO`, `CALL` or another file"),
    ("{why}", "the parser says why"),
    ("{near}", "the nearest code is named"),
];

/// Returns the page, in Markdown.
pub fn page() -> String {
    let mut out = HEAD.to_owned();
    let parts = [
        ("Every dialect", shared::ALL),
        ("PostgreSQL", postgres::ALL),
        ("MySQL and MariaDB", mysql::ALL),
        ("SQLite", sqlite::ALL),
    ];
    for (title, rules) in parts {
        // Writing to a string cannot fail.
        let _ = write!(out, "\n## {title}\n");
        for rule in rules {
            section(rule, &mut out);
        }
    }
    out
}

fn section(rule: &Rule, out: &mut String) {
    let general = |text: &str| GENERAL.iter().fold(text.to_owned(), |text, (name, word)| text.replace(name, word));
    let _ = write!(out, "\n### {}\n\n{}: {}.\n", rule.code, capital(rule.level.name()), general(rule.why));
    let _ = write!(out, "\nInstead: {}.\n", general(rule.help));
}

fn capital(word: &str) -> String {
    let mut chars = word.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}
