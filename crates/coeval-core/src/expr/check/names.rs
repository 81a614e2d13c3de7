//! What a name stands for: a lambda's parameter, `key` or `value` of an element, a property.

use std::ops::Range;

use super::{Checker, node};
use crate::expr::ast::{Expr, ExprKind};
use crate::expr::types::{ExprType, Typed};
use crate::expr::{Input, KeyKind, Names};
use crate::invalid::{Invalid, nearest};
use crate::path::Path;
use crate::schema::{Properties, Property, Type};

/// A name of a dotted chain and its place.
pub(super) struct Name<'n> {
    pub(super) text: &'n str,
    pub(super) span: Range<usize>,
}

impl Checker<'_> {
    /// Resolves the names of a dotted chain as far as they are declared; returns how many those are.
    pub(super) fn resolve(&mut self, names: &[Name<'_>]) -> Result<(Expr, usize), Invalid> {
        let Some(first) = names.first() else { return Err(Invalid::new("expected a name")) };
        let position = self.params.iter().rposition(|(name, _)| name == first.text);
        if let Some((at, (_, typed))) = position.map(|at| (at, &self.params[at])) {
            let kind = ExprKind::Param(self.params.len() - 1 - at);
            return Ok((node(kind, typed.ty.clone(), typed.nullable, first.span.clone()), 1));
        }
        match self.scope.names {
            Names::Record(properties) => self.property(properties, names, false),
            Names::Element { element, key } => self.element(element, key, names),
        }
    }

    fn element(&mut self, element: &Property, key: KeyKind, names: &[Name<'_>]) -> Result<(Expr, usize), Invalid> {
        let first = &names[0];
        match first.text {
            "key" => {
                let ty = match key {
                    KeyKind::Index => ExprType::Integer,
                    KeyKind::Name => ExprType::String,
                };
                let kind = self.input(Input::Key);
                Ok((node(kind, ty, false, first.span.clone()), 1))
            }
            "value" => self.descend(element, names, Path::root(), 1, element.nullable),
            _ => {
                let Type::Object(properties) = &element.ty else {
                    let help = "in an element there are `value`, the element, and `key`, its key or its number from 1";
                    return Err(Invalid::new(format!("unknown name `{}`", first.text)).span(first.span.clone()).help(help));
                };
                self.property(properties, names, element.nullable)
            }
        }
    }

    /// Resolves the first name among properties, and the following ones within declared objects.
    fn property(&mut self, properties: &Properties, names: &[Name<'_>], absent: bool) -> Result<(Expr, usize), Invalid> {
        let first = &names[0];
        match properties.get(first.text) {
            Some(property) => self.descend(property, names, Path::name(first.text), 1, absent),
            None => Err(self.unknown(first, properties)),
        }
    }

    /// Follows names into declared objects, then reads what is there.
    fn descend(
        &mut self,
        start: &Property,
        names: &[Name<'_>],
        start_path: Path,
        start_used: usize,
        start_absent: bool,
    ) -> Result<(Expr, usize), Invalid> {
        let (mut property, mut path, mut used) = (start, start_path, start_used);
        let mut absent = start_absent || (!start.required && !path.is_root());
        while let (Type::Object(properties), Some(next)) = (&property.ty, names.get(used)) {
            // A null object has no properties either.
            absent |= property.nullable;
            property = properties.get(next.text).ok_or_else(|| self.unknown(next, properties))?;
            path = path.join(next.text);
            used += 1;
            absent |= !property.required;
        }
        let Typed { ty, nullable } = Typed::of(property);
        let span = names[0].span.start..names[used - 1].span.end;
        let kind = self.input(Input::Property(path));
        let known = matches!(kind, ExprKind::Input(at) if self.present.contains(&at));
        let nullable = !known && (nullable || (absent && self.scope.absent_is_null));
        Ok((node(kind, ty, nullable, span), used))
    }

    /// The index of an input, added where it is new.
    fn input(&mut self, input: Input) -> ExprKind {
        let at = self.inputs.iter().position(|known| *known == input).unwrap_or_else(|| {
            self.inputs.push(input);
            self.inputs.len() - 1
        });
        ExprKind::Input(at)
    }

    fn unknown(&self, name: &Name<'_>, properties: &Properties) -> Invalid {
        let invalid = Invalid::new(format!("unknown property `{}`", name.text)).span(name.span.clone());
        let params = self.params.iter().map(|(name, _)| name.as_str());
        if let Some(near) = nearest(name.text, properties.names().chain(params)) {
            return invalid.help(format!("did you mean `{near}`?"));
        }
        let known: Vec<&str> = properties.names().take(20).collect();
        if known.is_empty() {
            return invalid.help("no properties are declared here");
        }
        let more = if properties.len() > known.len() { ", …" } else { "" };
        invalid.help(format!("declared here: {}{more}", known.join(", ")))
    }
}
