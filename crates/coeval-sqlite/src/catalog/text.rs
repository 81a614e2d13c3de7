//! What only the text of a `CREATE TABLE` says: SQLite keeps the text, and tells the rest of it in tables of its own.

/// A part of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Token<'t> {
    kind: Kind,
    text: &'t str,
    /// Where it begins and ends, in bytes.
    start: usize,
    end: usize,
    /// How many brackets are open around it.
    depth: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A keyword, a number, or a name without quotes.
    Word,
    /// A name in quotes of any kind, or a string.
    Quoted,
    /// Any other character.
    Sign,
}

/// What the text of a `CREATE TABLE` says beside what SQLite tells.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Said {
    /// Its checks: a name, where it has one, and an expression.
    pub(super) checks: Vec<(Option<String>, String)>,
    /// The expression of each column that is computed.
    pub(super) generated: Vec<(String, String)>,
    /// How each column is compared, where it says so.
    pub(super) collations: Vec<(String, String)>,
    /// Whether keys of rows that were deleted are not given again.
    pub(super) autoincrement: bool,
}

/// Reads the text of a `CREATE TABLE` that SQLite has accepted.
pub(super) fn read(sql: &str) -> Said {
    let tokens = tokens(sql);
    let mut said = Said::default();
    // What is within the outermost brackets, and in none beneath.
    let mut column = None;
    let mut begins = false;
    for (at, token) in tokens.iter().enumerate() {
        if token.depth == 1 && (token.text == "," || token.text == "(") {
            (column, begins) = (None, true);
            continue;
        }
        if token.depth != 1 {
            continue;
        }
        if begins {
            begins = false;
            column = (!is_constraint(token)).then(|| unquoted(token));
        }
        let next = tokens.get(at + 1);
        if is(token, "check") {
            if let Some(expression) = bracketed(sql, &tokens, at + 1) {
                said.checks.push((constraint_name(&tokens, at), expression));
            }
        } else if is(token, "as") {
            if let (Some(column), Some(expression)) = (&column, bracketed(sql, &tokens, at + 1)) {
                said.generated.push((column.clone(), expression));
            }
        } else if is(token, "collate") {
            if let (Some(column), Some(collation)) = (&column, next) {
                said.collations.push((column.clone(), unquoted(collation)));
            }
        } else if is(token, "autoincrement") {
            said.autoincrement = true;
        }
    }
    said
}

fn is(token: &Token<'_>, keyword: &str) -> bool {
    token.kind == Kind::Word && token.text.eq_ignore_ascii_case(keyword)
}

fn is_constraint(token: &Token<'_>) -> bool {
    ["constraint", "primary", "unique", "check", "foreign"].iter().any(|keyword| is(token, keyword))
}

/// Returns the name that stands before a constraint.
fn constraint_name(tokens: &[Token<'_>], at: usize) -> Option<String> {
    let named = at.checked_sub(2).map(|before| &tokens[before]).is_some_and(|before| is(before, "constraint"));
    named.then(|| unquoted(&tokens[at - 1]))
}

/// Returns the text within the brackets that open at a token.
fn bracketed(sql: &str, tokens: &[Token<'_>], at: usize) -> Option<String> {
    let open = tokens.get(at).filter(|token| token.text == "(")?;
    let close = tokens[at + 1..].iter().find(|token| token.text == ")" && token.depth == open.depth)?;
    Some(sql[open.end..close.start].trim().to_owned())
}

/// Returns a name without its quotes.
fn unquoted(token: &Token<'_>) -> String {
    let inner = || token.text.get(1..token.text.len() - 1).unwrap_or_default();
    match token.text.chars().next() {
        Some('[') => inner().to_owned(),
        Some(quote @ ('"' | '`' | '\'')) => inner().replace(&format!("{quote}{quote}"), &quote.to_string()),
        _ => token.text.to_owned(),
    }
}

/// Parts a text.
fn tokens(sql: &str) -> Vec<Token<'_>> {
    let mut out = Vec::new();
    let (mut at, mut depth) = (0, 0_usize);
    while let Some(first) = sql[at..].chars().next() {
        let rest = &sql[at..];
        let (kind, length) = if first.is_whitespace() {
            at += first.len_utf8();
            continue;
        } else if rest.starts_with("--") {
            at += rest.find('\n').unwrap_or(rest.len());
            continue;
        } else if rest.starts_with("/*") {
            at += rest.find("*/").map_or(rest.len(), |end| end + 2);
            continue;
        } else if first == '[' {
            (Kind::Quoted, rest.find(']').map_or(rest.len(), |end| end + 1))
        } else if ['\'', '"', '`'].contains(&first) {
            (Kind::Quoted, quoted(rest, first))
        } else if is_word(first) {
            (Kind::Word, rest.find(|c| !is_word(c)).unwrap_or(rest.len()))
        } else {
            (Kind::Sign, first.len_utf8())
        };
        let text = &rest[..length];
        // A pair of brackets has the depth of what is within it.
        if text == "(" {
            depth += 1;
        }
        out.push(Token { kind, text, start: at, end: at + length, depth });
        if text == ")" {
            depth = depth.saturating_sub(1);
        }
        at += length;
    }
    out
}

/// Returns the length of a text in quotes, in which two of them stand for one.
fn quoted(text: &str, quote: char) -> usize {
    let mut at = 1;
    while let Some(end) = text[at..].find(quote) {
        at += end + 1;
        if !text[at..].starts_with(quote) {
            return at;
        }
        at += 1;
    }
    text.len()
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == '$' || !c.is_ascii()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(found: &[(String, String)]) -> Vec<(&str, &str)> {
        found.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect()
    }

    #[test]
    fn what_a_text_says_is_found() {
        let said = read(
            "CREATE TABLE \"odd (name, CHECK (\" ( -- a comment, CHECK (no)
               id INTEGER PRIMARY KEY AUTOINCREMENT,
               \"a, b\" TEXT COLLATE nocase DEFAULT 'CHECK (1)' CHECK (length(\"a, b\") > (0)), /* , check (x) */
               [check] DECIMAL(10, 2) CONSTRAINT \"my \"\"own\"\"\" CHECK ([check] IN (1, ')', 2)) COLLATE \"binary\",
               twice INT GENERATED ALWAYS AS (id * 2) STORED,
               thrice AS (id * 3),
               CHECK (id <> 7) CONSTRAINT last CHECK ( id<9 ), UNIQUE (\"a, b\" COLLATE rtrim)
             ) STRICT",
        );
        let checks: Vec<_> = said.checks.iter().map(|(name, text)| (name.as_deref(), text.as_str())).collect();
        let expected = [
            (None, "length(\"a, b\") > (0)"),
            (Some("my \"own\""), "[check] IN (1, ')', 2)"),
            (None, "id <> 7"),
            (Some("last"), "id<9"),
        ];
        assert_eq!(checks, expected);
        assert_eq!(pairs(&said.generated), [("twice", "id * 2"), ("thrice", "id * 3")]);
        assert_eq!(pairs(&said.collations), [("a, b", "nocase"), ("check", "binary")]);
        assert!(said.autoincrement);
    }

    #[test]
    fn what_it_does_not_say_is_not_found() {
        let said = read("CREATE TABLE t (a 'AUTOINCREMENT', \"check\" TEXT, b DEFAULT (CAST(1 AS TEXT)), c DEFAULT \"as\")");
        assert_eq!(said, Said::default());
        assert_eq!(read("CREATE TABLE t (a, b"), Said::default());
    }
}
