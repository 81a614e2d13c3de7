//! Changes the type or the meaning of a property: a new identity, tied to the old one by two expressions.

use std::sync::Arc;

use super::support::{check_fallback, compile, constant, existing, expression, not_key, not_own_object, put};
use super::{Context, Example, LensEdit, Named, Op, Operation, Policies};
use crate::decode;
use crate::expr::Compiled;
use crate::history::{Edit, Filling, OnFail, Side};
use crate::invalid::Invalid;
use crate::path::Path;
use crate::schema::{Model, Property};
use crate::value::Object;

/// Changes what a property is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetypeProperty {
    /// Where it lies, before and after.
    pub path: Path,
    /// Its new type and facets; in a draft, where it is left out, those of the draft.
    pub schema: Option<Property>,
    /// The newer value, as an expression over the older version.
    pub up: String,
    /// The older value, as an expression over the newer version.
    pub down: String,
    /// What happens to values that cannot be converted.
    pub on_fail: Policies,
}

impl Named for RetypeProperty {}

impl Op for RetypeProperty {
    const NAME: &'static str = "retype_property";
    const EXAMPLE: Example = Example {
        properties: r#"{"price": {"type": "number", "required": true}}"#,
        operation: r#"{"path": "price", "schema": {"type": "integer", "required": true},
                       "up": "cast(round(price * 100) as integer)", "down": "price / 100.0"}"#,
        older: r#"{"price":19.99}"#,
        newer: r#"{"price":1999}"#,
    };

    fn from_fields(fields: &Object) -> Result<Self, Invalid> {
        decode::known_keys(fields, &["path", "schema", "up", "down", "on_fail"])?;
        let schema = fields.get("schema").map(Property::from_value).transpose().map_err(|e| e.beneath("schema"))?;
        let both = |key: &str| {
            expression(fields, key)?.ok_or_else(|| {
                Invalid::new(format!("`{key}` is missing")).help("a change of type needs an expression each way, `up` and `down`")
            })
        };
        Ok(Self {
            path: decode::path(fields, "path")?,
            schema,
            up: both("up")?,
            down: both("down")?,
            on_fail: Policies::read(fields)?,
        })
    }

    fn to_fields(&self) -> Object {
        let mut out = Object::new();
        out.insert("path", self.path.to_string().into());
        put(&mut out, "schema", self.schema.as_ref().map(Property::to_value));
        out.insert("up", self.up.as_str().into());
        out.insert("down", self.down.as_str().into());
        put(&mut out, "on_fail", self.on_fail.to_value());
        out
    }

    fn check(&self, before: &Model) -> Result<(), Invalid> {
        let old = existing(before, &self.path, "path")?;
        not_key(before, &self.path, "given another type", "path")?;
        let Some(new) = &self.schema else {
            return Err(Invalid::new("`schema` is missing").help("say the new type: `schema: {type: integer}`"));
        };
        check_fallback(&self.on_fail.up, new)?;
        check_fallback(&self.on_fail.down, old)
    }

    fn apply(&self, model: &mut Model) {
        if let (Some(old), Some(new)) = (model.at_mut(&self.path), &self.schema) {
            old.clone_from(new);
        }
    }

    fn lens(&self, before: &Model, context: &Context<'_>) -> Result<LensEdit, Invalid> {
        let (within, path) = self.path.split_element();
        let old = existing(before, &self.path, "path")?;
        let new = self.schema.as_ref().ok_or_else(|| Invalid::new("`schema` is missing"))?;
        let mut after = before.clone();
        self.apply(&mut after);
        let compile = |source: &str, model: &Model, target: &Property, fill: bool, field: &str| {
            let compiled = compile(source, model, &within, Some(&path), context)
                .and_then(|compiled| {
                    // An item of a list is there, whatever its expression gives.
                    let required = target.required || self.path.last_name().is_none();
                    let target = Property { required: required && !fill, ..target.clone() };
                    not_own_object(&compiled, &[&path])?;
                    compiled.check_target(&target)?;
                    constant(&compiled, &target)?;
                    Ok(compiled)
                })
                .map_err(|e| e.beneath(field))?;
            Ok::<Arc<Compiled>, Invalid>(compiled)
        };
        let covered = |policy: &OnFail, target: &Property| matches!(policy, OnFail::Fallback(_)) || target.default.is_some();
        let up = compile(&self.up, before, new, covered(&self.on_fail.up, new), "up")?;
        let down = compile(&self.down, &after, old, covered(&self.on_fail.down, old), "down")?;
        self.check_presence(old, new)?;
        let side = |compiled, target: &Property, policy: &OnFail| {
            let fill = target.default.clone().map_or(Filling::None, Filling::Value);
            Side::expressions(vec![compiled], vec![fill], vec![policy.clone()])
        };
        let group = Edit::Group {
            old: vec![path.clone()],
            new: vec![(path.clone(), new.clone())],
            up: side(up, new, &self.on_fail.up),
            down: side(down, old, &self.on_fail.down),
        };
        Ok(LensEdit::new(within, vec![group]))
    }

    fn inverse(&self, before: &Model) -> Option<Operation> {
        Some(Operation::RetypeProperty(Self {
            path: self.path.clone(),
            schema: before.at(&self.path).cloned(),
            up: self.down.clone(),
            down: self.up.clone(),
            on_fail: Policies { up: self.on_fail.down.clone(), down: self.on_fail.up.clone() },
        }))
    }

    fn describe(&self) -> String {
        let ty = self.schema.as_ref().map_or("", |p| p.ty.name());
        format!("make {} {} {ty}: up {}, down {}", self.path, super::support::article(ty), self.up, self.down)
    }
}

impl RetypeProperty {
    /// Absence stays absence through a change of type, so a side that requires what the other may lack needs a default.
    fn check_presence(&self, old: &Property, new: &Property) -> Result<(), Invalid> {
        let lacks = |from: &Property, to: &Property, policy: &OnFail| {
            !from.required && to.required && !to.nullable && to.default.is_none() && !matches!(policy, OnFail::Fallback(_))
        };
        let element = self.path.last_name().is_none();
        if !element && lacks(old, new, &self.on_fail.up) {
            let invalid = Invalid::new(format!("no older version can supply `{}`, which becomes required", self.path));
            return Err(invalid
                .help("add a `default` to its schema, or `require_property` before this operation")
                .beneath("schema"));
        }
        if !element && lacks(new, old, &self.on_fail.down) {
            let invalid = Invalid::new(format!("older versions require `{}`, and newer ones may lack it", self.path));
            return Err(invalid.help("keep it required here, and use `relax_property` after this operation").beneath("schema"));
        }
        Ok(())
    }
}
