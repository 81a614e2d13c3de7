//! Which types are stored the same way, and which defaults are the same for every row.

use super::super::form::Type;
use crate::sql::{Kind, Token};

/// Functions whose value is the same throughout a statement. Any other may differ from row to row.
const STABLE: [&str; 40] = [
    "now",
    "transaction_timestamp",
    "statement_timestamp",
    "current_timestamp",
    "current_date",
    "current_time",
    "localtimestamp",
    "localtime",
    "current_user",
    "session_user",
    "current_setting",
    "lower",
    "upper",
    "coalesce",
    "nullif",
    "greatest",
    "least",
    "to_timestamp",
    "to_date",
    "to_char",
    "make_interval",
    "make_date",
    "md5",
    "date_trunc",
    "extract",
    "concat",
    "format",
    "length",
    "replace",
    "round",
    "floor",
    "ceil",
    "abs",
    "json_build_object",
    "jsonb_build_object",
    "json_build_array",
    "jsonb_build_array",
    "to_json",
    "to_jsonb",
    "timezone",
];

/// Returns whether PostgreSQL keeps the rows as they are when a column of one type gets the other.
pub(super) fn same_storage(old: &Type, new: &Type, utc: bool) -> bool {
    let number = |ty: &Type, index: usize| ty.arguments.get(index).and_then(|text| text.trim().parse::<u64>().ok());
    let wider = |index: usize| match (number(old, index), number(new, index)) {
        (_, None) => true,
        (None, Some(_)) => false,
        (Some(old), Some(new)) => new >= old,
    };
    match (old.base.as_str(), new.base.as_str()) {
        ("varchar", "text") | ("text", "varchar") if new.arguments.is_empty() => true,
        ("varchar" | "bit varying" | "varbit" | "timestamp" | "timestamptz" | "time" | "timetz", same) if old.base == same => {
            wider(0)
        }
        ("numeric", "numeric") => {
            new.arguments.is_empty()
                || (!old.arguments.is_empty() && wider(0) && number(old, 1).unwrap_or(0) == number(new, 1).unwrap_or(0))
        }
        ("cidr", "inet") => true,
        ("timestamp", "timestamptz") | ("timestamptz", "timestamp") => utc,
        (one, other) => one == other && old.arguments == new.arguments,
    }
}

/// Returns whether a type is one that most columns can get without being written anew, where the old one is not known.
pub(super) fn is_wide(ty: &Type) -> bool {
    matches!(ty.base.as_str(), "text" | "varchar" | "numeric" | "inet") && ty.arguments.is_empty()
}

/// Returns whether a default may differ from row to row.
pub(super) fn is_volatile(default: &[Token<'_>]) -> bool {
    default.windows(2).enumerate().any(|(at, pair)| {
        let call = matches!(pair[0].kind, Kind::Word | Kind::Quoted) && pair[1].is_sign('(');
        let name = pair[0].text.trim_matches('"').to_ascii_lowercase();
        let before = at.checked_sub(1).map(|before| &default[before]);
        // `'1'::numeric(10, 2)`, `CAST('1' AS numeric(10, 2))`: a type, no call.
        let ty = before.is_some_and(|token| token.is_sign(':') || token.is("AS"));
        let syntax =
            ["cast", "array", "row", "interval", "and", "or", "not", "in", "then", "else", "when"].contains(&name.as_str());
        call && !ty && !syntax && !STABLE.contains(&name.as_str())
    })
}
