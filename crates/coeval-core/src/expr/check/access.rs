//! Access: `x.field`, `m['key']`, `l[1]`.

use sqlparser::ast::{self as sql, AccessExpr, Ident, Spanned as _, Subscript};

use super::names::Name;
use super::{Checker, node};
use crate::expr::ast::{Expr, ExprKind};
use crate::expr::types::{ExprType, Typed};
use crate::invalid::{Invalid, nearest};
use crate::schema::{Properties, Type};
use crate::value::Value;

impl Checker<'_> {
    pub(super) fn access(&mut self, tree: &sql::Expr) -> Result<Expr, Invalid> {
        match tree {
            sql::Expr::Identifier(name) => self.chain_of_names(&[name]),
            sql::Expr::CompoundIdentifier(names) => self.chain_of_names(&names.iter().collect::<Vec<_>>()),
            sql::Expr::CompoundFieldAccess { root, access_chain } => {
                // The names before the first bracket may be a property's path.
                let mut names = Vec::new();
                let mut rest = access_chain.as_slice();
                if let sql::Expr::Identifier(first) = &**root {
                    names.push(first);
                    while let [AccessExpr::Dot(sql::Expr::Identifier(name)), more @ ..] = rest {
                        names.push(name);
                        rest = more;
                    }
                }
                let base = if names.is_empty() { self.lower(root)? } else { self.chain_of_names(&names)? };
                rest.iter().try_fold(base, |base, step| self.step(base, step))
            }
            _ => Err(self.refused(tree)),
        }
    }

    fn chain_of_names(&mut self, idents: &[&Ident]) -> Result<Expr, Invalid> {
        let names: Vec<Name<'_>> =
            idents.iter().map(|ident| Name { text: &ident.value, span: self.source.range(ident.span) }).collect();
        let (base, used) = self.resolve(&names)?;
        names[used..].iter().try_fold(base, field)
    }

    fn step(&mut self, base: Expr, step: &AccessExpr) -> Result<Expr, Invalid> {
        match step {
            AccessExpr::Dot(sql::Expr::Identifier(name)) => {
                field(base, &Name { text: &name.value, span: self.source.range(name.span) })
            }
            AccessExpr::Subscript(Subscript::Index { index }) => self.index(base, index),
            AccessExpr::Dot(other) => {
                let span = self.source.range(other.span());
                Err(Invalid::new("expected a field's name after `.`").span(span))
            }
            AccessExpr::Subscript(Subscript::Slice { .. }) => {
                let span = self.source.with_brackets(&self.source.range(step.span()), false);
                Err(Invalid::new("expressions have no slices of lists").span(span).help("use `list_filter`"))
            }
        }
    }

    fn index(&mut self, base: Expr, index: &sql::Expr) -> Result<Expr, Invalid> {
        let index = self.lower(index)?;
        let span = base.span.start..self.source.with_brackets(&index.span, false).end;
        let wrong = |index: &Expr, expected: &str, help: &str| {
            let message = format!("expected {expected} in the brackets, found {}", index.ty.a());
            Err(Invalid::new(message).span(index.span.clone()).help(help.to_owned()))
        };
        let ty = match &base.ty {
            ExprType::List(items) if matches!(index.ty, ExprType::Integer | ExprType::Null) => items.ty.clone(),
            ExprType::List(_) => return wrong(&index, "an integer", "items are counted from 1"),
            ExprType::Map(values) if index.ty.is_text() || index.ty == ExprType::Null => values.ty.clone(),
            ExprType::Map(_) => return wrong(&index, "a string", "the keys of maps are strings"),
            ExprType::Json | ExprType::Union { .. } if index.ty == ExprType::Integer || index.ty.is_text() => ExprType::Json,
            ExprType::Json | ExprType::Union { .. } => {
                return wrong(&index, "a string or an integer", "items are counted from 1");
            }
            ExprType::Object(_) => match index.literal_str() {
                Some(name) => return field(base, &Name { text: name, span: index.span.clone() }),
                None => return wrong(&index, "a field's name in quotation marks", "an object's fields are known by name"),
            },
            ExprType::Null => ExprType::Null,
            ty => {
                let message = format!("{} has no items", ty.a());
                return Err(Invalid::new(message).span(base.span.clone()).help("brackets follow a list, a map or json"));
            }
        };
        Ok(node(ExprKind::Index(Box::new(base), Box::new(index)), ty, true, span))
    }
}

/// Reads a field of what an expression gives.
fn field(base: Expr, name: &Name<'_>) -> Result<Expr, Invalid> {
    let span = base.span.start..name.span.end.max(base.span.end);
    let typed = match &base.ty {
        ExprType::Object(fields) => match fields.iter().find(|(field, _)| field == name.text) {
            Some((_, typed)) => Typed::new(typed.ty.clone(), typed.nullable || base.nullable),
            None => return Err(unknown_field(name, &fields.iter().map(|(field, _)| field.as_str()).collect::<Vec<_>>())),
        },
        ExprType::Map(values) => {
            let ty = values.ty.clone();
            let key = node(ExprKind::Literal(Value::from(name.text)), ExprType::String, false, name.span.clone());
            return Ok(node(ExprKind::Index(Box::new(base), Box::new(key)), ty, true, span));
        }
        ExprType::Union { of, .. } => {
            let objects = || of.iter().filter_map(|p| if let Type::Object(properties) = &p.ty { Some(properties) } else { None });
            let found: Vec<ExprType> = objects().filter_map(|p| p.get(name.text)).map(|p| ExprType::of(&p.ty)).collect();
            match found.split_first() {
                Some((first, rest)) if rest.iter().all(|ty| ty == first) => Typed::new(first.clone(), true),
                Some(_) => Typed::new(ExprType::Json, true),
                None => return Err(unknown_field(name, &objects().flat_map(Properties::names).collect::<Vec<_>>())),
            }
        }
        ExprType::Json => Typed::new(ExprType::Json, true),
        ExprType::Null => Typed::new(ExprType::Null, true),
        ty => {
            let message = format!("{} has no fields", ty.a());
            return Err(Invalid::new(message).span(name.span.clone()).help("`.` follows an object, a row, a map or json"));
        }
    };
    Ok(node(ExprKind::Field(Box::new(base), name.text.to_owned()), typed.ty, typed.nullable, span))
}

fn unknown_field(name: &Name<'_>, fields: &[&str]) -> Invalid {
    let invalid = Invalid::new(format!("unknown field `{}`", name.text)).span(name.span.clone());
    match nearest(name.text, fields.iter().copied()) {
        Some(near) => invalid.help(format!("did you mean `{near}`?")),
        None => invalid.help(format!("the fields are {}", fields.iter().take(20).copied().collect::<Vec<_>>().join(", "))),
    }
}
