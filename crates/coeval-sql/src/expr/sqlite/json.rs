//! Values as the text of JSON and back; fields, items, lists, objects and maps.

use coeval_core::expr::{Expr, ExprKind, ExprType};

use super::{Sql, Sqlite, raise, text};
use crate::expr::{Local, shared};

/// The value as the text of JSON; NULL is `null`. `None` for what SQLite cannot spell.
pub(crate) fn to_json(sql: &str, ty: &ExprType) -> Option<String> {
    use ExprType as T;
    match ty {
        T::Json | T::Union { .. } | T::List(_) | T::Map(_) | T::Object(_) => Some(format!("coalesce({sql}, 'null')")),
        T::Null | T::String | T::Enum(_) | T::Ref(_) | T::Date | T::Time | T::Datetime | T::Uuid => {
            Some(format!("json_quote({sql})"))
        }
        T::Integer | T::Number | T::Decimal { .. } => Some(format!("coalesce(CAST({sql} AS TEXT), 'null')")),
        T::Boolean => Some(format!("(CASE {sql} WHEN 1 THEN 'true' WHEN 0 THEN 'false' ELSE 'null' END)")),
        T::Float | T::Bytes | T::Interval => None,
    }
}

/// The value of the text of JSON that is known to be of the type; `null` is NULL. `None` for what SQLite cannot read.
pub(crate) fn from_json(sql: &str, ty: &ExprType) -> Option<String> {
    use ExprType as T;
    match ty {
        T::Json | T::Union { .. } | T::List(_) | T::Map(_) | T::Object(_) => Some(format!("nullif({sql}, 'null')")),
        T::Null | T::String | T::Enum(_) | T::Ref(_) | T::Integer | T::Boolean | T::Date => Some(format!("({sql} ->> '$')")),
        T::Number | T::Decimal { .. } => Some(plain_number(sql)),
        // May have another zone, letters of another case, or zeros at the end, and would have to be brought to the one form.
        T::Time | T::Datetime | T::Uuid => Some(super::cast::canonical(&format!("({sql} ->> '$')"), ty)),
        T::Float | T::Bytes | T::Interval => None,
    }
}

/// A number of JSON without trailing zeros; one with an exponent raises an error.
fn plain_number(sql: &str) -> String {
    let tidy = format!("iif(instr({sql}, '.'), rtrim(rtrim({sql}, '0'), '.'), {sql})");
    let wrong = raise("a number with an exponent is not read by SQLite");
    format!(
        // A text that is no JSON any more: as a string it would not be quoted.
        "(CASE WHEN {sql} = 'null' THEN NULL WHEN {sql} GLOB '*[eE]*' THEN {wrong} WHEN {tidy} = '-0' THEN '0' ELSE {tidy} || '' END)"
    )
}

/// The part of a path for a field, where SQLite finds it by its text.
fn named(name: &str) -> Option<String> {
    let plain = name.chars().all(|c| c != '"' && c != '\\' && c >= ' ');
    (plain && !name.is_empty()).then(|| format!(".\"{name}\""))
}

/// The part of a path for what a field or an item is of its base, and the base.
fn step(e: &Expr) -> Option<(&Expr, String)> {
    let (base, part) = match &e.kind {
        ExprKind::Field(base, name) => (base, named(name)?),
        ExprKind::Index(base, index) if index.ty == ExprType::Integer => {
            // Items are counted from 1; what is negative would count from the end.
            let number = shared::integer(index).filter(|number| (1..=i64::from(i32::MAX)).contains(number))?;
            (base, format!("[{}]", number - 1))
        }
        ExprKind::Index(base, index) => (base, named(&shared::text(index)?)?),
        _ => return None,
    };
    shared::is_json(&base.ty).then_some((base.as_ref(), part))
}

impl Sqlite<'_> {
    pub(super) fn field(&self, base: &Expr, name: &str, e: &Expr) -> Sql {
        match step(e) {
            Some(step) => self.follow(step, e),
            None if named(name).is_none() => Err(Local::new("a field's name that SQLite has no path for", &e.span)),
            None => Err(Local::new(format!("a field of {}", base.ty.a()), &e.span)),
        }
    }

    /// Fields of fields and items of items, with one path.
    fn follow(&self, (mut base, mut path): (&Expr, String), e: &Expr) -> Sql {
        while let Some((further, part)) = step(base) {
            path.insert_str(0, &part);
            base = further;
        }
        let (base, path) = (self.expr(base)?, text(&format!("${path}")));
        match &e.ty {
            ExprType::Null | ExprType::String | ExprType::Enum(_) | ExprType::Integer | ExprType::Boolean | ExprType::Date => {
                Ok(format!("({base} ->> {path})"))
            }
            _ => self.out_of(&format!("({base} -> {path})"), e),
        }
    }

    /// A value out of JSON, of the type of the expression.
    fn out_of(&self, sql: &str, e: &Expr) -> Sql {
        let read =
            |sql: &str| from_json(sql, &e.ty).ok_or_else(|| Local::new(format!("{} out of JSON in SQLite", e.ty.a()), &e.span));
        // What is read once needs no name.
        if shared::is_json(&e.ty) { read(sql) } else { self.bind(&[sql], |names| read(&names[0])) }
    }

    pub(super) fn index(&self, base: &Expr, index: &Expr, e: &Expr) -> Sql {
        if let Some(step) = step(e) {
            return self.follow(step, e);
        }
        let sql = self.expr(base)?;
        if index.ty != ExprType::Integer {
            return self.out_of(&self.at_key(&sql, index)?, e);
        }
        if shared::integer(index).is_some() {
            // Not one that there can be.
            return self.out_of("NULL", e);
        }
        let number = self.expr(index)?;
        let at = self.bind(&[&number], |names| {
            let number = &names[0];
            Ok(format!("(CASE WHEN {number} BETWEEN 1 AND 2147483647 THEN {sql} -> ('$[' || ({number} - 1) || ']') END)"))
        })?;
        self.out_of(&at, e)
    }

    pub(super) fn json(&self, e: &Expr) -> Sql {
        if !shared::is_canonical(e) {
            return Err(Local::new("a moment of which the text is not known to be the one that a column has", &e.span));
        }
        to_json(&self.expr(e)?, &e.ty).ok_or_else(|| Local::new(format!("{} as JSON in SQLite", e.ty.a()), &e.span))
    }

    pub(super) fn list(&self, items: &[Expr], _e: &Expr) -> Sql {
        if items.is_empty() {
            return Ok("'[]'".to_owned());
        }
        let items = items.iter().map(|item| self.json(item)).collect::<Result<Vec<_>, _>>()?;
        Ok(format!("('[' || {} || ']')", items.join(" || ',' || ")))
    }

    pub(super) fn object(&self, fields: &[(String, Expr)]) -> Sql {
        if fields.is_empty() {
            return Ok("'{}'".to_owned());
        }
        let mut parts = Vec::with_capacity(fields.len());
        for (name, field) in fields {
            let mut key = String::new();
            coeval_core::json::escape(name, &mut key);
            parts.push(format!("{} || {}", text(&format!("{key}:")), self.json(field)?));
        }
        Ok(format!("('{{' || {} || '}}')", parts.join(" || ',' || ")))
    }

    pub(super) fn map(&self, entries: &[(Expr, Expr)]) -> Sql {
        let keys: Vec<String> = entries.iter().filter_map(|(key, _)| shared::text(key)).collect();
        let distinct = keys.len() == entries.len() && keys.iter().enumerate().all(|(at, key)| !keys[..at].contains(key));
        if !distinct {
            return self.computed_map(entries);
        }
        let fields: Vec<(String, Expr)> = keys.into_iter().zip(entries).map(|(key, (_, value))| (key, value.clone())).collect();
        self.object(&fields)
    }

    /// Lists one after the other, each without its brackets.
    pub(super) fn concat_lists(&self, parts: &[Expr]) -> Sql {
        let mut texts = Vec::with_capacity(parts.len());
        for part in parts {
            let list = self.expr(part)?;
            texts.push(self.bind(&[&list], |names| {
                let list = &names[0];
                // As it is written without spaces.
                let inner = format!("json({list})");
                Ok(format!("(CASE WHEN {list} IS NOT NULL THEN iif({inner} = '[]', '', ',' || substr({inner}, 2, length({inner}) - 2)) END)"))
            })?);
        }
        Ok(format!("('[' || substr({}, 2) || ']')", texts.join(" || ")))
    }
}
