//! The functions of recipes as SQL text.

use std::collections::BTreeMap;

use coeval_core::expr::{Expr, ExprKind, ExprType};
use coeval_core::history::Function;
use coeval_core::{Property, Type};

use super::{Beside, Local, Rendered, postgres, sqlite};
use crate::Dialect;
use crate::literal::literal;
use crate::name::string;

/// Returns one text for each target of a recipe's function.
///
/// `inputs[i]` is the text of the recipe's i-th input and `sources[i]` its property; `targets` are the properties that the results are for,
/// one for each. What makes the function fail raises an error, as in [`super::render`].
///
/// NULL in an input means that it is absent, where the property is optional, and else that it is null: expressions of which all inputs
/// are absent give absence without being computed. NULL as a result is absence or null, as the target has it; what a target
/// does not admit is left to its column, and so is what takes the place of a NULL (the recipe's fill).
///
/// # Errors
/// The function is code, one of its expressions is local, or the dialect has no equal of it.
pub fn render_function(
    function: &Function,
    inputs: &[String],
    sources: &[&Property],
    targets: &[&Property],
    dialect: Dialect,
) -> Result<Vec<Rendered>, Local> {
    let local = |reason: String| Local { reason, span: 0..0 };
    let one = |sql: String, fallible: bool| Ok(vec![Rendered { sql, fallible }]);
    let first = || {
        inputs.first().zip(sources.first().map(|source| &source.ty)).ok_or_else(|| local("the function has no input".to_owned()))
    };
    match function {
        Function::Constant(value) => targets
            .iter()
            .map(|target| {
                let value = value.as_ref().unwrap_or(&coeval_core::Value::Null);
                let sql = literal(value, &target.ty, dialect).map_err(|unfit| local(unfit.0))?;
                Ok(Rendered { sql, fallible: false })
            })
            .collect(),
        Function::Identity => {
            let (input, from) = first()?;
            let Some(target) = targets.first() else { return Ok(Vec::new()) };
            if ExprType::of(from) == ExprType::of(&target.ty) {
                return one(input.clone(), false);
            }
            // Between types whose values are written alike; of another one the value must be found to be valid first.
            converted(input, from, &target.ty, dialect)
        }
        Function::Expressions(expressions) => expressions
            .iter()
            .zip(targets)
            .map(|((expression, places), target)| {
                let texts: Option<Vec<String>> = places.iter().map(|place| inputs.get(*place).cloned()).collect();
                let texts = texts.ok_or_else(|| local("the text of an input is missing".to_owned()))?;
                let rendered = super::render(expression, &texts, dialect)?;
                let rendered = landed(rendered, expression.root(), &target.ty, dialect)?;
                // Of inputs that are all absent there is no result, unless NULL would say so anyway.
                let may_be_absent = !inputs.is_empty() && sources.iter().all(|source| !source.required);
                let nulls = vec![&coeval_core::Value::Null; expression.inputs().len()];
                if !may_be_absent || expression.eval(&nulls) == Ok(coeval_core::Value::Null) {
                    return Ok(rendered);
                }
                let some: Vec<String> = inputs.iter().map(|input| format!("{input} IS NOT NULL")).collect();
                Ok(Rendered { sql: format!("(CASE WHEN {} THEN {} END)", some.join(" OR "), rendered.sql), ..rendered })
            })
            .collect(),
        Function::Enum(table) => {
            let (input, _) = first()?;
            one(enum_case(input, table, dialect), true)
        }
        Function::Wrap => {
            let (input, ty) = first()?;
            let json = crate::to_json(input, ty, dialect).ok_or_else(|| local(format!("{} as JSON", ty.name())))?;
            let list = match dialect {
                Dialect::Postgres => format!("pg_catalog.jsonb_build_array({json})"),
                Dialect::Sqlite => format!("'[' || {json} || ']'"),
            };
            one(format!("(CASE WHEN {input} IS NOT NULL THEN {list} END)"), false)
        }
        Function::Pick { last, empty } => {
            let (input, _) = first()?;
            let Some(target) = targets.first() else { return Ok(Vec::new()) };
            let (length, item) = match (dialect, last) {
                (Dialect::Postgres, false) => ("pg_catalog.jsonb_array_length", format!("({input} -> 0)")),
                (Dialect::Postgres, true) => ("pg_catalog.jsonb_array_length", format!("({input} -> -1)")),
                (Dialect::Sqlite, false) => ("json_array_length", format!("({input} -> '$[0]')")),
                (Dialect::Sqlite, true) => ("json_array_length", format!("({input} -> '$[#-1]')")),
            };
            let item =
                crate::from_json(&item, &target.ty, dialect).ok_or_else(|| local(format!("{} out of JSON", target.ty.name())))?;
            let empty = empty.as_ref().unwrap_or(&coeval_core::Value::Null);
            let empty = literal(empty, &target.ty, dialect).map_err(|unfit| local(unfit.0))?;
            one(format!("(CASE WHEN {length}({input}) = 0 THEN {empty} ELSE {item} END)"), true)
        }
        Function::Keys(keys) => {
            let (input, _) = first()?;
            let renamed = match dialect {
                Dialect::Postgres => rename_keys(input, keys),
                Dialect::Sqlite => sqlite::rename_keys(input, keys),
            };
            one(renamed, true)
        }
        Function::Native(_) => Err(local("code of the user's runs in the engine".to_owned())),
    }
}

/// What an expression gives as a value of the target, whose type may hold more than the expression's.
pub(crate) fn landed(rendered: Rendered, root: &Expr, target: &Type, dialect: Dialect) -> Result<Rendered, Local> {
    let to = ExprType::of(target);
    if root.ty == to || root.ty == ExprType::Null || to == ExprType::Json && super::shared::is_json(&root.ty) {
        return Ok(rendered);
    }
    let cast =
        Expr { kind: ExprKind::Cast(Box::new(root.clone())), ty: to.clone(), nullable: root.nullable, span: root.span.clone() };
    let local = || Local::new(format!("{} is stored as {}", root.ty.a(), to.a()), &root.span);
    let sql = match (&root.ty, &to) {
        // Dates and the like that are spelled out.
        (ExprType::String, ty) if super::shared::constant(root).is_some() && !super::shared::is_json(ty) => {
            let value = super::shared::constant(root).and_then(Result::ok).ok_or_else(local)?;
            literal(&value, target, dialect).map_err(|unfit| Local::new(unfit.0, &root.span))?
        }
        (from, ExprType::Union { .. }) if !super::shared::is_json(from) => match dialect {
            Dialect::Postgres => postgres::to_json(&rendered.sql, from),
            Dialect::Sqlite => {
                sqlite::to_json(&rendered.sql, from).map(|json| format!("nullif({json}, 'null')")).ok_or_else(local)?
            }
        },
        (from, to) if super::shared::is_json(from) && super::shared::is_json(to) => rendered.sql,
        (from, to) if super::shared::keeps(from, to) || from.is_numeric() && to.is_numeric() => match dialect {
            Dialect::Postgres => postgres::Postgres::new(&[], Beside::default()).cast(&rendered.sql, from, &to.clone(), &cast)?,
            Dialect::Sqlite => sqlite::Sqlite::new(&[], Beside::default()).cast(&rendered.sql, from, &to.clone(), &cast)?,
        },
        // What is none of the enum's values is found by the column's check.
        (ExprType::String, ExprType::Enum(_) | ExprType::Ref(_)) | (ExprType::Enum(_), ExprType::Enum(_)) => rendered.sql,
        _ => return Err(local()),
    };
    Ok(Rendered { sql, fallible: rendered.fallible })
}

/// The input itself in a column of another type.
fn converted(input: &str, from: &Type, to: &Type, dialect: Dialect) -> Result<Vec<Rendered>, Local> {
    let root = Expr { kind: ExprKind::Input(0), ty: ExprType::of(from), nullable: true, span: 0..0 };
    let rendered = Rendered { sql: input.to_owned(), fallible: false };
    Ok(vec![landed(rendered, &root, to, dialect)?])
}

/// The counterpart of each string of a table; an error for any other.
fn enum_case(input: &str, table: &BTreeMap<String, String>, dialect: Dialect) -> String {
    let (subject, raise) = match dialect {
        Dialect::Postgres => {
            let raise = postgres::raise("the value has no counterpart", &ExprType::String);
            (format!("({input} COLLATE pg_catalog.\"C\")"), raise)
        }
        Dialect::Sqlite => (format!("({input} COLLATE BINARY)"), sqlite::raise("the value has no counterpart")),
    };
    if table.is_empty() {
        return format!("(CASE WHEN {input} IS NOT NULL THEN {raise} END)");
    }
    let branches: Vec<String> =
        table.iter().map(|(from, to)| format!("WHEN {} THEN {}", string(from, dialect), string(to, dialect))).collect();
    format!("(CASE {subject} {} ELSE CASE WHEN {input} IS NOT NULL THEN {raise} END END)", branches.join(" "))
}

/// The condition, true or false, under which a function that is no expression raises an error for its input; `None` where that is not
/// told without computing it.
pub(crate) fn failure_of(function: &Function, input: &str, dialect: Dialect) -> Option<String> {
    match function {
        Function::Enum(table) => {
            let known: Vec<String> = table.keys().map(|from| string(from, dialect)).collect();
            let collate = if dialect == Dialect::Postgres { "COLLATE pg_catalog.\"C\"" } else { "COLLATE BINARY" };
            Some(if known.is_empty() {
                format!("({input} IS NOT NULL)")
            } else {
                format!("({input} IS NOT NULL AND {input} {collate} NOT IN ({}))", known.join(", "))
            })
        }
        Function::Keys(keys) => {
            let taken = keys.values().filter(|to| !keys.contains_key(*to));
            let taken: Vec<String> = taken.map(|to| string(to, dialect)).collect();
            Some(match dialect {
                _ if taken.is_empty() => "FALSE".to_owned(),
                Dialect::Postgres => format!(
                    "coalesce(pg_catalog.jsonb_exists_any({input}, ARRAY[{}]::pg_catalog.text[]), FALSE)",
                    taken.join(", ")
                ),
                Dialect::Sqlite => {
                    format!("EXISTS (SELECT 1 FROM json_each({input}) AS \"@e\" WHERE \"@e\".key IN ({}))", taken.join(", "))
                }
            })
        }
        Function::Constant(_) | Function::Identity | Function::Wrap => Some("FALSE".to_owned()),
        Function::Expressions(_) | Function::Pick { .. } | Function::Native(_) => None,
    }
}

/// The object with its keys renamed; an error where a key occurs to which another one is renamed.
fn rename_keys(input: &str, keys: &BTreeMap<String, String>) -> String {
    let text = |text: &String| postgres::text(text);
    let taken: Vec<String> = keys.values().filter(|to| !keys.contains_key(*to)).map(text).collect();
    let branches: Vec<String> = keys.iter().map(|(from, to)| format!("WHEN {} THEN {}", text(from), text(to))).collect();
    if branches.is_empty() {
        return input.to_owned();
    }
    let renamed = format!("CASE \"@k\" COLLATE pg_catalog.\"C\" {} ELSE \"@k\" END", branches.join(" "));
    let made = format!(
        "(SELECT COALESCE(pg_catalog.jsonb_object_agg({renamed}, \"@v\"), '{{}}'::pg_catalog.jsonb) \
         FROM pg_catalog.jsonb_each({input}) AS \"@e\"(\"@k\", \"@v\"))"
    );
    let raise = postgres::raise("a key occurs to which another key is renamed", &ExprType::Json);
    let clash = if taken.is_empty() {
        String::new()
    } else {
        format!("WHEN pg_catalog.jsonb_exists_any({input}, ARRAY[{}]) THEN {raise} ", taken.join(", "))
    };
    format!("(CASE WHEN {input} IS NULL THEN NULL {clash}ELSE {made} END)")
}
