//! Names and strings in quotation marks, and names that are not too long.

pub use coeval_plan::table::fit;

use crate::Dialect;

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

/// Returns the body of a function in PostgreSQL, between marks that it does not hold.
pub fn body(text: &str) -> String {
    let mut mark = "$coeval$".to_owned();
    while text.contains(&mark) {
        mark.insert(1, '_');
    }
    format!("{mark}{text}{mark}")
}

/// Returns the language of a function in PL/pgSQL, and its body.
///
/// Where the server plans an expression for the values that variables have, it computes all of it beforehand that follows from them,
/// the branches of a CASE as well that are not taken; and these may fail. It does so where there is a subselect.
pub(crate) fn plpgsql(text: &str) -> String {
    let plan = if text.contains("(SELECT") { " SET plan_cache_mode TO force_generic_plan" } else { "" };
    format!("LANGUAGE plpgsql{plan} AS {}", body(text))
}

/// Returns what stands in the body at the end of a statement, made with [`body`].
pub fn body_of(statement: &str) -> Option<&str> {
    let mark = &statement[statement.strip_suffix('$')?.rfind('$')?..];
    // What stands before the body may hold the marks, in a name.
    statement.strip_suffix(mark)?.rsplit_once(mark).map(|(_, body)| body)
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
    fn a_body_cannot_be_left() {
        for text in ["", "\nEND\n", "\"$coeval$\" $$ $_coeval$ \n"] {
            let statement = format!("CREATE FUNCTION \"$coeval$\"() AS {}", body(text));
            assert_eq!(body_of(&statement), Some(text));
        }
        assert_eq!(body("a"), "$coeval$a$coeval$");
        assert_eq!(body_of("SELECT 1"), None);
    }
}
