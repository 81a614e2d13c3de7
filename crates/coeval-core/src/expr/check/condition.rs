//! `case`, and what its conditions show about NULL.

use sqlparser::ast::{self as sql, CaseWhen};

use super::{Checker, node};
use crate::expr::ast::{Expr, ExprKind, Test};
use crate::invalid::Invalid;

impl Checker<'_> {
    pub(super) fn case(
        &mut self,
        tree: &sql::Expr,
        operand: Option<&sql::Expr>,
        branches: &[CaseWhen],
        otherwise: Option<&sql::Expr>,
    ) -> Result<Expr, Invalid> {
        let span = self.span(tree);
        let operand = operand.map(|operand| self.lower(operand)).transpose()?;
        let before = self.present.len();
        let mut conditions = Vec::with_capacity(branches.len());
        let mut results = Vec::with_capacity(branches.len() + 1);
        for branch in branches {
            let condition = self.lower(&branch.condition)?;
            let condition = if operand.is_some() { condition } else { self.boolean(condition)? };
            let outside = self.present.len();
            if operand.is_none() {
                shown(&condition, true, &mut self.present);
            }
            results.push(self.lower(&branch.result)?);
            self.present.truncate(outside);
            if operand.is_none() {
                // The branches that follow are reached only where the condition is false or NULL; `is null` is never NULL.
                shown(&condition, false, &mut self.present);
            }
            conditions.push(condition);
        }
        let otherwise = otherwise.map(|otherwise| self.lower(otherwise)).transpose();
        self.present.truncate(before);
        let has_otherwise = match otherwise? {
            Some(otherwise) => {
                results.push(otherwise);
                true
            }
            None => false,
        };
        let (mut results, typed) = self.unify(results)?;
        let otherwise = if has_otherwise { results.pop().map(Box::new) } else { None };
        let (operand, conditions) = match operand {
            Some(operand) => {
                let mut all = vec![operand];
                all.extend(conditions);
                let mut all = self.comparable(all, false)?.into_iter();
                (all.next().map(Box::new), all.collect())
            }
            None => (None, conditions),
        };
        let nullable = typed.nullable || otherwise.is_none();
        let branches = conditions.into_iter().zip(results).collect();
        Ok(node(ExprKind::Case { operand, branches, otherwise }, typed.ty, nullable, span))
    }
}

/// Adds the inputs that are not NULL where the condition is true, or where it is not.
fn shown(condition: &Expr, holds: bool, present: &mut Vec<usize>) {
    match &condition.kind {
        ExprKind::Is(inner, Test::Null) if !holds => {
            if let ExprKind::Input(at) = inner.kind {
                present.push(at);
            }
        }
        ExprKind::Not(inner) if matches!(inner.kind, ExprKind::Is(_, Test::Null)) => shown(inner, !holds, present),
        ExprKind::And(parts) if holds => parts.iter().for_each(|part| shown(part, true, present)),
        ExprKind::Or(parts) if !holds => parts.iter().for_each(|part| shown(part, false, present)),
        _ => {}
    }
}
