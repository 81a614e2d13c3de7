//! Calls of functions: how many arguments, of which types, and the type of the result.

use std::ops::Range;

use sqlparser::ast::{self as sql, FunctionArg, FunctionArgExpr, FunctionArguments, ObjectNamePart, OneOrManyWithParens};

use super::literal::{arithmetic_type, no_interval};
use super::{Checker, hull, node};
use crate::expr::ast::{Arithmetic, Expr, ExprKind};
use crate::expr::function::{Entry, FUNCTIONS, Function, Param};
use crate::expr::parse;
use crate::expr::pattern::Pattern;
use crate::expr::types::{ExprType, Typed};
use crate::invalid::{Invalid, nearest};
use crate::schema::Type;

/// An argument: as the parser left it, or typed already.
pub(super) enum Arg<'t> {
    Tree(&'t sql::Expr),
    Typed(Expr),
}

/// Aggregates and functions of the clock, refused with a reason.
const AGGREGATES: &[&str] =
    &["avg", "count", "max", "min", "sum", "array_agg", "string_agg", "json_agg", "jsonb_agg", "bool_and"];
const VOLATILE: &[&str] = &["now", "random", "clock_timestamp", "gen_random_uuid", "uuid_generate_v4", "nextval", "setseed"];

/// What [`Function::JsonKind`] returns.
const JSON_KINDS: &[&str] = &["object", "array", "string", "number", "boolean"];

impl Checker<'_> {
    pub(super) fn function(&mut self, function: &sql::Function) -> Result<Expr, Invalid> {
        let [ObjectNamePart::Identifier(ident)] = function.name.0.as_slice() else {
            let names = function.name.0.iter().map(|part| self.source.range(sqlparser::ast::Spanned::span(part)));
            let span = names.reduce(|a, b| a.start..b.end).unwrap_or(0..0);
            return Err(Invalid::new("a function's name has no dots").span(span).help(parse::what_exists()));
        };
        let name_span = self.source.range(ident.span);
        let refuse = |message: &str| Err(Invalid::new(message).span(name_span.clone()).help(parse::what_exists()));
        if function.over.is_some() || !function.within_group.is_empty() || function.filter.is_some() {
            return refuse("expressions have no window functions and no aggregates");
        }
        let Some(known) = Function::named(&ident.value) else { return Err(unknown(&ident.value, name_span)) };
        let FunctionArguments::List(list) = &function.args else { return refuse("expected arguments in parentheses") };
        let odd = list.duplicate_treatment.is_some() || !list.clauses.is_empty() || function.null_treatment.is_some();
        if odd || function.uses_odbc_syntax || function.parameters != FunctionArguments::None {
            return refuse("a call is the function's name and its arguments, nothing more");
        }
        let mut args = Vec::with_capacity(list.args.len());
        for arg in &list.args {
            match arg {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(tree)) => args.push(Arg::Tree(tree)),
                FunctionArg::Unnamed(_) => return refuse("`*` is no argument of a function here"),
                FunctionArg::Named { .. } | FunctionArg::ExprNamed { .. } => return refuse("arguments have no names here"),
            }
        }
        let span = self.source.with_call(&name_span);
        self.call(known, args, span)
    }

    /// Checks the arguments of a function and types its result.
    pub(super) fn call(&mut self, function: Function, args: Vec<Arg<'_>>, span: Range<usize>) -> Result<Expr, Invalid> {
        let entry = function.entry();
        if args.len() < entry.required || (args.len() > entry.params.len() && !entry.variadic) {
            let message =
                format!("`{}` does not take {} argument{}", entry.name, args.len(), if args.len() == 1 { "" } else { "s" });
            return Err(Invalid::new(message).span(span).help(format!("it is {}", entry.signature())));
        }
        let mut exprs: Vec<Expr> = Vec::with_capacity(args.len());
        for (i, arg) in args.into_iter().enumerate() {
            let (_, param) = entry.params[i.min(entry.params.len() - 1)];
            let expr = match (param, arg) {
                (Param::Lambda(count), Arg::Tree(tree)) => self.lambda(tree, count, &exprs[0].ty, entry)?,
                (_, Arg::Tree(tree)) => {
                    let expr = self.lower(tree)?;
                    self.argument(expr, param)?
                }
                (_, Arg::Typed(expr)) => self.argument(expr, param)?,
            };
            exprs.push(expr);
        }
        self.result(function, exprs, span)
    }

    /// Demands what a parameter takes.
    fn argument(&mut self, expr: Expr, param: Param) -> Result<Expr, Invalid> {
        let wrong = |expr: &Expr, expected: &str, to: &ExprType| {
            let help = super::convert::cast_help(&expr.ty, to);
            Err(Invalid::new(format!("expected {expected}, found {}", expr.ty.a())).span(expr.span.clone()).help(help))
        };
        match param {
            Param::Any => no_interval(&expr).map(|()| expr),
            Param::Text => self.text(expr),
            Param::Scalar => self.scalar_text(expr),
            Param::Numeric => self.numeric(expr),
            Param::Integer => match expr.ty {
                ExprType::Integer => Ok(expr),
                ExprType::Null => self.convert(expr, &ExprType::Integer, true),
                _ => wrong(&expr, "an integer", &ExprType::Integer),
            },
            Param::Moment => match expr.ty {
                ExprType::Date | ExprType::Time | ExprType::Datetime => Ok(expr),
                ExprType::Null => self.convert(expr, &ExprType::Datetime, true),
                _ => wrong(&expr, "a date, a time or a datetime", &ExprType::Datetime),
            },
            Param::List => match expr.ty {
                ref ty if collection(ty, Param::List).is_some() => Ok(expr),
                ExprType::Null => self.convert(expr, &ExprType::list(ExprType::Null, true), true),
                _ => wrong(&expr, "a list", &ExprType::list(ExprType::Json, true)),
            },
            Param::Map => match expr.ty {
                ref ty if collection(ty, Param::Map).is_some() => Ok(expr),
                ExprType::Null => self.convert(expr, &ExprType::map(ExprType::Null, true), true),
                _ => wrong(&expr, "a map", &ExprType::map(ExprType::Json, true)),
            },
            Param::Word => match expr.literal_str() {
                Some(_) => Ok(expr),
                None => Err(Invalid::new("this must be spelled out, in single quotation marks").span(expr.span)),
            },
            Param::Lambda(_) => Err(Invalid::new("expected a lambda").span(expr.span)),
        }
    }

    /// A function over the elements of a list or of a map.
    fn lambda(&mut self, tree: &sql::Expr, count: usize, over: &ExprType, entry: &Entry) -> Result<Expr, Invalid> {
        let form = || format!("such as {}", entry.example);
        let sql::Expr::Lambda(lambda) = tree else {
            return Err(Invalid::new("expected a lambda").span(self.span(tree)).help(form()));
        };
        let params: Vec<&sql::Ident> = match &lambda.params {
            OneOrManyWithParens::One(param) => vec![&param.name],
            OneOrManyWithParens::Many(params) => params.iter().map(|param| &param.name).collect(),
        };
        let start = params.first().map_or(0..0, |param| self.source.range(param.span));
        if params.len() != count {
            let message = format!("the lambda has {} parameters, expected {count}", params.len());
            return Err(Invalid::new(message).span(start).help(form()));
        }
        if count == 2 && params[0].value == params[1].value {
            return Err(Invalid::new("the two parameters have the same name").span(self.source.range(params[1].span)));
        }
        let element = element(over, if count == 2 { Param::Map } else { Param::List });
        let types = if count == 2 { vec![Typed::new(ExprType::String, false), element] } else { vec![element] };
        let outside = self.params.len();
        self.params.extend(params.iter().zip(types).map(|(param, typed)| (param.value.clone(), typed)));
        let body = self.lower(&lambda.body);
        self.params.truncate(outside);
        let body = body?;
        no_interval(&body)?;
        let span = start.start..body.span.end;
        let (ty, nullable) = (body.ty.clone(), body.nullable);
        Ok(node(ExprKind::Lambda { params: count, body: Box::new(body) }, ty, nullable, span))
    }

    /// The call with the type of what it returns.
    fn result(&mut self, function: Function, mut args: Vec<Expr>, span: Range<usize>) -> Result<Expr, Invalid> {
        use ExprType as T;
        let mut nullable = args.iter().filter(|e| !matches!(e.kind, ExprKind::Lambda { .. })).any(|e| e.nullable);
        let first = args.first().map_or(T::Null, |e| e.ty.clone());
        let ty = match function {
            Function::Coalesce => {
                nullable = args.iter().all(|e| e.nullable);
                let (unified, typed) = self.unify(args)?;
                args = unified;
                typed.ty
            }
            Function::Nullif => {
                nullable = true;
                args = self.comparable(args, false)?;
                args.first().map_or(T::Null, |e| e.ty.clone())
            }
            Function::Lower
            | Function::Upper
            | Function::Trim
            | Function::Ltrim
            | Function::Rtrim
            | Function::Substring
            | Function::Replace
            | Function::SplitPart
            | Function::Lpad => T::String,
            Function::ConcatWs => {
                nullable = args.first().is_some_and(|e| e.nullable);
                T::String
            }
            Function::RegexpReplace => {
                pattern(&mut args)?;
                T::String
            }
            Function::StartsWith => T::Boolean,
            Function::Length | Function::Position => T::Integer,
            Function::Abs | Function::Floor | Function::Ceil => self.plain(&mut args)?,
            Function::Round if args.len() == 1 => self.plain(&mut args)?,
            Function::Round => {
                if first == T::Float {
                    let invalid = Invalid::new("a float is not rounded to digits").span(args[0].span.clone());
                    return Err(invalid.help("wrap it in `cast(… as number)`"));
                }
                args[0] = self.convert(args[0].clone(), &T::Number, true)?;
                T::Number
            }
            Function::Mod => {
                let (Some(divisor), Some(dividend)) = (args.pop(), args.pop()) else {
                    return Err(Invalid::new("expected two numbers").span(span));
                };
                let expr = self.compute(Arithmetic::Modulo, dividend, divisor)?;
                return Ok(Expr { span, ..expr });
            }
            Function::Power => {
                let float = args.iter().any(|e| e.ty == T::Float);
                let ty = if float { T::Float } else { T::Number };
                args = args.into_iter().map(|e| self.convert(e, &ty, true)).collect::<Result<_, _>>()?;
                ty
            }
            Function::Extract | Function::DateTrunc => return super::special::moment(function, args, span, nullable),
            Function::ToTimestamp => {
                args[0] = self.convert(args[0].clone(), &T::Number, true)?;
                T::Datetime
            }
            Function::Cardinality => match first {
                T::List(_) | T::Map(_) | T::Json | T::Union { .. } | T::Null => T::Integer,
                ty => {
                    let invalid = Invalid::new(format!("expected a list or a map, found {}", ty.a()));
                    return Err(invalid.span(args[0].span.clone()).help("the length of a text is `length(x)`"));
                }
            },
            Function::ListTransform => ExprType::list(args[1].ty.clone(), args[1].nullable),
            Function::TransformValues => ExprType::map(args[1].ty.clone(), args[1].nullable),
            Function::ListFilter => {
                if !matches!(args[1].ty, T::Boolean | T::Null) {
                    let message = format!("expected a condition, found {}", args[1].ty.a());
                    return Err(Invalid::new(message).span(args[1].span.clone()));
                }
                T::List(Box::new(element(&first, Param::List)))
            }
            Function::ArrayToString => {
                let items = element(&first, Param::List).ty;
                if !items.is_scalar() && items != T::Json {
                    let invalid = Invalid::new(format!("{} has no text", items.a())).span(args[0].span.clone());
                    return Err(invalid.help("first make texts of the items with `list_transform`"));
                }
                T::String
            }
            Function::StringToArray | Function::MapKeys => ExprType::list(T::String, false),
            Function::MapValues => T::List(Box::new(element(&first, Param::Map))),
            Function::MapEntries => {
                let entry =
                    vec![("key".to_owned(), Typed::new(T::String, false)), ("value".to_owned(), element(&first, Param::Map))];
                ExprType::list(T::Object(entry), false)
            }
            Function::MapFromEntries => entries(&args[0])?,
            Function::JsonKind => T::Enum(JSON_KINDS.iter().map(|&kind| kind.to_owned()).collect()),
            Function::Lookup => {
                nullable = true;
                self.table(&mut args)?
            }
        };
        let span = if span.is_empty() { hull(&args[0], &args[args.len() - 1]) } else { span };
        Ok(node(ExprKind::Call(function, args), ty, nullable, span))
    }

    /// The type of a function that keeps the kind of its number; a decimal loses its size.
    fn plain(&mut self, args: &mut [Expr]) -> Result<ExprType, Invalid> {
        let ty = arithmetic_type(&args[0].ty);
        args[0] = self.convert(args[0].clone(), &ty, true)?;
        Ok(ty)
    }

    /// Finds the table that the first argument names; returns the type of its rows.
    fn table(&mut self, args: &mut [Expr]) -> Result<ExprType, Invalid> {
        let name = args[0].literal_str().unwrap_or_default();
        let Some(table) = self.scope.tables.get(name) else {
            let invalid = Invalid::new(format!("unknown table `{name}`")).span(args[0].span.clone());
            let known: Vec<&str> = self.scope.tables.names().collect();
            return Err(match nearest(name, known.iter().copied()) {
                Some(near) => invalid.help(format!("did you mean `{near}`?")),
                None if known.is_empty() => invalid.help("no tables are shipped with this manifest"),
                None => invalid.help(format!("the tables are {}", known.join(", "))),
            });
        };
        let ty = table.row_type();
        args[0] = node(ExprKind::Table(table.clone()), ty.clone(), false, args[0].span.clone());
        Ok(ty)
    }
}

/// What the elements of a list or of a map are, where the type has such; those of json are anything, and whether there are any
/// shows when it is evaluated.
fn collection(ty: &ExprType, kind: Param) -> Option<Typed> {
    let list = kind == Param::List;
    match ty {
        ExprType::List(element) if list => Some((**element).clone()),
        ExprType::Map(element) if !list => Some((**element).clone()),
        ExprType::Union { of, .. } => of.iter().find_map(|property| match &property.ty {
            Type::Array { items, .. } if list => Some(Typed::of(items)),
            Type::Map { values } if !list => Some(Typed::of(values)),
            _ => None,
        }),
        ExprType::Json => Some(Typed::new(ExprType::Json, true)),
        _ => None,
    }
}

/// The elements of what a parameter has taken.
fn element(ty: &ExprType, kind: Param) -> Typed {
    collection(ty, kind).unwrap_or_else(|| Typed::new(ExprType::Json, true))
}

/// The type of the map that a list of entries makes.
fn entries(list: &Expr) -> Result<ExprType, Invalid> {
    let wrong = |found: &ExprType| {
        let invalid = Invalid::new(format!("expected a list of objects `{{key, value}}`, found {}", found.a()));
        Err(invalid.span(list.span.clone()).help("such as `list_transform(l, x -> {'key': x.id, 'value': x})`"))
    };
    match element(&list.ty, Param::List).ty {
        ExprType::Json | ExprType::Null => Ok(ExprType::map(ExprType::Json, true)),
        ExprType::Object(fields) => {
            let field = |name: &str| fields.iter().find(|(field, _)| field == name).map(|(_, typed)| typed);
            match (field("key"), field("value")) {
                (Some(key), Some(value)) if key.ty.is_text() => Ok(ExprType::Map(Box::new(value.clone()))),
                _ => wrong(&list.ty),
            }
        }
        _ => wrong(&list.ty),
    }
}

/// Compiles the pattern that the second argument spells, with the flags that the fourth does.
fn pattern(args: &mut Vec<Expr>) -> Result<(), Invalid> {
    let flags = if args.len() > 3 { args.pop() } else { None };
    let flags_text = flags.as_ref().and_then(Expr::literal_str).unwrap_or_default();
    if let (Some(flag), Some(flags)) = (flags_text.chars().find(|flag| !matches!(flag, 'g' | 'i')), &flags) {
        let invalid = Invalid::new(format!("unknown flag `{flag}`")).span(flags.span.clone());
        return Err(invalid.help("`g` replaces each match, `i` matches in any case"));
    }
    let pattern = Pattern::new(args[1].literal_str().unwrap_or_default(), flags_text)
        .map_err(|message| Invalid::new(message).span(args[1].span.clone()))?;
    if let Some(replacement) = args[2].literal_str()
        && let Some(group) = pattern.missing_group(replacement)
    {
        let message = format!("the pattern has no group {group}");
        return Err(Invalid::new(message).span(args[2].span.clone()).help("a backslash itself is written `\\\\`"));
    }
    args[1] = node(ExprKind::Pattern(pattern), ExprType::String, false, args[1].span.clone());
    Ok(())
}

fn unknown(name: &str, span: Range<usize>) -> Invalid {
    let lower = name.to_lowercase();
    let invalid = |message: String| Invalid::new(message).span(span.clone());
    if AGGREGATES.contains(&lower.as_str()) {
        return invalid(format!("`{lower}` is an aggregate; an expression sees one record")).help(parse::what_exists());
    }
    if VOLATILE.contains(&lower.as_str()) {
        let help = "expressions give the same for the same record, always";
        return invalid(format!("`{lower}` does not give the same twice")).help(help);
    }
    let names = FUNCTIONS.iter().flat_map(|e| std::iter::once(e.name).chain(e.aliases.iter().copied()));
    let invalid = invalid(format!("unknown function `{name}`"));
    match nearest(&lower, names) {
        Some(near) => invalid.help(format!("did you mean `{near}`?")),
        None => invalid.help(parse::what_exists()),
    }
}
