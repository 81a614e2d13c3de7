//! Adds and removes constraints: indexes, uniqueness, conditions and references. Their physical side is a store's.

use super::support::{existing, expression, put};
use super::{Context, Example, LensEdit, Named, Op, Operation};
use crate::decode;
use crate::expr::{Compiled, Names, Scope};
use crate::invalid::{Invalid, nearest};
use crate::path::Path;
use crate::schema::{Constraint, Model, Policy, Rule};
use crate::value::{Object, Value};

/// `add_index`, `add_unique`, `add_check` and `add_reference`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddConstraint {
    /// What is added.
    pub constraint: Constraint,
}

/// `remove_index`, `remove_unique`, `remove_check` and `remove_reference`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoveConstraint {
    /// `index`, `unique`, `check` or `reference`.
    pub kind: Kind,
    /// The constraint's name.
    pub name: String,
}

/// What kind of constraint it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// An index.
    Index,
    /// A uniqueness.
    Unique,
    /// A condition.
    Check,
    /// A reference.
    Reference,
}

impl Kind {
    fn of(rule: &Rule) -> Self {
        match rule {
            Rule::Index(_) => Self::Index,
            Rule::Unique(_) => Self::Unique,
            Rule::Check(_) => Self::Check,
            Rule::Reference(..) => Self::Reference,
        }
    }

    fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "index" => Self::Index,
            "unique" => Self::Unique,
            "check" => Self::Check,
            "reference" => Self::Reference,
            _ => return None,
        })
    }

    fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Index => ("add_index", "remove_index"),
            Self::Unique => ("add_unique", "remove_unique"),
            Self::Check => ("add_check", "remove_check"),
            Self::Reference => ("add_reference", "remove_reference"),
        }
    }
}

fn paths_value(paths: &[Path]) -> Value {
    Value::List(paths.iter().map(|path| path.to_string().into()).collect())
}

impl Named for AddConstraint {
    fn answers_to(name: &str) -> bool {
        name.strip_prefix("add_").is_some_and(|kind| Kind::parse(kind).is_some())
    }

    fn read_as(name: &str, fields: &Object) -> Result<Self, Invalid> {
        let mut fields = fields.clone();
        fields.insert("kind", name.trim_start_matches("add_").into());
        Self::from_fields(&fields)
    }

    fn written_name(&self) -> &'static str {
        Kind::of(&self.constraint.rule).names().0
    }
}

impl Op for AddConstraint {
    const NAME: &'static str = "add_unique";
    const EXAMPLE: Example = Example {
        properties: r#"{"email": "string"}"#,
        operation: r#"{"properties": ["email"]}"#,
        older: r#"{"email":"ada@example.org"}"#,
        newer: r#"{"email":"ada@example.org"}"#,
    };

    fn from_fields(fields: &Object) -> Result<Self, Invalid> {
        let kind = decode::optional_string(fields, "kind")?.and_then(Kind::parse).unwrap_or(Kind::Unique);
        let own: &[&str] = match kind {
            Kind::Index | Kind::Unique => &["kind", "name", "policy", "properties"],
            Kind::Check => &["kind", "name", "policy", "expr"],
            Kind::Reference => &["kind", "name", "policy", "property", "model"],
        };
        decode::known_keys(fields, own)?;
        let rule = match kind {
            Kind::Index | Kind::Unique => {
                decode::required(fields, "properties")?;
                let paths = decode::paths(fields, "properties")?;
                if kind == Kind::Index { Rule::Index(paths) } else { Rule::Unique(paths) }
            }
            Kind::Check => Rule::Check(
                expression(fields, "expr")?.ok_or_else(|| Invalid::new("`expr` is missing, the condition that must hold"))?,
            ),
            Kind::Reference => Rule::Reference(decode::path(fields, "property")?, decode::string(fields, "model")?.to_owned()),
        };
        let policy = fields.get("policy").map(Policy::from_value).transpose().map_err(|e| e.beneath("policy"))?;
        let name = decode::optional_string(fields, "name")?.map_or_else(|| rule.default_name(), str::to_owned);
        Ok(Self { constraint: Constraint { name, rule, policy: policy.unwrap_or_default() } })
    }

    fn to_fields(&self) -> Object {
        let constraint = &self.constraint;
        let mut out = Object::new();
        put(&mut out, "name", (constraint.name != constraint.rule.default_name()).then_some(constraint.name.as_str()));
        match &constraint.rule {
            Rule::Index(paths) | Rule::Unique(paths) => drop(out.insert("properties", paths_value(paths))),
            Rule::Check(expr) => drop(out.insert("expr", expr.as_str().into())),
            Rule::Reference(path, model) => {
                out.insert("property", path.to_string().into());
                out.insert("model", model.as_str().into());
            }
        }
        put(&mut out, "policy", (constraint.policy != Policy::Reject).then(|| constraint.policy.to_value()));
        out
    }

    fn check(&self, before: &Model) -> Result<(), Invalid> {
        if before.all_constraints().iter().any(|c| c.name == self.constraint.name) {
            let invalid = Invalid::new(format!("{} has a constraint `{}` already", before.name, self.constraint.name));
            return Err(invalid.help("give this one another `name`"));
        }
        match &self.constraint.rule {
            Rule::Index(paths) | Rule::Unique(paths) => {
                paths.iter().try_for_each(|path| existing(before, path, "properties").map(drop))
            }
            Rule::Reference(path, _) => existing(before, path, "property").map(drop),
            Rule::Check(_) => Ok(()),
        }
    }

    fn apply(&self, model: &mut Model) {
        model.constraints.push(self.constraint.clone());
    }

    fn lens(&self, before: &Model, context: &Context<'_>) -> Result<LensEdit, Invalid> {
        if let Rule::Check(source) = &self.constraint.rule {
            let scope = Scope { names: Names::Record(&before.properties), tables: context.tables, absent_is_null: true };
            let compiled = Compiled::compile(source, &scope).map_err(|e| e.beneath("expr"))?;
            let boolean = crate::schema::Property::new(crate::schema::Type::Boolean);
            compiled.check_target(&boolean).map_err(|e| e.beneath("expr"))?;
        }
        Ok(LensEdit::default())
    }

    fn inverse(&self, _before: &Model) -> Option<Operation> {
        Some(Operation::RemoveConstraint(RemoveConstraint {
            kind: Kind::of(&self.constraint.rule),
            name: self.constraint.name.clone(),
        }))
    }

    fn describe(&self) -> String {
        let list = |paths: &[Path]| paths.iter().map(Path::to_string).collect::<Vec<_>>().join(", ");
        match &self.constraint.rule {
            Rule::Index(paths) => format!("index {}", list(paths)),
            Rule::Unique(paths) => format!("require {} to be unique", list(paths)),
            Rule::Check(expr) => format!("require that {expr}"),
            Rule::Reference(path, model) => format!("require {path} to name a {model}"),
        }
    }
}

impl Named for RemoveConstraint {
    fn answers_to(name: &str) -> bool {
        name.strip_prefix("remove_").is_some_and(|kind| Kind::parse(kind).is_some())
    }

    fn read_as(name: &str, fields: &Object) -> Result<Self, Invalid> {
        let mut fields = fields.clone();
        fields.insert("kind", name.trim_start_matches("remove_").into());
        Self::from_fields(&fields)
    }

    fn written_name(&self) -> &'static str {
        self.kind.names().1
    }
}

impl Op for RemoveConstraint {
    const NAME: &'static str = "remove_index";
    const EXAMPLE: Example = Example {
        properties: r#"{"email": {"type": "string"}}"#,
        operation: r#"{"name": "index_email"}"#,
        older: r#"{"email":"ada@example.org"}"#,
        newer: r#"{"email":"ada@example.org"}"#,
    };

    fn from_fields(fields: &Object) -> Result<Self, Invalid> {
        decode::known_keys(fields, &["kind", "name"])?;
        let kind = decode::optional_string(fields, "kind")?.and_then(Kind::parse).unwrap_or(Kind::Index);
        Ok(Self { kind, name: decode::string(fields, "name")?.to_owned() })
    }

    fn to_fields(&self) -> Object {
        Object::from_iter([("name".into(), self.name.as_str().into())])
    }

    fn check(&self, before: &Model) -> Result<(), Invalid> {
        let all = before.all_constraints();
        match all.iter().find(|c| c.name == self.name) {
            Some(constraint) if Kind::of(&constraint.rule) == self.kind => Ok(()),
            Some(constraint) => {
                let (_, right) = Kind::of(&constraint.rule).names();
                Err(Invalid::new(format!("`{}` is another kind of constraint", self.name))
                    .help(format!("use `{right}`"))
                    .beneath("name"))
            }
            None => {
                let invalid = Invalid::new(format!("{} has no constraint `{}`", before.name, self.name)).beneath("name");
                Err(match nearest(&self.name, all.iter().map(|c| c.name.as_str())) {
                    Some(near) => invalid.help(format!("did you mean `{near}`?")),
                    None => invalid,
                })
            }
        }
    }

    fn apply(&self, model: &mut Model) {
        model.remove_constraint(&self.name);
    }

    fn lens(&self, _before: &Model, _context: &Context<'_>) -> Result<LensEdit, Invalid> {
        Ok(LensEdit::default())
    }

    fn inverse(&self, before: &Model) -> Option<Operation> {
        let constraint = before.all_constraints().into_iter().find(|c| c.name == self.name)?;
        Some(Operation::AddConstraint(AddConstraint { constraint }))
    }

    fn describe(&self) -> String {
        format!("remove the constraint {}", self.name)
    }
}
