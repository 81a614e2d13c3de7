//! From tokens to statements. A semicolon ends one, but not in quotes, in comments, or in the body of a routine.

use std::ops::Range;

use super::{Kind, SqlDialect, Token, lex};

/// A statement, or a command of a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Piece<'a> {
    /// Its tokens, without comments and without the semicolon.
    pub(crate) tokens: Vec<Token<'a>>,
    /// The comments before it and in it.
    pub(crate) comments: Vec<Token<'a>>,
    /// Which of several texts it is in.
    pub(crate) part: usize,
}

impl<'a> Piece<'a> {
    fn take(tokens: &mut Vec<Token<'a>>, comments: &mut Vec<Token<'a>>) -> Self {
        Self { tokens: std::mem::take(tokens), comments: std::mem::take(comments), part: 0 }
    }

    /// Moves it to its place in several texts that stand one after the other.
    pub(crate) fn shift(&mut self, by: usize, part: usize) {
        self.tokens.iter_mut().chain(&mut self.comments).for_each(|token| token.start += by);
        self.part = part;
    }

    /// Returns its bytes, from the first token to the last.
    pub(crate) fn span(&self) -> Range<usize> {
        let start = self.tokens.first().map_or(0, |token| token.start);
        start..self.tokens.last().map_or(start, Token::end)
    }
}

/// Cuts a text into its statements, and returns the bytes of each: without the semicolon, and without the comments around it.
///
/// Nothing is understood, so nothing is refused: a quote that is never closed makes the rest of the text one statement, which
/// the database will refuse.
pub fn statements(text: &str, dialect: SqlDialect) -> Vec<Range<usize>> {
    let (pieces, _) = pieces(text, dialect);
    pieces.iter().filter(|piece| piece.tokens[0].kind != Kind::Client).map(Piece::span).collect()
}

/// Cuts a text into its statements; beside them the comments after the last one.
pub(crate) fn pieces(text: &str, dialect: SqlDialect) -> (Vec<Piece<'_>>, Vec<Token<'_>>) {
    let mut out = Vec::new();
    let mut delimiter = ";".to_owned();
    let (mut tokens, mut comments): (Vec<Token<'_>>, Vec<Token<'_>>) = (Vec::new(), Vec::new());
    let mut body = Body::default();
    let mut done_to = 0;
    for token in lex(text, dialect) {
        if token.start < done_to {
            continue;
        }
        match token.kind {
            Kind::Comment => comments.push(token),
            Kind::Client => {
                if !tokens.is_empty() {
                    out.push(Piece::take(&mut tokens, &mut comments));
                }
                if dialect == SqlDialect::MySql {
                    // `DELIMITER` with nothing after it is refused by the client, and changes nothing.
                    let new = token.text.split_whitespace().nth(1).unwrap_or(";");
                    new.clone_into(&mut delimiter);
                }
                out.push(Piece::take(&mut vec![token], &mut comments));
                body = Body::default();
            }
            _ if text[token.start..].starts_with(&delimiter) && (delimiter != ";" || !body.is_open()) => {
                done_to = token.start + delimiter.len();
                if !tokens.is_empty() {
                    out.push(Piece::take(&mut tokens, &mut comments));
                }
                body = Body::default();
            }
            _ => {
                body.see(&token, tokens.last(), tokens.len());
                tokens.push(token);
            }
        }
    }
    if !tokens.is_empty() {
        out.push(Piece::take(&mut tokens, &mut comments));
    }
    (out, comments)
}

/// Whether the tokens of a statement are in the body of a routine or trigger, whose semicolons are its own.
#[derive(Debug, Default)]
struct Body {
    creates: bool,
    routine: bool,
    depth: usize,
    after_end: bool,
}

impl Body {
    fn see(&mut self, token: &Token<'_>, previous: Option<&Token<'_>>, index: usize) {
        let any = |words: &[&str]| words.iter().any(|word| token.is(word));
        if index == 0 {
            self.creates = token.is("CREATE");
        }
        // `CREATE TABLE trigger (…)` makes no routine: the word stands close to the front.
        let named = previous.is_some_and(|p| p.is("TABLE") || p.is("INDEX") || p.is("VIEW") || p.is_sign('.'));
        if self.creates && index < 12 && self.depth == 0 && !named && any(&["TRIGGER", "PROCEDURE", "FUNCTION", "EVENT"]) {
            self.routine = true;
        }
        if !self.routine {
            return;
        }
        let after_end = std::mem::replace(&mut self.after_end, false);
        if token.is("END") {
            self.depth = self.depth.saturating_sub(1);
            self.after_end = true;
        } else if after_end && any(&["IF", "CASE", "LOOP", "WHILE", "REPEAT"]) {
            // `END IF` closes what `IF` opened.
        } else if token.is("BEGIN") || (self.depth > 0 && token.is("CASE")) {
            self.depth += 1;
        } else if self.depth > 0 && any(&["IF", "LOOP", "WHILE", "REPEAT"]) && previous.is_some_and(begins_statement) {
            // Elsewhere they are functions, or belong to `IF EXISTS`.
            self.depth += 1;
        }
    }

    fn is_open(&self) -> bool {
        self.depth > 0
    }
}

/// Whether a statement of a body begins after this token.
fn begins_statement(previous: &Token<'_>) -> bool {
    let words = ["BEGIN", "THEN", "ELSE", "DO", "LOOP", "REPEAT"];
    previous.is_sign(';') || previous.is_sign(':') || words.iter().any(|word| previous.is(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(text: &str, dialect: SqlDialect) -> Vec<&str> {
        statements(text, dialect).into_iter().map(|span| &text[span]).collect()
    }

    #[test]
    fn only_semicolons_between_statements_cut() {
        use SqlDialect::{MySql, Postgres, Sqlite};
        for (dialect, text, expected) in [
            (Postgres, "a; b ;; -- c;\n d", vec!["a", "b", "d"]),
            (Postgres, "select ';', $$;$$, \";\" /* ; */; x", vec!["select ';', $$;$$, \";\"", "x"]),
            (Postgres, "", vec![]),
            (Postgres, "-- only a comment;", vec![]),
            (
                Postgres,
                "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; SELECT CASE WHEN a THEN 1 END; END; x",
                vec!["CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; SELECT CASE WHEN a THEN 1 END; END", "x"],
            ),
            (
                Sqlite,
                "CREATE TRIGGER t AFTER INSERT ON a BEGIN UPDATE a SET b = 1; END; BEGIN; x; END",
                vec!["CREATE TRIGGER t AFTER INSERT ON a BEGIN UPDATE a SET b = 1; END", "BEGIN", "x", "END"],
            ),
            (
                MySql,
                "CREATE PROCEDURE p() BEGIN IF a THEN b; END IF; WHILE a DO b; END WHILE; SELECT REPEAT('a', IF(b, 1, 2)); END; x",
                vec![
                    "CREATE PROCEDURE p() BEGIN IF a THEN b; END IF; WHILE a DO b; END WHILE; SELECT REPEAT('a', IF(b, 1, 2)); END",
                    "x",
                ],
            ),
            (
                MySql,
                "DELIMITER //\nCREATE TRIGGER t BEFORE INSERT ON a FOR EACH ROW BEGIN x; END//\nDELIMITER ;\ny; z",
                vec!["CREATE TRIGGER t BEFORE INSERT ON a FOR EACH ROW BEGIN x; END", "y", "z"],
            ),
            (Postgres, "CREATE TABLE trigger (a int); BEGIN; x", vec!["CREATE TABLE trigger (a int)", "BEGIN", "x"]),
            (Postgres, "a; 'b; c", vec!["a", "'b; c"]),
        ] {
            assert_eq!(cut(text, dialect), expected, "{text}");
        }
    }
}
