//! Indexes, uniqueness, conditions: rules that stores enforce and no record changes for.

use coeval_core::schema::{Constraint, Policy, Rule};
use coeval_core::{Path, Value};

use super::{Detector, Walk, value_of};

impl Detector<'_> {
    /// Removes what the draft no longer demands. First of all: a property that a constraint needs cannot be removed.
    pub(super) fn lifted(&mut self, walk: &Walk<'_>) {
        let after = self.after.all_constraints();
        let gone: Vec<Constraint> = self.working.all_constraints().into_iter().filter(|c| !after.contains(c)).collect();
        for constraint in gone {
            // A facet goes with its property.
            let facet = !self.working.constraints.contains(&constraint);
            if !(facet && paths(&constraint.rule).iter().any(|p| walk.removed.iter().any(|(path, _)| path.contains(p)))) {
                self.push(&value_of(&format!("remove_{}", kind(&constraint.rule)), [("name", constraint.name.into())]));
            }
        }
    }

    /// Adds what the draft demands and the model does not. Last of all: what it demands may be of new properties.
    pub(super) fn demanded(&mut self) {
        let before = self.working.all_constraints();
        for constraint in self.after.all_constraints().into_iter().filter(|c| !before.contains(c)) {
            let mut fields: Vec<(&str, Value)> = Vec::new();
            if constraint.name != constraint.rule.default_name() {
                fields.push(("name", constraint.name.as_str().into()));
            }
            match &constraint.rule {
                Rule::Index(paths) | Rule::Unique(paths) => {
                    let paths = paths.iter().map(|path| path.to_string().into()).collect();
                    fields.push(("properties", Value::List(paths)));
                }
                Rule::Check(expr) => fields.push(("expr", expr.as_str().into())),
                Rule::Reference(path, model) => {
                    fields.push(("property", path.to_string().into()));
                    fields.push(("model", model.as_str().into()));
                }
            }
            if constraint.policy != Policy::Reject {
                fields.push(("policy", constraint.policy.to_value()));
            }
            self.push(&value_of(&format!("add_{}", kind(&constraint.rule)), fields));
        }
    }
}

fn kind(rule: &Rule) -> &'static str {
    match rule {
        Rule::Index(_) => "index",
        Rule::Unique(_) => "unique",
        Rule::Check(_) => "check",
        Rule::Reference(..) => "reference",
    }
}

fn paths(rule: &Rule) -> Vec<&Path> {
    match rule {
        Rule::Index(paths) | Rule::Unique(paths) => paths.iter().collect(),
        Rule::Reference(path, _) => vec![path],
        Rule::Check(_) => Vec::new(),
    }
}
