//! Functions.

use coeval_core::expr::{Expr, ExprKind, ExprType, Function};

use super::{BARRIER, C, Param, Postgres, Sql, call, cast, collated, json, pattern, raise, text, to_json};
use crate::Dialect;
use crate::expr::{Local, shared};

/// The longest text that `lpad` makes.
const PAD_LIMIT: i64 = 10_000_000;

impl Postgres<'_> {
    pub(super) fn call(&self, function: Function, args: &[Expr], e: &Expr) -> Sql {
        let lazy = matches!(function, Function::Coalesce | Function::Nullif | Function::ConcatWs);
        // The language does not compute what follows a NULL.
        let late = args.iter().skip(1).any(|arg| shared::may_fail(arg, Dialect::Postgres));
        if !lazy && late && args[0].nullable {
            let first = self.expr(&args[0])?;
            let made = self.strict(function, args, e)?;
            return Ok(format!("(CASE WHEN {first} IS NOT NULL THEN {made} END)"));
        }
        self.strict(function, args, e)
    }

    fn strict(&self, function: Function, args: &[Expr], e: &Expr) -> Sql {
        let local = |reason: &str| Err(Local::new(reason, &e.span));
        let arg = |at: usize| self.expr(&args[at]);
        match function {
            Function::Coalesce => Ok(format!("COALESCE({})", self.all(args)?.join(", "))),
            Function::Nullif => Ok(format!("NULLIF({}, {})", collated(&arg(0)?, &args[0].ty), arg(1)?)),
            Function::Lower => self.letters("lower", &arg(0)?, e),
            Function::Upper => self.letters("upper", &arg(0)?, e),
            Function::Trim => self.trim("btrim", args),
            Function::Ltrim => self.trim("ltrim", args),
            Function::Rtrim => self.trim("rtrim", args),
            Function::Length => Ok(format!("({}::bigint)", call("char_length", &[&arg(0)?]))),
            Function::Substring => self.substring(args),
            Function::Position => Ok(format!("({}::bigint)", call("strpos", &[&arg(1)?, &arg(0)?]))),
            Function::Replace => Ok(call("replace", &[&arg(0)?, &arg(1)?, &arg(2)?])),
            Function::SplitPart => Ok(call("split_part", &[&arg(0)?, &arg(1)?, &small(&arg(2)?)])),
            Function::ConcatWs => Ok(call("concat_ws", &self.all(args)?.iter().map(String::as_str).collect::<Vec<_>>())),
            Function::RegexpReplace => self.regexp_replace(args, e),
            Function::StartsWith => Ok(call("starts_with", &[&arg(0)?, &arg(1)?])),
            Function::Lpad => self.lpad(args),
            Function::Abs => Ok(call("abs", &[&arg(0)?])),
            Function::Round => self.round(args),
            Function::Floor => self.whole("floor", args),
            Function::Ceil => self.whole("ceil", args),
            Function::Mod => local("a remainder is written `%`"),
            Function::Power => local("PostgreSQL rounds powers elsewhere"),
            Function::Extract => self.extract(args),
            Function::DateTrunc => self.date_trunc(args),
            Function::ToTimestamp => self.to_timestamp(&arg(0)?),
            Function::Cardinality => self.cardinality(args, e),
            Function::ListTransform => {
                let list = arg(0)?;
                self.each(&list, "jsonb_array_elements", "jsonb_agg", |item| {
                    let (body, ty) = self.body(&args[1], vec![Param::Json(item.to_owned())])?;
                    Ok(to_json(&body, ty))
                })
            }
            Function::TransformValues => self.transform_values(args),
            Function::ListFilter => self.filter(args),
            Function::ArrayToString => self.array_to_string(args, e),
            Function::StringToArray => {
                let (source, separator) = (arg(0)?, arg(1)?);
                self.bind(&[&separator], |names| {
                    let separator = &names[0];
                    let parts = call("to_jsonb", &[&call("string_to_array", &[&source, separator])]);
                    // NULL would part it into characters.
                    Ok(format!("(CASE WHEN {separator} IS NOT NULL THEN {parts} END)"))
                })
            }
            Function::MapKeys => self.entries(&args[0], |key, _| key.to_owned()),
            Function::MapValues => self.entries(&args[0], |_, value| value.to_owned()),
            Function::MapEntries => {
                self.entries(&args[0], |key, value| call("jsonb_build_object", &["'key'", key, "'value'", value]))
            }
            Function::MapFromEntries => self.map_from_entries(args, e),
            Function::JsonKind => {
                let kind = call("jsonb_typeof", &[&to_json(&arg(0)?, &args[0].ty)]);
                Ok(format!("NULLIF({kind}, 'null')"))
            }
            Function::Lookup => match &args[0].kind {
                ExprKind::Table(table) => match self.beside.lookups.and_then(|lookups| lookups(table)) {
                    Some(function) => Ok(format!("{function}({})", arg(1)?)),
                    None => Ok(format!("({} -> {})", json::table(table, e)?, arg(1)?)),
                },
                _ => local("expected a table"),
            },
        }
    }

    /// Another case of letters. PostgreSQL goes by a locale, beyond ASCII; a text of the latter has as many bytes as characters.
    fn letters(&self, function: &str, source: &str, e: &Expr) -> Sql {
        let Some(beyond) = self.beside.beyond else {
            return Err(Local::new("PostgreSQL changes the case of letters by the database's locale", &e.span));
        };
        self.bind(&[source], |names| {
            let source = &names[0];
            let (bytes, characters) = (call("octet_length", &[source]), call("char_length", &[source]));
            let made = call(function, &[&format!("{source} {C}")]);
            let refused = format!("{beyond}({})", text(&format!("`{function}` of letters beyond ASCII")));
            Ok(format!("(CASE WHEN {source} IS NULL THEN NULL WHEN {bytes} = {characters} THEN {made} ELSE {refused} END)"))
        })
    }

    /// Replaces what a pattern matches, where PostgreSQL finds the same.
    fn regexp_replace(&self, args: &[Expr], e: &Expr) -> Sql {
        let ExprKind::Pattern(pattern) = &args[1].kind else { return Err(Local::new("expected a pattern", &e.span)) };
        let translated = pattern::translated(pattern, args[2].literal_str());
        let refused = |reason| Local::new(format!("PostgreSQL may find something else: {reason}"), &args[1].span);
        let translated = translated.map_err(refused)?;
        let replacement = translated.replacement.map_or_else(|| self.expr(&args[2]), |constant| Ok(text(&constant)))?;
        // Not every collation of a column is one for patterns.
        let source = format!("{} {C}", self.expr(&args[0])?);
        let flags = text(if pattern.is_global() { "g" } else { "" });
        Ok(call("regexp_replace", &[&source, &text(&translated.pattern), &replacement, &flags]))
    }

    fn trim(&self, function: &str, args: &[Expr]) -> Sql {
        let characters = if args.len() > 1 { self.expr(&args[1])? } else { text(" ") };
        Ok(call(function, &[&self.expr(&args[0])?, &characters]))
    }

    fn substring(&self, args: &[Expr]) -> Sql {
        let source = self.expr(&args[0])?;
        let constant = |at: usize| args.get(at).map(shared::integer);
        let clamp = |n: i64| n.clamp(0, i64::from(i32::MAX));
        match (constant(1).flatten(), constant(2)) {
            (Some(from), None) => Ok(call("substr", &[&source, &clamp(from).max(1).to_string()])),
            (Some(from), Some(Some(count))) if count >= 0 => {
                let start = from.max(1);
                let taken = from.saturating_add(count).saturating_sub(start);
                Ok(call("substr", &[&source, &clamp(start).to_string(), &clamp(taken).to_string()]))
            }
            (_, None) => {
                let from = self.expr(&args[1])?;
                self.bind(&[&from], |names| {
                    let from = &names[0];
                    let start = format!("(CASE WHEN {from} < 1 THEN 1 ELSE {} END)", small(from));
                    Ok(call("substr", &[&source, &start]))
                })
            }
            (_, Some(_)) => {
                let (from, count) = (self.expr(&args[1])?, self.expr(&args[2])?);
                self.bind(&[&from, &count], |names| {
                    let (from, count) = (&names[0], &names[1]);
                    let start = format!("GREATEST({from}, 1)");
                    // With decimals, which do not overflow.
                    let taken = format!("({from}::numeric + {count} - {start})");
                    let wrong = raise("the length of a substring must not be negative", &ExprType::String);
                    let made = call(
                        "substr",
                        &[
                            &source,
                            &format!("(LEAST({start}, 2147483647)::integer)"),
                            &format!("(LEAST(GREATEST({taken}, 0), 2147483647)::integer)"),
                        ],
                    );
                    // NULL wherever an argument is, which `greatest` and `least` pass over.
                    let null = format!("{source} IS NULL OR {from} IS NULL OR {count} IS NULL");
                    Ok(format!("(CASE WHEN {null} THEN NULL WHEN {count} < 0 THEN {wrong} ELSE {made} END)"))
                })
            }
        }
    }

    fn lpad(&self, args: &[Expr]) -> Sql {
        let source = self.expr(&args[0])?;
        let fill = if args.len() > 2 { self.expr(&args[2])? } else { text(" ") };
        if let Some(size) = shared::integer(&args[1])
            && size <= PAD_LIMIT
        {
            return Ok(call("lpad", &[&source, &size.max(0).to_string(), &fill]));
        }
        let size = self.expr(&args[1])?;
        let wrong = raise("a text is not padded so far", &ExprType::String);
        self.bind(&[&size], |names| {
            let size = &names[0];
            let made = call("lpad", &[&source, &small(size), &fill]);
            let null = format!("{source} IS NULL OR {fill} IS NULL");
            Ok(format!("(CASE WHEN {null} THEN NULL WHEN {size} > {PAD_LIMIT} THEN {wrong} ELSE {made} END)"))
        })
    }

    fn round(&self, args: &[Expr]) -> Sql {
        let Some(digits) = args.get(1) else { return self.whole("round", args) };
        let number = self.expr(&args[0])?;
        if let Some(digits) = shared::integer(digits) {
            return Ok(call("round", &[&number, &digits.clamp(-2_000, 2_000).to_string()]));
        }
        let digits = self.expr(digits)?;
        self.bind(&[&digits], |names| {
            let digits = &names[0];
            let made = call("round", &[&number, &format!("(LEAST(GREATEST({digits}, -2000), 2000)::integer)")]);
            Ok(format!("(CASE WHEN {digits} IS NOT NULL THEN {made} END)"))
        })
    }

    /// Rounding to a whole number; an integer is one.
    fn whole(&self, function: &str, args: &[Expr]) -> Sql {
        let number = self.expr(&args[0])?;
        Ok(if args[0].ty == ExprType::Integer { number } else { call(function, &[&number]) })
    }

    fn cardinality(&self, args: &[Expr], e: &Expr) -> Sql {
        let of = self.expr(&args[0])?;
        let items = |of: &str| format!("({}::bigint)", call("jsonb_array_length", &[of]));
        let keys = |of: &str| format!("(SELECT {} FROM {})", call("count", &["*"]), call("jsonb_object_keys", &[of]));
        match &args[0].ty {
            ExprType::List(_) => Ok(items(&of)),
            ExprType::Map(_) => {
                self.bind(&[&of], |names| Ok(format!("(CASE WHEN {} IS NOT NULL THEN {} END)", names[0], keys(&names[0]))))
            }
            ExprType::Json | ExprType::Union { .. } => self.bind(&[&of], |names| {
                let of = &names[0];
                let kind = call("jsonb_typeof", &[of]);
                // What is neither a list nor an object raises an error.
                Ok(format!("(CASE WHEN {kind} = 'object' THEN {} WHEN {of} IS NOT NULL THEN {} END)", keys(of), items(of)))
            }),
            ty => Err(Local::new(format!("{} has no items", ty.a()), &e.span)),
        }
    }

    fn transform_values(&self, args: &[Expr]) -> Sql {
        let map = self.expr(&args[0])?;
        let (key, value) = (self.names.fresh(), self.names.fresh());
        let (body, ty) = self.body(&args[1], vec![Param::Key(key.clone()), Param::Json(value.clone())])?;
        let made = call("jsonb_object_agg", &[&key, &to_json(&body, ty)]);
        let alias = self.names.fresh();
        self.bind(&[&map], |names| {
            let map = &names[0];
            Ok(format!(
                "(CASE WHEN {map} IS NOT NULL THEN (SELECT COALESCE({made}, '{{}}'::pg_catalog.jsonb) FROM \
                 pg_catalog.jsonb_each({map}) AS {alias}({key}, {value})) END)"
            ))
        })
    }

    fn filter(&self, args: &[Expr]) -> Sql {
        let list = self.expr(&args[0])?;
        let (item, order, alias) = (self.names.fresh(), self.names.fresh(), self.names.fresh());
        let (body, _) = self.body(&args[1], vec![Param::Json(item.clone())])?;
        self.bind(&[&list], |names| {
            let list = &names[0];
            Ok(format!(
                "(CASE WHEN {list} IS NOT NULL THEN (SELECT COALESCE(pg_catalog.jsonb_agg({item} ORDER BY {order}) FILTER (WHERE {body}), \
                 '[]'::pg_catalog.jsonb) FROM pg_catalog.jsonb_array_elements({list}) WITH ORDINALITY AS {alias}({item}, {order})) END)"
            ))
        })
    }

    fn array_to_string(&self, args: &[Expr], e: &Expr) -> Sql {
        let (list, separator) = (self.expr(&args[0])?, self.expr(&args[1])?);
        let (item, order, alias) = (self.names.fresh(), self.names.fresh(), self.names.fresh());
        let part = match &args[0].ty {
            ExprType::List(items) if items.ty != ExprType::Json => {
                self.cast(&super::from_json(&item, &items.ty), &items.ty, &ExprType::String, e)?
            }
            _ => {
                let inner = format!("({item} #>> '{{}}')");
                let number = cast::to_text(&format!("({inner}::numeric)"), &ExprType::Number);
                let wrong = raise("a list or an object has no text", &ExprType::String);
                let kind = call("jsonb_typeof", &[&item]);
                format!(
                    "(CASE WHEN {kind} = 'number' THEN {number} WHEN {kind} IN ('array', 'object') THEN {wrong} ELSE {inner} END)"
                )
            }
        };
        let part = match args.get(2) {
            None => part,
            Some(null) => format!("COALESCE({part}, {})", self.expr(null)?),
        };
        let null = args.get(2).map(|null| self.expr(null)).transpose()?;
        self.bind(&[&list, &separator], |names| {
            let (list, separator) = (&names[0], &names[1]);
            let given = null.map(|null| format!(" AND {null} IS NOT NULL")).unwrap_or_default();
            Ok(format!(
                "(CASE WHEN {list} IS NOT NULL AND {separator} IS NOT NULL{given} THEN (SELECT COALESCE(pg_catalog.string_agg({part}, \
                 {separator} ORDER BY {order}), '') FROM pg_catalog.jsonb_array_elements({list}) WITH ORDINALITY \
                 AS {alias}({item}, {order})) END)"
            ))
        })
    }

    /// A list of what is made of each key, a text, and value of a map, in the order of the keys.
    fn entries(&self, map: &Expr, make: impl FnOnce(&str, &str) -> String) -> Sql {
        let map = self.expr(map)?;
        let (key, value, alias) = (self.names.fresh(), self.names.fresh(), self.names.fresh());
        let made = make(&key, &value);
        self.bind(&[&map], |names| {
            let map = &names[0];
            Ok(format!(
                "(CASE WHEN {map} IS NOT NULL THEN (SELECT COALESCE(pg_catalog.jsonb_agg({made} ORDER BY {key} {C}), \
                 '[]'::pg_catalog.jsonb) FROM pg_catalog.jsonb_each({map}) AS {alias}({key}, {value})) END)"
            ))
        })
    }

    fn map_from_entries(&self, args: &[Expr], e: &Expr) -> Sql {
        let list = self.expr(&args[0])?;
        let [entry, key, value, alias, rows] = std::array::from_fn(|_| self.names.fresh());
        self.bind(&[&list], |names| {
            let list = &names[0];
            let wrong = raise("the key of an entry must be a string", &ExprType::String);
            let inner = format!("{} = 'string'", call("jsonb_typeof", &[&format!("({entry} -> 'key')")]));
            let rows = format!(
                "(SELECT CASE WHEN {inner} THEN {entry} ->> 'key' ELSE {wrong} END AS {key}, {entry} -> 'value' AS {value} \
                 FROM pg_catalog.jsonb_array_elements({list}) AS {alias}({entry}){BARRIER}) AS {rows}"
            );
            Ok(format!("(CASE WHEN {list} IS NOT NULL THEN {} END)", json::unique(&key, &value, &rows, &e.ty)))
        })
    }
}

/// A number that a function takes as a small one; further out its result is the same.
fn small(sql: &str) -> String {
    format!("(CASE WHEN {sql} > 2000000000 THEN 2000000000 WHEN {sql} < -2000000000 THEN -2000000000 ELSE {sql}::integer END)")
}
