//! Models and properties out of values.

use super::{Constraint, Model, Policy, Properties, Property, Rule, Type};
use crate::decode::{flag, found, known_keys, object, optional_string, paths, required, string, strings};
use crate::invalid::{Invalid, nearest};
use crate::path::Path;
use crate::value::{Object, Value};

/// Every name by which a type can be written, the shared ones excepted.
const TYPE_NAMES: &[&str] = &[
    "string", "text", "integer", "number", "float", "decimal", "boolean", "date", "time", "datetime", "uuid", "bytes", "json",
    "enum", "object", "array", "map", "ref", "union",
];

const FACETS: &[&str] = &["type", "required", "nullable", "default", "unique", "index", "check", "description"];

/// The keys of a model's document that are not options.
const MODEL_KEYS: &[&str] = &["type", "name", "key", "properties", "additional", "constraints"];

/// Options that a model's document may carry beside them; kept as written.
const MODEL_OPTIONS: &[&str] = &[
    "version",
    "backend",
    "objects",
    "table",
    "carries",
    "unversioned",
    "store_at",
    "revisions",
    "description",
    "meta_property",
];

/// Finds shared types by name.
pub type SharedTypes<'a> = &'a dyn Fn(&str) -> Option<Property>;

/// Finds no shared type.
pub fn no_shared_types(_: &str) -> Option<Property> {
    None
}

impl Property {
    /// Reads a property: a type's name, or an object with `type` and facets.
    ///
    /// # Errors
    /// Unknown keys and types, and values of the wrong kind.
    pub fn from_value(value: &Value) -> Result<Self, Invalid> {
        Self::from_value_with(value, &no_shared_types)
    }

    /// As [`Property::from_value`], with shared types.
    ///
    /// # Errors
    /// As [`Property::from_value`].
    pub fn from_value_with(value: &Value, shared: SharedTypes<'_>) -> Result<Self, Invalid> {
        if let Some(name) = value.as_str() {
            return Self::from_value_with(&Value::from(Object::from_iter([("type".into(), name.into())])), shared);
        }
        let object = object(value, "a property")?;
        let name = string(object, "type")?;
        let (base, extra) = type_of(name, object, shared)?;
        let known: Vec<&str> = FACETS.iter().chain(extra).copied().collect();
        known_keys(object, &known)?;
        let has = |key: &str, inherited: bool| {
            if object.get(key).is_some() { flag(object, key) } else { Ok(inherited) }
        };
        let property = Self {
            required: has("required", base.required)?,
            nullable: has("nullable", base.nullable)?,
            default: object.get("default").cloned().or(base.default),
            unique: has("unique", base.unique)?,
            index: has("index", base.index)?,
            check: optional_string(object, "check")?.map(str::to_owned).or(base.check),
            description: optional_string(object, "description")?.map(str::to_owned).or(base.description),
            ty: base.ty,
        };
        if let Some(default) = &property.default
            && let Some(violation) = property.violations(default).into_iter().next()
        {
            return Err(Invalid::new(format!("the default does not fit its type: {}", violation.message)).beneath("default"));
        }
        Ok(property)
    }
}

/// The type called `name` in a property's object, and the keys that belong to it beside the facets.
fn type_of(name: &str, object: &Object, shared: SharedTypes<'_>) -> Result<(Property, &'static [&'static str]), Invalid> {
    let simple = |ty| Ok((Property::new(ty), &[][..]));
    match name {
        "string" | "text" => simple(Type::String),
        "integer" => simple(Type::Integer),
        "number" => simple(Type::Number),
        "float" => simple(Type::Float),
        "boolean" => simple(Type::Boolean),
        "date" => simple(Type::Date),
        "time" => simple(Type::Time),
        "datetime" => simple(Type::Datetime),
        "uuid" => simple(Type::Uuid),
        "bytes" => simple(Type::Bytes),
        "json" => simple(Type::Json),
        "decimal" => {
            let digits = |key: &str| {
                let value = required(object, key)?;
                let digits = value.as_i64().and_then(|n| u32::try_from(n).ok()).filter(|n| *n <= 1000);
                digits
                    .ok_or_else(|| Invalid::new(format!("expected a number from 0 to 1000, found {}", found(value))).beneath(key))
            };
            let (precision, scale) = (digits("precision")?, digits("scale")?);
            if precision == 0 || scale > precision {
                return Err(
                    Invalid::new("`precision` counts all digits: at least one, and not fewer than `scale`").beneath("scale")
                );
            }
            Ok((Property::new(Type::Decimal { precision, scale }), &["precision", "scale"]))
        }
        "enum" => {
            let values = strings(object, "values")?;
            if values.is_empty() {
                return Err(Invalid::new("an enum needs `values`, a list of strings"));
            }
            if let Some(i) = (1..values.len()).find(|i| values[..*i].contains(&values[*i])) {
                let repeated = Invalid::new(format!("the value `{}` occurs twice", values[i]));
                return Err(repeated.beneath(&i.to_string()).beneath("values"));
            }
            Ok((Property::new(Type::Enum { values }), &["values"]))
        }
        "object" => Ok((Property::new(Type::Object(properties(object, shared)?)), &["properties", "additional"])),
        "array" => {
            let items = required(object, "items")?;
            let (items, inner_key) = array_items(items, shared).map_err(|e| e.beneath("items"))?;
            let key = optional_string(object, "key")?.map(str::to_owned).or(inner_key);
            if let Some(key) = &key {
                let known = matches!(&items.ty, Type::Object(p) if p.get(key).is_some_and(|p| p.required));
                if !known {
                    let invalid = Invalid::new(format!("the items have no required property `{key}` to be their key"));
                    return Err(invalid.beneath("key"));
                }
            }
            Ok((Property::new(Type::Array { items: Box::new(items), key }), &["items", "key"]))
        }
        "map" => {
            let values = required(object, "values")?;
            let values = Property::from_value_with(values, shared).map_err(|e| e.beneath("values"))?;
            Ok((Property::new(Type::Map { values: Box::new(values) }), &["values"]))
        }
        "ref" => {
            let model = string(object, "model")?.to_owned();
            Ok((Property::new(Type::Ref { model }), &["model"]))
        }
        "union" => {
            let of = required(object, "of")?;
            let list = of.as_list().ok_or_else(|| Invalid::new("expected a list of types").beneath("of"))?;
            let of = list
                .iter()
                .enumerate()
                .map(|(i, item)| Property::from_value_with(item, shared).map_err(|e| e.beneath(&i.to_string()).beneath("of")))
                .collect::<Result<Vec<_>, _>>()?;
            let tag = optional_string(object, "tag")?.map(str::to_owned);
            check_union(&of, tag.as_deref())?;
            Ok((Property::new(Type::Union { of, tag }), &["of", "tag"]))
        }
        _ => shared(name).map(|property| (property, &[][..])).ok_or_else(|| unknown_type(name)),
    }
}

fn unknown_type(name: &str) -> Invalid {
    let invalid = Invalid::new(format!("unknown type `{name}`")).beneath("type");
    if let Some(near) = nearest(name, TYPE_NAMES.iter().copied()) {
        return invalid.help(format!("did you mean `{near}`? A shared type is declared by a file with `type: type`"));
    }
    let known = TYPE_NAMES.join(", ");
    invalid.help(format!("known types: {known}; a shared type is declared by a file with `type: type`"))
}

/// The items of an array; `items: {key: id, …}` is another way to write the array's `key`.
fn array_items(value: &Value, shared: SharedTypes<'_>) -> Result<(Property, Option<String>), Invalid> {
    if let Value::Object(object) = value
        && let Some(key) = object.get("key")
    {
        let key = crate::decode::text(key).map_err(|e| e.beneath("key"))?.to_owned();
        let mut rest = object.clone();
        rest.remove("key");
        return Ok((Property::from_value_with(&Value::Object(rest), shared)?, Some(key)));
    }
    Ok((Property::from_value_with(value, shared)?, None))
}

fn check_union(of: &[Property], tag: Option<&str>) -> Result<(), Invalid> {
    if of.len() < 2 {
        return Err(Invalid::new("a union needs at least two types").beneath("of"));
    }
    for (i, property) in of.iter().enumerate() {
        let place = |e: Invalid| e.beneath(&i.to_string()).beneath("of");
        if let Some(tag) = tag {
            let tagged = matches!(&property.ty, Type::Object(p) if p.get(tag).is_some_and(|p| matches!(&p.ty, Type::Enum { values } if values.len() == 1)));
            if !tagged {
                let help = format!("give it `properties: {{{tag}: {{type: enum, values: [its name], required: true}}, …}}`");
                return Err(place(
                    Invalid::new(format!("each type of a union with a tag is an object with an enum `{tag}` of one value"))
                        .help(help),
                ));
            }
        } else if let Some(kind) = property.ty.json_kind() {
            if of[..i].iter().any(|p| p.ty.json_kind() == Some(kind)) {
                let invalid = Invalid::new(format!("two types of this union are both a JSON {kind} and cannot be told apart"));
                return Err(place(invalid.help("add a `tag`, or join the two")));
            }
        } else {
            return Err(place(Invalid::new("this type can be several JSON kinds and does not fit into a union without `tag`")));
        }
    }
    Ok(())
}

impl Type {
    /// Returns the JSON kind of the type's values, where there is just one.
    pub fn json_kind(&self) -> Option<&'static str> {
        Some(match self {
            Self::String | Self::Date | Self::Time | Self::Datetime | Self::Uuid | Self::Bytes | Self::Enum { .. } => "string",
            Self::Integer | Self::Number | Self::Float | Self::Decimal { .. } => "number",
            Self::Boolean => "boolean",
            Self::Object(_) | Self::Map { .. } => "object",
            Self::Array { .. } => "array",
            Self::Json | Self::Ref { .. } | Self::Union { .. } => return None,
        })
    }
}

/// The `properties` and `additional` of a model or an object.
fn properties(source: &Object, shared: SharedTypes<'_>) -> Result<Properties, Invalid> {
    let mut properties = Properties::new();
    if source.get("additional").is_some() {
        properties.additional = flag(source, "additional")?;
    }
    if let Some(value) = source.get("properties") {
        let entries = object(value, "the properties").map_err(|e| e.beneath("properties"))?;
        for (name, value) in entries {
            if name.as_str() == "_coeval" {
                return Err(Invalid::new("`_coeval` is where coeval keeps its own notes").key("_coeval").beneath("properties"));
            }
            let property = Property::from_value_with(value, shared).map_err(|e| e.beneath(name).beneath("properties"))?;
            properties.insert(name, property);
        }
    }
    Ok(properties)
}

impl Model {
    /// Reads a model's document.
    ///
    /// # Errors
    /// Unknown keys and types, a key that is not a required property.
    pub fn from_value(value: &Value, shared: SharedTypes<'_>) -> Result<Self, Invalid> {
        let object = object(value, "a model")?;
        let known: Vec<&str> = MODEL_KEYS.iter().chain(MODEL_OPTIONS).copied().collect();
        known_keys(object, &known)?;
        let mut model = Self::new(string(object, "name")?);
        model.properties = properties(object, shared)?;
        model.key = strings(object, "key")?;
        for (i, name) in model.key.iter().enumerate() {
            let here = |e: Invalid| e.beneath(&i.to_string()).beneath("key");
            match model.properties.get(name) {
                None => return Err(here(Invalid::new(format!("the key names `{name}`, which is not a property")))),
                Some(p) if !p.required || p.nullable => {
                    let invalid = Invalid::new(format!("the key `{name}` may be missing or null"));
                    return Err(here(invalid.help(format!("say `required: true` at `{name}`, without `nullable`"))));
                }
                Some(_) => {}
            }
        }
        if let Some(value) = object.get("constraints") {
            let list = value.as_list().ok_or_else(|| Invalid::new("expected a list of constraints").beneath("constraints"))?;
            for (i, item) in list.iter().enumerate() {
                let constraint = Constraint::from_value(item).map_err(|e| e.beneath(&i.to_string()).beneath("constraints"))?;
                model.constraints.push(constraint);
            }
        }
        model.options = object.iter().filter(|(k, _)| MODEL_OPTIONS.contains(&k.as_str())).cloned().collect();
        Ok(model)
    }
}

impl Constraint {
    /// Reads a constraint: `{name, index | unique | check | reference, model?, policy?}`.
    ///
    /// # Errors
    /// Unknown keys, and not exactly one rule.
    pub fn from_value(value: &Value) -> Result<Self, Invalid> {
        let object = object(value, "a constraint")?;
        known_keys(object, &["name", "index", "unique", "check", "reference", "model", "policy"])?;
        let rule = if object.get("index").is_some() {
            Rule::Index(paths(object, "index")?)
        } else if object.get("unique").is_some() {
            Rule::Unique(paths(object, "unique")?)
        } else if let Some(check) = optional_string(object, "check")? {
            Rule::Check(check.to_owned())
        } else if object.get("reference").is_some() {
            Rule::Reference(crate::decode::path(object, "reference")?, string(object, "model")?.to_owned())
        } else {
            return Err(Invalid::new("a constraint says one of `index`, `unique`, `check` or `reference`"));
        };
        let policy = object.get("policy").map(Policy::from_value).transpose().map_err(|e| e.beneath("policy"))?;
        let name = optional_string(object, "name")?.map_or_else(|| rule.default_name(), str::to_owned);
        Ok(Self { name, rule, policy: policy.unwrap_or_default() })
    }
}

impl Rule {
    /// Returns the name of a constraint that was given none: its kind and its properties.
    pub fn default_name(&self) -> String {
        let join = |paths: &[Path]| paths.iter().map(Path::to_string).collect::<Vec<_>>().join("_");
        match self {
            Self::Index(paths) => format!("index_{}", join(paths)),
            Self::Unique(paths) => format!("unique_{}", join(paths)),
            Self::Check(expr) => format!("check_{}", &Value::from(expr.as_str()).digest()[..8]),
            Self::Reference(path, model) => format!("reference_{path}_{model}"),
        }
    }
}

impl Policy {
    /// Reads `reject`, `quarantine` or `{repair: EXPRESSION}`.
    ///
    /// # Errors
    /// Anything else.
    pub fn from_value(value: &Value) -> Result<Self, Invalid> {
        match value {
            Value::String(text) if text.as_str() == "reject" => Ok(Self::Reject),
            Value::String(text) if text.as_str() == "quarantine" => Ok(Self::Quarantine),
            Value::Object(object) if object.len() == 1 && object.get("repair").is_some() => {
                Ok(Self::Repair(string(object, "repair")?.to_owned()))
            }
            _ => Err(Invalid::new("expected `reject`, `quarantine` or `{repair: EXPRESSION}`")),
        }
    }
}
