//! What the function of a recipe gives, and when it fails.

use coeval_core::Value;
use coeval_core::expr::{Compiled, ExprType};
use coeval_core::history::{Function, OnFail, Recipe, RecipeId};
use coeval_core::schema::{Property, Type};
use coeval_core::table::Table as LookupTable;

use super::{Compute, Inputs, fails, is_json, is_large, local};
use crate::dialect::Dialect;
use crate::expr::{Beside, Local, Rendered, failure_beside, failure_of, landed, render_beside, render_function};

/// What a function gives.
#[derive(Debug)]
pub(super) struct Outcome {
    /// The value, of its target's type; NULL for null.
    pub(super) sql: String,
    /// When it fails.
    pub(super) fails: Option<String>,
    /// When there is none.
    pub(super) absent: Option<String>,
    /// Whether it is neither absent nor null, unless it fails.
    pub(super) present: bool,
    /// Whether it fits its target's type whenever it is there, so that nobody has to look.
    pub(super) sure: bool,
}

/// When a computation fails.
pub(super) enum Failing {
    Never,
    When(String),
    /// It has to be tried.
    Unknown,
}

impl Compute<'_, '_> {
    pub(super) fn outcome(&self, id: RecipeId, at: usize, inputs: &Inputs) -> Result<Outcome, Local> {
        let recipe = &self.scope().recipes[id];
        let target = &recipe.targets[at];
        let sql = match &recipe.function {
            Function::Constant(None) => {
                let sql = self.constant(&Value::Null, &target.property.ty)?;
                return Ok(Outcome { sql, fails: None, absent: Some("TRUE".to_owned()), sure: false, present: false });
            }
            Function::Constant(Some(value)) => self.constant(value, &target.property.ty)?,
            function => self.apply(function, at, &inputs.seen, &inputs.types, &target.property)?.sql,
        };
        let absent = inputs.absent.clone();
        let sure = self.dialect == Dialect::Sqlite && fails::is_sure(&recipe.function, at, &target.property.ty);
        let present = absent.is_none()
            && match &recipe.function {
                Function::Constant(value) => value.as_ref().is_some_and(|value| *value != Value::Null),
                Function::Expressions(expressions) => !expressions[at].0.root().nullable,
                Function::Identity
                | Function::Enum(_)
                | Function::Wrap
                | Function::Pick { .. }
                | Function::Keys(_)
                | Function::Native(_) => false,
            };
        if target.on_fail == OnFail::Reject {
            return Ok(Outcome { sql, fails: None, absent, present, sure });
        }
        let fails = match self.failing(recipe, at, inputs)? {
            Failing::Never => None,
            Failing::When(condition) => Some(condition),
            Failing::Unknown => {
                let guard = self.helpers.guard(id, at).filter(|_| self.within.is_none());
                let tried = || match self.dialect {
                    Dialect::Sqlite => self.beside(|beside| fails::fails(&recipe.function, at, &inputs.seen, &sql, beside)),
                    Dialect::Postgres => None,
                };
                let condition = guard.map(|guard| format!("{guard}({})", inputs.seen.join(", "))).or_else(tried);
                Some(condition.ok_or_else(|| local("the database cannot go on where a computation fails"))?)
            }
        };
        Ok(Outcome { sql, fails, absent, present, sure })
    }

    /// When an output of a recipe fails.
    pub(super) fn failing(&self, recipe: &Recipe, at: usize, inputs: &Inputs) -> Result<Failing, Local> {
        let target = &recipe.targets[at];
        let rendered = match &recipe.function {
            Function::Constant(_) => return Ok(Failing::Never),
            function => self.apply(function, at, &inputs.seen, &inputs.types, &target.property)?,
        };
        if !rendered.fallible {
            return Ok(Failing::Never);
        }
        // JSON may hold what is not of its type, which only a trial tells.
        if self.dialect == Dialect::Postgres
            && inputs.types.iter().any(|property| is_json(&property.ty))
            && !matches!(recipe.function, Function::Keys(_))
        {
            return Ok(Failing::Unknown);
        }
        let condition = match &recipe.function {
            Function::Expressions(expressions) => {
                let (expression, places) = &expressions[at];
                let seen: Vec<String> = places.iter().map(|place| inputs.seen[*place].clone()).collect();
                let same = ExprType::of(&target.property.ty) == expression.root().ty;
                self.beside(|beside| failure_beside(expression, &seen, self.dialect, beside)).ok().filter(|_| same)
            }
            function => inputs.seen.first().and_then(|input| failure_of(function, input, self.dialect)),
        };
        Ok(condition.map_or(Failing::Unknown, Failing::When))
    }

    /// An expression as a value of a target.
    pub(super) fn expression(&self, expression: &Compiled, seen: &[String], target: &Property) -> Result<Rendered, Local> {
        let rendered = self.beside(|beside| render_beside(expression, seen, self.dialect, beside))?;
        let root = expression.root();
        let exact = matches!(target.ty, Type::Integer | Type::Decimal { .. }) && root.ty != ExprType::of(&target.ty);
        let rendered = landed(rendered, root, &target.ty, self.dialect)?;
        Ok(Rendered { fallible: rendered.fallible || exact, ..rendered })
    }

    /// Makes something of an expression, with what lies beside it.
    fn beside<T>(&self, make: impl FnOnce(Beside<'_>) -> T) -> T {
        let lookups = |table: &LookupTable| self.lookup(table);
        let beyond = self.helpers.beyond().filter(|_| self.partly);
        make(Beside { lookups: Some(&lookups), beyond: beyond.as_deref() })
    }

    /// Where a table lies, unless it is so small that it is written out.
    pub(super) fn lookup(&self, table: &LookupTable) -> Option<String> {
        is_large(table).then(|| self.helpers.lookup(table))
    }

    /// A function on inputs.
    pub(super) fn apply(
        &self,
        function: &Function,
        at: usize,
        inputs: &[String],
        types: &[Property],
        target: &Property,
    ) -> Result<Rendered, Local> {
        match function {
            Function::Expressions(expressions) => {
                let (expression, places) = &expressions[at];
                let seen: Vec<String> = places.iter().map(|place| inputs[*place].clone()).collect();
                self.expression(expression, &seen, target)
            }
            Function::Constant(_)
            | Function::Identity
            | Function::Enum(_)
            | Function::Wrap
            | Function::Pick { .. }
            | Function::Keys(_)
            | Function::Native(_) => {
                let types: Vec<&Property> = types.iter().collect();
                let mut all = render_function(function, inputs, &types, &[target], self.dialect)?;
                all.pop().ok_or_else(|| local("it gives nothing"))
            }
        }
    }
}
