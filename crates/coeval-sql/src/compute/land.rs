//! Landing: what an outcome becomes in a target that does or does not admit absence and null (rule N6).

use coeval_core::Value;
use coeval_core::history::{NodeId, OnFail, Target, Tree};
use coeval_core::schema::{Property, Type};

use super::{Bound, Compute, Computed, Origin, Outcome, is_json, json, local};
use crate::dialect::Dialect;
use crate::expr::Local;
use crate::types::{facet_check, from_json, to_json};

/// The landing of an outcome in a node of a target.
pub(crate) struct Landing<'c, 'h> {
    pub(crate) compute: &'c Compute<'c, 'h>,
    pub(crate) target: &'c Target,
    pub(crate) node: NodeId,
    /// Whether something that the outcome follows from could not be computed.
    pub(crate) broken: Option<&'c str>,
}

impl Landing<'_, '_> {
    /// Lands an outcome in the node, the target itself or something in it. `fill` is of the target's type, and `inputs` are the names
    /// that all of it reads.
    pub(super) fn land(
        &self,
        outcome: &Outcome,
        fill: Option<&str>,
        inputs: &Bound,
        origin: Origin<'_>,
    ) -> Result<Computed, Local> {
        let property: &Property = &self.target.property;
        if let Tree::Leaf(_) = &self.target.tree {
            let sql = self.presence(property, &outcome.sql, outcome.absent.as_deref(), fill)?;
            let json = self.compute.is_json(self.node);
            let failed = self.failure(property, outcome, &sql);
            let landed = self.instead(property, sql, failed, json)?;
            let (sql, failed) = (inputs.around(landed.sql), landed.failed.map(|failed| inputs.around(failed)));
            let Some(broken) = self.broken else { return Ok(Computed { sql, failed }) };
            let whole = self.instead(property, sql, Some(broken.to_owned()), json)?;
            return Ok(Computed { failed: first_of([whole.failed, failed]), ..whole });
        }
        // An object: its presence lands as the target, and what lies in it as its own property, beneath what is there.
        let dialect = self.compute.dialect;
        let mut bound = Bound::new(self.compute, "w");
        let whole = self.json_presence(property, &outcome.sql, outcome.absent.as_deref(), fill);
        let failed = first_of([self.broken.map(str::to_owned), self.failure(property, outcome, &whole)]);
        let whole = self.instead(property, whole, failed, true)?;
        let sql = bound.name(whole.sql);
        let part = self.within(&self.target.tree, property, Computed { sql, failed: whole.failed }, origin)?;
        let part = part.unwrap_or_else(|| Computed { sql: json::null(dialect).to_owned(), failed: None });
        let failed = part.failed.map(|failed| inputs.around(bound.around(failed)));
        let sql = if self.compute.is_json(self.node) {
            part.sql
        } else {
            let ty = self.target.property_of(self.node).map_or(&Type::Json, |property| &property.ty);
            let native = from_json(&json::without_null(&part.sql, dialect), ty, dialect);
            native.ok_or_else(|| local("its result has no form in this database"))?
        };
        Ok(Computed { sql: bound.above(inputs, sql), failed })
    }

    /// The value of the node in a JSON value of a part of the target. What lies in an object that failed is absent; what a type
    /// demands in one that did not, and is not there, failed itself.
    fn within(&self, tree: &Tree, property: &Property, whole: Computed, origin: Origin<'_>) -> Result<Option<Computed>, Local> {
        let dialect = self.compute.dialect;
        let (Tree::Object(own, children), Type::Object(properties)) = (tree, &property.ty) else {
            return Ok((tree.node() == self.node).then_some(whole));
        };
        let value = &whole.sql;
        if *own == self.node {
            let (object, empty) = (json::is_object(value, dialect), json::empty(dialect));
            return Ok(Some(Computed { sql: format!("CASE WHEN {object} THEN {empty} ELSE {value} END"), ..whole }));
        }
        for (name, child) in children {
            let mut nodes = Vec::new();
            child.nodes(&mut nodes);
            let Some(inner) = properties.get(name).filter(|_| nodes.contains(&self.node)) else { continue };
            let member = json::member(value, name, dialect);
            let fill = inner.default.as_ref().map(|default| self.compute.constant(default, &Type::Json)).transpose()?;
            let absent = format!("{member} IS NULL");
            let landed = self.json_presence(inner, &json::without_null(&member, dialect), Some(&absent), fill.as_deref());
            // What lies in an object that is not there is not there.
            let object = json::is_object(value, dialect);
            let sql = format!("CASE WHEN {object} THEN {landed} END");
            let origin = origin.member(name);
            let demanded = inner.required && !inner.nullable && fill.is_none() && !origin.is_there();
            let failed = demanded.then(|| format!("({object} AND {sql} IS NULL)"));
            return self.within(child, inner, Computed { sql, failed }, origin);
        }
        Ok(None)
    }

    /// Lands a value of a type in the node, native or JSON.
    fn presence(&self, property: &Property, value: &str, absent: Option<&str>, fill: Option<&str>) -> Result<String, Local> {
        let dialect = self.compute.dialect;
        if self.compute.is_json(self.node) {
            let (value, fill) = if is_json(&property.ty) {
                (value.to_owned(), fill.map(str::to_owned))
            } else {
                let lift = |sql: &str| {
                    let json = to_json(sql, &property.ty, dialect);
                    let json = json.ok_or_else(|| local("its result has no JSON form in this database"))?;
                    // There NULL becomes JSON's null, of which this property need not admit any.
                    Ok(if dialect == Dialect::Sqlite { json::without_null(&json, dialect) } else { json })
                };
                (lift(value)?, fill.map(lift).transpose()?)
            };
            return Ok(self.json_presence(property, &value, absent, fill.as_deref()));
        }
        let value = if is_json(&property.ty) {
            from_json(value, &property.ty, dialect).ok_or_else(|| local("its result has no form in this database"))?
        } else {
            value.to_owned()
        };
        let present = |none: &str| match absent {
            Some(absent) => format!("CASE WHEN {absent} THEN {none} ELSE {value} END"),
            None => value.clone(),
        };
        Ok(match (property.required, property.nullable, fill) {
            (true, false, Some(fill)) => format!("coalesce({}, {fill})", present("NULL")),
            (true, true, Some(fill)) => present(fill),
            (_, _, _) => present("NULL"),
        })
    }

    /// Lands JSON, SQL's NULL being null here, as JSON, SQL's NULL being absence.
    fn json_presence(&self, property: &Property, value: &str, absent: Option<&str>, fill: Option<&str>) -> String {
        let null = json::null(self.compute.dialect);
        let admits_null = property.nullable || property.ty == Type::Json;
        let on_null = match (admits_null, property.required, fill) {
            (true, _, _) => null.to_owned(),
            (false, true, Some(fill)) => fill.to_owned(),
            (false, _, _) => "NULL".to_owned(),
        };
        let on_absent = match (property.required, fill) {
            (false, _) => "NULL".to_owned(),
            (true, Some(fill)) if admits_null => format!("coalesce({fill}, {null})"),
            (true, Some(fill)) => fill.to_owned(),
            // Only what may be null is null where it is absent, not all that has a null.
            (true, None) => if property.nullable { null } else { "NULL" }.to_owned(),
        };
        let present = if on_null == "NULL" { value.to_owned() } else { format!("coalesce({value}, {on_null})") };
        match absent {
            Some(absent) => format!("CASE WHEN {absent} THEN {on_absent} ELSE {present} END"),
            None => present,
        }
    }

    /// Puts something in the place of what failed, as the operation says. `json` tells whether that is JSON.
    fn instead(&self, property: &Property, sql: String, failed: Option<String>, json: bool) -> Result<Computed, Local> {
        let Some(failed) = failed else { return Ok(Computed { sql, failed: None }) };
        let OnFail::Fallback(value) = &self.target.on_fail else {
            return Ok(Computed { sql: format!("CASE WHEN {failed} THEN NULL ELSE {sql} END"), failed: Some(failed) });
        };
        let constant = if json && *value == Value::Null {
            json::null(self.compute.dialect).to_owned()
        } else {
            self.compute.constant(value, if json { &Type::Json } else { &property.ty })?
        };
        Ok(Computed { sql: format!("CASE WHEN {failed} THEN {constant} ELSE {sql} END"), failed: None })
    }

    /// When there is no value that fits; `None` where there always is, or the database refuses by itself.
    fn failure(&self, property: &Property, outcome: &Outcome, landed: &str) -> Option<String> {
        if self.target.on_fail == OnFail::Reject {
            return None;
        }
        let dialect = self.compute.dialect;
        let mut conditions = Vec::new();
        if let Some(fails) = &outcome.fails {
            conditions.push(match &outcome.absent {
                Some(absent) => format!("NOT ({absent}) AND ({fails})"),
                None => fails.clone(),
            });
        }
        // Evaluated only where the computation itself does not fail.
        if property.required && !property.nullable && !outcome.present {
            conditions.push(format!("{landed} IS NULL"));
        }
        if let Some(fits) = facet_check(landed, property, dialect).filter(|_| !outcome.sure && !self.compute.is_json(self.node)) {
            conditions.push(format!("({fits}) IS FALSE"));
        }
        first_of(conditions.into_iter().map(Some))
    }
}

/// Whether one of conditions holds, of which each is looked at only where none before it does.
fn first_of(conditions: impl IntoIterator<Item = Option<String>>) -> Option<String> {
    conditions.into_iter().flatten().reduce(|before, next| format!("CASE WHEN {before} THEN TRUE ELSE {next} END"))
}
