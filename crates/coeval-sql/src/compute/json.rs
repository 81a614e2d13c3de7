//! JSON in the two dialects: `jsonb` in PostgreSQL, text in SQLite. SQL's NULL is absence, JSON's null is null.

use coeval_core::Value;

use crate::dialect::Dialect;
use crate::name::string;

/// JSON's null.
pub(crate) fn null(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Postgres => "'null'::pg_catalog.jsonb",
        Dialect::Sqlite => "'null'",
    }
}

/// The empty object.
pub(crate) fn empty(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Postgres => "'{}'::pg_catalog.jsonb",
        Dialect::Sqlite => "'{}'",
    }
}

/// The member of an object, as JSON; NULL where there is none, or no object.
pub(crate) fn member(object: &str, name: &str, dialect: Dialect) -> String {
    match dialect {
        Dialect::Postgres => format!("({object} -> {})", string(name, dialect)),
        Dialect::Sqlite => format!("({object} -> {})", string(&sqlite_path(name), dialect)),
    }
}

/// The path of a member in SQLite's notation: the name as JSON has it.
fn sqlite_path(name: &str) -> String {
    format!("$.{}", Value::from(name))
}

/// Whether it is an object; never NULL.
pub(crate) fn is_object(json: &str, dialect: Dialect) -> String {
    match dialect {
        Dialect::Postgres => format!("(pg_catalog.jsonb_typeof({json}) IS NOT DISTINCT FROM 'object')"),
        Dialect::Sqlite => format!("(json_type({json}) IS 'object')"),
    }
}

/// The value as an expression sees it: JSON's null is SQL's NULL.
pub(crate) fn without_null(json: &str, dialect: Dialect) -> String {
    match dialect {
        Dialect::Postgres | Dialect::Sqlite => format!("nullif({json}, {})", null(dialect)),
    }
}

/// An object of members, of which some may be absent.
pub(crate) fn object(members: &[(String, String, bool)], dialect: Dialect) -> String {
    match dialect {
        Dialect::Postgres => {
            let mut parts = Vec::new();
            for chunk in members.iter().filter(|(_, _, optional)| !optional).collect::<Vec<_>>().chunks(40) {
                let pairs: Vec<String> =
                    chunk.iter().map(|(name, value, _)| format!("{}, {value}", string(name, dialect))).collect();
                parts.push(format!("pg_catalog.jsonb_build_object({})", pairs.join(", ")));
            }
            for (name, value, _) in members.iter().filter(|(_, _, optional)| *optional) {
                let name = string(name, dialect);
                let one = format!("pg_catalog.jsonb_build_object({name}, {value})");
                parts.push(format!("CASE WHEN {value} IS NULL THEN {} ELSE {one} END", empty(dialect)));
            }
            if parts.is_empty() { empty(dialect).to_owned() } else { format!("({})", parts.join(" || ")) }
        }
        Dialect::Sqlite => {
            if members.is_empty() {
                return empty(dialect).to_owned();
            }
            let mut out = String::new();
            // A function takes some hundred arguments.
            for chunk in members.chunks(40) {
                let pairs = |name: &dyn Fn(&str) -> String| -> String {
                    let pair = |(n, value, _): &(String, String, bool)| format!("{}, json({value})", string(&name(n), dialect));
                    chunk.iter().map(pair).collect::<Vec<_>>().join(", ")
                };
                out = match out.as_str() {
                    "" => format!("json_object({})", pairs(&str::to_owned)),
                    before => format!("json_set({before}, {})", pairs(&sqlite_path)),
                };
            }
            let gone = members.iter().filter(|(_, _, optional)| *optional).map(|(name, value, _)| {
                let path = string(&sqlite_path(name), dialect);
                format!("CASE WHEN {value} IS NULL THEN {path} ELSE '$.\"\"[0]' END")
            });
            let gone: Vec<String> = gone.collect();
            if gone.is_empty() { out } else { format!("json_remove({out}, {})", gone.join(", ")) }
        }
    }
}

/// The members of both objects, those of the second before those of the first.
pub(crate) fn merge(first: &str, second: &str, dialect: Dialect) -> String {
    match dialect {
        Dialect::Postgres => format!("({first} || {second})"),
        // A merge patch would take a null for a deletion.
        Dialect::Sqlite => format!(
            "(SELECT (SELECT json_group_object(k, json(v)) FROM (SELECT m.key AS k, b.f -> m.fullkey AS v FROM json_each(b.f) AS m WHERE json_type(b.s, m.fullkey) IS NULL UNION ALL SELECT m.key, b.s -> m.fullkey FROM json_each(b.s) AS m)) FROM (SELECT {first} AS f, {second} AS s LIMIT -1 OFFSET 0) AS b)"
        ),
    }
}

/// An object without some members; no member where it is no object.
pub(crate) fn without(object: &str, names: &[String], dialect: Dialect) -> String {
    let (is_object, empty) = (is_object(object, dialect), empty(dialect));
    let rest = match dialect {
        Dialect::Postgres if names.is_empty() => object.to_owned(),
        Dialect::Postgres => {
            let names: Vec<String> = names.iter().map(|name| string(name, dialect)).collect();
            format!("({object} - ARRAY[{}]::pg_catalog.text[])", names.join(", "))
        }
        Dialect::Sqlite if names.is_empty() => format!("json({object})"),
        Dialect::Sqlite => {
            let paths: Vec<String> = names.iter().map(|name| string(&sqlite_path(name), dialect)).collect();
            format!("json_remove({object}, {})", paths.join(", "))
        }
    };
    format!("(CASE WHEN {is_object} THEN {rest} ELSE {empty} END)")
}

/// An object without the members that another one has.
pub(crate) fn without_those_of(object: &str, other: &str, dialect: Dialect) -> String {
    match dialect {
        Dialect::Postgres => format!("({object} - ARRAY(SELECT pg_catalog.jsonb_object_keys({other})))"),
        Dialect::Sqlite => format!(
            "(SELECT json_group_object(m.key, json({object} -> m.fullkey)) FROM json_each({object}) AS m WHERE json_type({other}, m.fullkey) IS NULL)"
        ),
    }
}
