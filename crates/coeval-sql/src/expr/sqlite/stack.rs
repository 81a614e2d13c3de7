//! How much of its parser's stack SQLite needs for an expression.
//!
//! The parser of versions before 3.46 has a stack of one hundred entries, and a trigger that it cannot read makes the whole database
//! unreadable to it. What an expression needs is known from the grammar: the entries that lie there while its innermost part is read.
//! Compared with SQLite 3.40.1, what is
//! found here is as much as is needed or one more, for long texts that this crate makes.

/// The entries that a trigger leaves for an expression in `UPDATE … SET (…) = (SELECT …)`.
const LEFT: usize = 81;

/// Whether an expression can stand in a trigger.
pub(crate) fn fits(sql: &str) -> bool {
    needed(sql) <= LEFT
}

/// What encloses the tokens that are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Top,
    Parentheses,
    Call,
    List,
    Case,
    Select,
    Values,
    With,
}

/// A construct that is not closed.
struct Frame {
    kind: Kind,
    /// The entries that it takes at this place.
    own: usize,
    /// The precedences of operators that wait for what is right of them, and the entries of each.
    operators: Vec<(u8, usize)>,
    whens: usize,
    in_from: bool,
    between: bool,
}

impl Frame {
    fn new(kind: Kind, own: usize) -> Self {
        Self { kind, own, operators: Vec::new(), whens: 0, in_from: false, between: false }
    }

    fn entries(&self) -> usize {
        self.own + self.operators.iter().map(|(_, entries)| entries).sum::<usize>()
    }

    /// Goes on to another part of the construct.
    fn part(&mut self, own: usize) {
        self.operators.clear();
        self.own = own;
    }

    fn operator(&mut self, precedence: u8, entries: usize) {
        while self.operators.last().is_some_and(|(waiting, _)| *waiting >= precedence) {
            self.operators.pop();
        }
        self.operators.push((precedence, entries));
    }
}

/// The entries that an expression needs.
#[allow(clippy::single_match_else, reason = "an operator or an operand: two ways of one weight")]
pub(crate) fn needed(sql: &str) -> usize {
    let mut frames = vec![Frame::new(Kind::Top, 0)];
    let (mut most, mut previous, mut after_operand, mut after_name) = (0, "", false, false);
    for token in tokens(sql) {
        let around: usize = frames.iter().map(Frame::entries).sum();
        let Some(frame) = frames.last_mut() else { break };
        let was_operand = std::mem::replace(&mut after_operand, false);
        match token {
            "(" => {
                let opened = match previous {
                    _ if frame.in_from && was_operand => Frame::new(Kind::Call, 4),
                    "CAST" | "EXISTS" => Frame::new(Kind::Parentheses, 2),
                    // One of the named selects, whose parenthesis is counted.
                    "AS" if frame.kind == Kind::With => Frame::new(Kind::Parentheses, 0),
                    "IN" | "VALUES" => Frame::new(Kind::List, 1),
                    _ if frame.kind == Kind::Values => Frame::new(Kind::List, 1),
                    _ if was_operand && after_name => Frame::new(Kind::Call, 3),
                    _ => Frame::new(Kind::Parentheses, 1),
                };
                frames.push(opened);
            }
            ")" => {
                while frames.last().is_some_and(|frame| matches!(frame.kind, Kind::Select | Kind::Values | Kind::With)) {
                    frames.pop();
                }
                frames.pop();
                after_operand = true;
            }
            "CASE" => frames.push(Frame::new(Kind::Case, 1)),
            "WHEN" => {
                frame.whens += 1;
                frame.part(if frame.whens == 1 { 3 } else { 4 });
            }
            "THEN" => frame.part(if frame.whens == 1 { 5 } else { 6 }),
            "ELSE" => frame.part(4),
            "END" => {
                frames.pop();
                after_operand = true;
            }
            "WITH" => frames.push(Frame::new(Kind::With, 7)),
            "RECURSIVE" if frame.kind == Kind::With => frame.part(8),
            "SELECT" => {
                if frame.kind == Kind::With {
                    frame.part(3);
                }
                frames.push(Frame::new(Kind::Select, 4));
            }
            "VALUES" => frames.push(Frame::new(Kind::Values, 2)),
            "FROM" | "WHERE" | "ORDER" | "GROUP" | "HAVING" | "LIMIT" | "OFFSET" | "UNION" | "JOIN" | "LEFT" | "ON"
                if frame.kind == Kind::Select =>
            {
                frame.part(match token {
                    "FROM" | "WHERE" => 5,
                    "JOIN" | "LEFT" => 7,
                    "LIMIT" => 9,
                    "ON" => 10,
                    "UNION" => 2,
                    _ => 11,
                });
                frame.in_from = matches!(token, "FROM" | "JOIN" | "LEFT");
            }
            "AS" => {
                let own = match frame.kind {
                    Kind::With => frame.own,
                    Kind::Select if frame.in_from => 9,
                    Kind::Select => 7,
                    _ => frame.own + 2,
                };
                frame.part(own);
            }
            "ALL" | "BY" | "DISTINCT" | "ASC" | "DESC" => {}
            "," => {
                let own = match frame.kind {
                    Kind::Call => 5,
                    Kind::List => 3,
                    Kind::Select if frame.in_from => 5,
                    Kind::Select => 4,
                    Kind::Top | Kind::Parentheses | Kind::Case | Kind::Values | Kind::With => frame.own,
                };
                frame.part(own);
            }
            // `IS NOT`, and `NOT` before `GLOB`, `IN` and the like.
            "NOT" if previous == "IS" => {
                if let Some(last) = frame.operators.last_mut() {
                    last.1 = 3;
                }
            }
            "NOT" if was_operand => after_operand = true,
            "NOT" => frame.operators.push((3, 1)),
            "AND" if frame.between => {
                frame.between = false;
                frame.operator(4, 4);
            }
            "+" | "-" if !was_operand => frame.operators.push((12, 1)),
            _ => {
                if let Some(precedence) = precedence(token).filter(|_| was_operand) {
                    frame.between |= token == "BETWEEN";
                    frame.operator(precedence, 2);
                } else {
                    after_operand = true;
                    after_name = token.starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '_' | '"'));
                    let table = frame.in_from && frame.own == 5;
                    most = most.max(
                        around
                            + if table {
                                4
                            } else if previous == "." {
                                3
                            } else {
                                1
                            },
                    );
                }
            }
        }
        most = most.max(frames.iter().map(Frame::entries).sum::<usize>() + 1);
        previous = token;
    }
    most
}

fn precedence(token: &str) -> Option<u8> {
    Some(match token {
        "OR" => 1,
        "AND" => 2,
        "IS" | "GLOB" | "LIKE" | "BETWEEN" | "IN" | "=" | "<>" => 4,
        "<" | ">" | "<=" | ">=" => 5,
        "&" | "|" | "<<" | ">>" => 7,
        "+" | "-" => 8,
        "*" | "/" | "%" => 9,
        "||" | "->" | "->>" => 10,
        "COLLATE" => 11,
        _ => return None,
    })
}

/// The tokens of a text, without spaces.
fn tokens(sql: &str) -> impl Iterator<Item = &str> {
    let mut rest = sql;
    std::iter::from_fn(move || {
        rest = rest.trim_start();
        let first = rest.chars().next()?;
        let word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '@' | '~');
        let length = match first {
            '\'' | '"' => quoted(rest, first),
            c if word(c) => {
                let number = c.is_ascii_digit();
                rest.find(|c: char| !(word(c) || number && c == '.')).unwrap_or(rest.len())
            }
            _ if rest.starts_with("->>") => 3,
            _ if ["->", "||", "<>", "<=", ">=", "<<", ">>"].iter().any(|operator| rest.starts_with(operator)) => 2,
            c => c.len_utf8(),
        };
        let (token, after) = rest.split_at(length);
        rest = after;
        Some(token)
    })
}

/// The length of a text in quotation marks, which are doubled within it.
fn quoted(text: &str, mark: char) -> usize {
    let mut at = 1;
    while let Some(end) = text[at..].find(mark) {
        at += end + 1;
        if !text[at..].starts_with(mark) {
            return at;
        }
        at += 1;
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_less_than_sqlite_needs() {
        // SQLite 3.40.1 needs as many or fewer, by how many parentheses around each it reads in a trigger.
        let cases = [
            ("1", 1),
            ("n.a", 3),
            ("f(a, b)", 6),
            ("a OR b AND c = d || e", 9),
            ("CASE WHEN a THEN b ELSE (c) END", 6),
            ("(SELECT a FROM (SELECT b AS x) AS y)", 15),
            ("(SELECT x.k FROM json_each(a, b) AS x ORDER BY x.k)", 15),
            ("EXISTS (SELECT 1 FROM z)", 11),
            ("CAST((a) AS TEXT)", 5),
            ("a IS NOT b AND NOT c", 4),
            ("a BETWEEN b AND c + 1", 7),
            ("a NOT IN (1, 2, 3)", 6),
            ("1 << a & 2", 3),
            ("(SELECT w FROM (WITH z AS (SELECT a AS w), y AS (SELECT w FROM z) SELECT w FROM y) AS q)", 23),
            ("(WITH RECURSIVE r(i, j) AS (SELECT a, 1 UNION ALL SELECT i + 1, j FROM r) SELECT j FROM r)", 20),
        ];
        for (sql, most) in cases {
            assert_eq!(needed(sql), most, "{sql}");
        }
    }

    #[test]
    fn what_stands_in_quotation_marks_is_no_syntax() {
        assert_eq!(needed("'((((('"), 1);
        assert_eq!(needed("'it''s ((' || \"a(\""), 3);
    }
}
