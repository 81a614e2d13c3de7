//! Functions.

use coeval_core::expr::{Expr, ExprKind, ExprType, Function};

use super::number::{self, Way};
use super::{Sql, Sqlite, raise, text, to_json};
use crate::Dialect;
use crate::expr::{Local, shared};
use crate::literal;

/// The longest text that `lpad` makes.
const PAD_LIMIT: i64 = 10_000_000;
/// A character that is none, and so stands in no text: where a text is cut.
const MARK: &str = "char(1114111)";

/// An empty text, NULL where the value is: what it is added to is NULL then. It takes less of the parser's stack than `CASE`.
pub(super) fn null_with(sql: &str) -> String {
    format!("substr({sql}, 1, 0)")
}

impl Sqlite<'_> {
    pub(super) fn call(&self, function: Function, args: &[Expr], e: &Expr) -> Sql {
        let lazy = matches!(function, Function::Coalesce | Function::Nullif | Function::ConcatWs);
        // The language does not compute what follows a NULL.
        let late = args.iter().skip(1).any(|arg| shared::may_fail(arg, Dialect::Sqlite));
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
            Function::Coalesce if args.len() == 1 => arg(0),
            Function::Coalesce => Ok(format!("coalesce({})", self.all(args)?.join(", "))),
            Function::Nullif => {
                self.comparable(&args[0].ty, true, e)?;
                Ok(format!("nullif({}, {})", super::binary(&arg(0)?, &args[0].ty), arg(1)?))
            }
            Function::Lower => self.letters("lower", &arg(0)?, e),
            Function::Upper => self.letters("upper", &arg(0)?, e),
            Function::Trim => self.trim("trim", args),
            Function::Ltrim => self.trim("ltrim", args),
            Function::Rtrim => self.trim("rtrim", args),
            Function::Length => Ok(format!("length({})", arg(0)?)),
            Function::Substring => self.substring(args),
            Function::Position => Ok(format!("instr({}, {})", arg(1)?, arg(0)?)),
            Function::Replace => Ok(format!("replace({}, {}, {})", arg(0)?, arg(1)?, arg(2)?)),
            Function::SplitPart => self.split_part(args),
            Function::ConcatWs => self.concat_ws(args),
            Function::RegexpReplace => local("SQLite has no regular expressions"),
            Function::StartsWith => {
                let prefix = arg(1)?;
                let source = arg(0)?;
                self.bind(&[&prefix], |names| Ok(format!("(substr({source}, 1, length({0})) = {0} COLLATE BINARY)", names[0])))
            }
            Function::Lpad => self.lpad(args),
            Function::Abs => Ok(number::abs(&arg(0)?, &e.ty)),
            Function::Round | Function::Floor | Function::Ceil => self.whole(function, args, e),
            Function::Mod => local("a remainder is written `%`"),
            Function::Power => local("SQLite has no exact powers"),
            Function::Extract => self.extract(args),
            Function::DateTrunc => self.date_trunc(args),
            Function::ToTimestamp => local("SQLite has no moments finer than a millisecond"),
            Function::Cardinality => self.cardinality(args, e),
            Function::ListTransform => self.over_items(args, false),
            Function::ListFilter => self.over_items(args, true),
            Function::ArrayToString => self.array_to_string(args, e),
            Function::StringToArray => self.string_to_array(args),
            Function::TransformValues => self.transform_values(args),
            Function::MapKeys => self.entries(&args[0], |key, _| key.to_owned()),
            Function::MapValues => self.entries(&args[0], |_, value| value.to_owned()),
            Function::MapEntries => {
                self.entries(&args[0], |key, value| format!("'{{\"key\":' || {key} || ',\"value\":' || {value} || '}}'"))
            }
            Function::MapFromEntries => self.map_from_entries(args),
            Function::JsonKind => self.json_kind(args),
            Function::Lookup => match &args[0].kind {
                ExprKind::Table(table) => self.lookup(table, &arg(1)?, e),
                _ => local("expected a table"),
            },
        }
    }

    /// Another case of letters: of ASCII only in SQLite. A text of these has as many bytes as characters.
    fn letters(&self, function: &str, source: &str, e: &Expr) -> Sql {
        let Some(beyond) = self.beside.beyond else {
            return Err(Local::new("SQLite changes the case of ASCII letters only", &e.span));
        };
        self.bind(&[source], |names| {
            let source = &names[0];
            let refused = raise(&format!("{beyond} `{function}` of letters beyond ASCII"));
            Ok(format!(
                "(CASE WHEN {source} IS NULL THEN NULL WHEN length({source}) = length(CAST({source} AS BLOB)) THEN {function}({source}) \
                 ELSE {refused} END)"
            ))
        })
    }

    fn trim(&self, function: &str, args: &[Expr]) -> Sql {
        let characters = if args.len() > 1 { self.expr(&args[1])? } else { "' '".to_owned() };
        Ok(format!("{function}({}, {characters})", self.expr(&args[0])?))
    }

    fn substring(&self, args: &[Expr]) -> Sql {
        let (source, from) = (self.expr(&args[0])?, self.expr(&args[1])?);
        let Some(count) = args.get(2) else { return Ok(format!("substr({source}, max({from}, 1))")) };
        let count = self.expr(count)?;
        self.bind(&[&from, &count], |names| {
            let (from, count) = (&names[0], &names[1]);
            // Far away from where an integer overflows, and further than any text is long.
            let near = |sql: &str| format!("max(min({sql}, 4000000000000000000), -4000000000000000000)");
            let (start, length) = (format!("max({from}, 1)"), near(count));
            let taken = format!("max({} + {length} - {}, 0)", near(from), near(&start));
            let wrong = raise("the length of a substring must not be negative");
            Ok(format!(
                "(CASE WHEN {count} < 0 AND {source} IS NOT NULL AND {from} IS NOT NULL THEN {wrong} ELSE substr({source}, min({start}, 2147483647), \
                 min({taken}, 2147483647)) END)"
            ))
        })
    }

    /// The parts of a text between separators as the text of a JSON array.
    fn parts(source: &str, separator: &str) -> String {
        let marked = format!("json_quote(replace({source}, {separator}, {MARK}))");
        let wrong = raise("the text has a character that is none, which SQLite cannot cut");
        format!("iif(instr({source}, {MARK}), {wrong}, '[' || replace({marked}, {MARK}, '\",\"') || ']')")
    }

    fn split_part(&self, args: &[Expr]) -> Sql {
        let [source, separator, number] = [self.expr(&args[0])?, self.expr(&args[1])?, self.expr(&args[2])?];
        self.bind(&[&source, &separator, &number], |names| {
            let [source, separator, number] = names else { return Ok(String::new()) };
            let parts = Self::parts(source, separator);
            // Beyond every part, and not beyond what a path takes.
            let path = format!(
                "iif({number} > 0, '$[' || (min({number}, 1000000000) - 1) || ']', '$[#-' || (- max({number}, -1000000000)) || ']')"
            );
            let wrong = raise("the number of a part must not be zero");
            Ok(format!(
                "(CASE WHEN {source} IS NULL OR {separator} IS NULL OR {number} IS NULL THEN NULL WHEN {number} = 0 THEN {wrong} \
                 WHEN {separator} = '' THEN iif({number} IN (1, -1), {source}, '') ELSE coalesce(json_extract({parts}, {path}), '') END)"
            ))
        })
    }

    fn string_to_array(&self, args: &[Expr]) -> Sql {
        let (source, separator) = (self.expr(&args[0])?, self.expr(&args[1])?);
        self.bind(&[&source, &separator], |names| {
            let [source, separator] = names else { return Ok(String::new()) };
            let parts = Self::parts(source, separator);
            Ok(format!(
                "(CASE WHEN {source} IS NULL OR {separator} IS NULL THEN NULL WHEN {source} = '' THEN '[]' \
                 WHEN {separator} = '' THEN '[' || json_quote({source}) || ']' ELSE {parts} END)"
            ))
        })
    }

    fn concat_ws(&self, args: &[Expr]) -> Sql {
        let separator = self.expr(&args[0])?;
        let rest = self.all(&args[1..])?;
        self.bind(&[&separator], |names| {
            let separator = &names[0];
            let parts: Vec<String> = rest.iter().map(|part| format!("coalesce({separator} || {part}, '')")).collect();
            // Nothing at all where no part is there: the first separator is cut off.
            Ok(format!("(CASE WHEN {separator} IS NOT NULL THEN substr({}, length({separator}) + 1) END)", parts.join(" || ")))
        })
    }

    fn lpad(&self, args: &[Expr]) -> Sql {
        let [source, size] = [self.expr(&args[0])?, self.expr(&args[1])?];
        let fill = if args.len() > 2 { self.expr(&args[2])? } else { "' '".to_owned() };
        self.bind(&[&source, &size, &fill], |names| {
            let [source, size, fill] = names else { return Ok(String::new()) };
            let missing = format!("({size} - length({source}))");
            let padding = format!("substr(replace(hex(zeroblob({missing})), '00', {fill}), 1, {missing})");
            let wrong = raise("a text is not padded so far");
            Ok(format!(
                "(CASE WHEN {source} IS NULL OR {size} IS NULL OR {fill} IS NULL THEN NULL WHEN {size} > {PAD_LIMIT} THEN {wrong} \
                 WHEN {size} <= length({source}) OR {fill} = '' THEN substr({source}, 1, max({size}, 0)) ELSE {padding} || {source} END)"
            ))
        })
    }

    fn whole(&self, function: Function, args: &[Expr], e: &Expr) -> Sql {
        let number = self.expr(&args[0])?;
        let way = match function {
            Function::Floor => Way::Floor,
            Function::Ceil => Way::Ceil,
            _ => Way::Nearest,
        };
        match (&args[0].ty, args.get(1)) {
            (ExprType::Integer, None) => Ok(number),
            (ExprType::Float, _) => Err(Local::new("SQLite rounds floats otherwise", &e.span)),
            (_, None) => self.rounded(&number, 0, way, e),
            (_, Some(digits)) => match shared::integer(digits) {
                Some(digits) => self.rounded(&number, digits, way, e),
                None => Err(Local::new("a number of digits that is computed", &digits.span)),
            },
        }
    }

    fn cardinality(&self, args: &[Expr], e: &Expr) -> Sql {
        let of = self.expr(&args[0])?;
        match &args[0].ty {
            ExprType::List(_) => Ok(format!("json_array_length({of})")),
            ExprType::Map(_) => self.bind(&[&of], |names| {
                let of = &names[0];
                Ok(format!("(CASE WHEN {of} IS NOT NULL THEN (SELECT count(*) FROM json_each({of})) END)"))
            }),
            ExprType::Json | ExprType::Union { .. } => self.bind(&[&of], |names| {
                let of = &names[0];
                let wrong = raise("expected a list or a map");
                Ok(format!(
                    "(CASE json_type({of}) WHEN 'array' THEN json_array_length({of}) WHEN 'object' THEN (SELECT count(*) FROM json_each({of})) \
                     WHEN 'null' THEN NULL ELSE iif({of} IS NULL, NULL, {wrong}) END)"
                ))
            }),
            ty => Err(Local::new(format!("the number of items of {} in SQLite", ty.a()), &e.span)),
        }
    }

    /// The items of a list that has a name, in order, as a source of rows: the name of the item's JSON, what follows FROM, and an empty text of each row,
    /// without which an aggregate of what is outside of the subselect would be one of the statement around.
    pub(super) fn items(&self, list: &str) -> (String, String, String) {
        let [each, item, order, outer] = std::array::from_fn(|_| self.names.fresh());
        let rows = format!(
            "(SELECT {list} -> {each}.fullkey AS {item}, {each}.key AS {order} FROM json_each({list}) AS {each} \
             ORDER BY {each}.key LIMIT -1 OFFSET 0) AS {outer}"
        );
        (item, rows, format!("substr('', {order})"))
    }

    /// Items or results, those for which a condition holds or all, as the text of a JSON array.
    fn over_items(&self, args: &[Expr], filter: bool) -> Sql {
        let over = &args[0];
        if !matches!(over.ty, ExprType::List(_)) {
            return Err(Local::new(format!("the items of {} in SQLite", over.ty.a()), &over.span));
        }
        let list = self.expr(over)?;
        self.bind(&[&list], |names| {
            let list = &names[0];
            let (item, rows, here) = self.items(list);
            let (body, of) = self.body(&args[1], vec![item.clone()])?;
            let (part, condition) = if filter {
                // Read of each row, or it would be computed once where there is none.
                (item, format!(" WHERE CASE WHEN {here} IS NOT NULL THEN {body} END"))
            } else {
                let json =
                    to_json(&body, &of.ty).ok_or_else(|| Local::new(format!("{} as JSON in SQLite", of.ty.a()), &of.span))?;
                (json, String::new())
            };
            Ok(format!(
                "(SELECT '[' || coalesce(group_concat({part} || {here}, ','), '') || ']' || {} FROM {rows}{condition})",
                null_with(list)
            ))
        })
    }

    fn array_to_string(&self, args: &[Expr], e: &Expr) -> Sql {
        let ExprType::List(items) = &args[0].ty else {
            return Err(Local::new(format!("the items of {} in SQLite", args[0].ty.a()), &args[0].span));
        };
        let (list, separator) = (self.expr(&args[0])?, self.expr(&args[1])?);
        let null = args.get(2).map(|null| self.expr(null)).transpose()?;
        self.bind(&[&list, &separator], |names| {
            let [list, separator] = names else { return Ok(String::new()) };
            let (item, rows, here) = self.items(list);
            let value = super::from_json(&item, &items.ty).ok_or_else(|| Local::new(format!("the text of {}", items.ty.a()), &e.span))?;
            let mut part = self.cast(&value, &items.ty, &ExprType::String, e)?;
            let mut given = String::new();
            if let Some(null) = &null {
                part = format!("coalesce({part}, {null})");
                given = format!(" AND {null} IS NOT NULL");
            }
            Ok(format!(
                "(CASE WHEN {list} IS NOT NULL AND {separator} IS NOT NULL{given} THEN (SELECT coalesce(group_concat({part} || {here}, {separator}), '') \
                 FROM {rows}) END)"
            ))
        })
    }

    fn json_kind(&self, args: &[Expr]) -> Sql {
        let sql = self.expr(&args[0])?;
        let kind = match &args[0].ty {
            ExprType::Boolean => "'boolean'",
            ty if ty.is_numeric() => "'number'",
            ExprType::List(_) => "'array'",
            ExprType::Map(_) | ExprType::Object(_) => "'object'",
            ExprType::Json | ExprType::Union { .. } => {
                return Ok(format!(
                    "(CASE json_type({sql}) WHEN 'text' THEN 'string' WHEN 'integer' THEN 'number' WHEN 'real' THEN 'number' \
                     WHEN 'true' THEN 'boolean' WHEN 'false' THEN 'boolean' WHEN 'object' THEN 'object' WHEN 'array' THEN 'array' END)"
                ));
            }
            ExprType::Ref(_) => return Err(Local::new("whether a reference is a number is not known here", &args[0].span)),
            _ => "'string'",
        };
        Ok(format!("(CASE WHEN {sql} IS NOT NULL THEN {kind} END)"))
    }

    fn lookup(&self, table: &coeval_core::table::Table, key: &str, e: &Expr) -> Sql {
        let alias = self.names.fresh();
        if let Some(elsewhere) = self.beside.lookups.and_then(|lookups| lookups(table)) {
            return Ok(format!("(SELECT {alias}.value FROM {elsewhere} AS {alias} WHERE {alias}.key = {key})"));
        }
        let mut rows = Vec::new();
        for (key, row) in table.iter() {
            let row = literal::of(row, &ExprType::Json, Dialect::Sqlite).map_err(|unfit| Local::new(unfit.0, &e.span))?;
            rows.push(format!("({}, {row})", text(key)));
        }
        if rows.is_empty() {
            return Ok("NULL".to_owned());
        }
        Ok(format!("(SELECT {alias}.column2 FROM (VALUES {}) AS {alias} WHERE {alias}.column1 = {key})", rows.join(", ")))
    }
}
