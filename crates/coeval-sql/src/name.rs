//! Names and strings in quotation marks, and names that are not too long.

use coeval_core::Value;

use crate::Dialect;

/// How many bytes a name has at most; PostgreSQL cuts longer ones without an error.
const LIMIT: usize = 63;
/// How many hexadecimal digits tell apart names that begin alike: 64 bits.
const DIGITS: usize = 16;

/// Returns the name of a table, column or anything else in quotation marks, so that no word is reserved and no character special.
///
/// A name must not contain NUL, which no dialect can spell; a NUL is dropped.
pub fn ident(name: &str) -> String {
    format!("\"{}\"", name.replace('\0', "").replace('"', "\"\""))
}

/// Returns a name with the schema that it lies in.
pub fn qualified(schema: &str, name: &str) -> String {
    format!("{}.{}", ident(schema), ident(name))
}

/// Returns a text as a string literal, which means the same whatever the session's settings are.
///
/// The text must not contain NUL, which no dialect can hold; a NUL is dropped, and [`crate::literal`] refuses it.
pub fn string(text: &str, dialect: Dialect) -> String {
    let quoted = text.replace('\0', "").replace('\'', "''");
    match dialect {
        // A backslash is special or not by `standard_conforming_strings`; with an E it always is.
        Dialect::Postgres if quoted.contains('\\') => format!("E'{}'", quoted.replace('\\', "\\\\")),
        Dialect::Postgres | Dialect::Sqlite => format!("'{quoted}'"),
    }
}

/// Returns the name itself where it is short enough, else its beginning and a hash of all of it.
///
/// The same name gives the same result always. Two names give two results: a short name that looks like the result of a long
/// one is taken for a long one too.
pub fn fit(name: &str) -> String {
    if name.len() <= LIMIT && !looks_cut(name) {
        return name.to_owned();
    }
    let digest = Value::from(name).digest();
    let hash: String = digest.chars().filter(char::is_ascii_hexdigit).take(DIGITS).collect();
    let mut end = name.len().min(LIMIT - DIGITS - 1);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}~{hash}", &name[..end])
}

/// Whether a name ends as the results of [`fit`] do.
fn looks_cut(name: &str) -> bool {
    name.rsplit_once('~').is_some_and(|(_, end)| end.len() == DIGITS && end.bytes().all(|b| b.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_strings_cannot_be_left() {
        assert_eq!(ident("a\"; drop table x; --"), "\"a\"\"; drop table x; --\"");
        assert_eq!(qualified("shop_v7", "select"), "\"shop_v7\".\"select\"");
        assert_eq!(string("O'Neil", Dialect::Sqlite), "'O''Neil'");
        assert_eq!(string("a\\'; --", Dialect::Postgres), "E'a\\\\''; --'");
        assert_eq!(string("a\\'; --", Dialect::Sqlite), "'a\\''; --'");
    }

    #[test]
    fn long_names_are_cut_and_stay_different() {
        assert_eq!(fit("price"), "price");
        assert_eq!(fit(&"x".repeat(63)), "x".repeat(63));
        let (a, b) = (fit(&format!("{}a", "é".repeat(40))), fit(&format!("{}b", "é".repeat(40))));
        assert!(a.len() <= 63 && b.len() <= 63 && a != b, "{a} {b}");
        assert_eq!(a, fit(&format!("{}a", "é".repeat(40))));
        assert!(a.starts_with(&"é".repeat(23)), "{a}");
        // A name that is the result of another is not its own result.
        assert_ne!(fit(&a), a);
    }
}
