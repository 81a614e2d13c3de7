//! Chains of edits out of JSON.

use coeval_core::history::{Builder, Edit, Filling, History, OnFail, OneWay, Release, Side};
use coeval_core::op::LensEdit;
use coeval_core::path::Path;
use coeval_core::schema::{Model, Properties, Property};
use coeval_core::value::{Object, Value};

use super::function::function;
use super::{list, number, text};

/// Folds the steps of a case: edits, and cuts with the properties of the version that ends there.
pub(super) fn build(steps: &[Value]) -> Result<History, String> {
    let mut builder: Option<Builder> = None;
    let mut version = 1;
    for step in steps {
        let step = step.as_object().ok_or("a step is an object")?;
        if let Some(properties) = step.get("cut") {
            let model = model(properties)?;
            match &mut builder {
                None => builder = Some(Builder::start(1, model)),
                Some(builder) => {
                    *builder.model_mut() = model;
                    builder.cut(&Release { version, operations: Vec::new(), order: None });
                }
            }
            version += 1;
        } else {
            let builder = builder.as_mut().ok_or("the first step must be a cut")?;
            let edit = LensEdit::new(Path::root(), vec![edit(step)?]);
            let operation = number(step, "number")? as usize;
            builder.edit(version, operation, &edit).map_err(|e| format!("{}: {e}", Value::from(step.clone())))?;
        }
    }
    Ok(builder.ok_or("a chain has at least one version")?.finish())
}

fn model(value: &Value) -> Result<Model, String> {
    let object = value.as_object().ok_or("the properties of a version are an object")?;
    let mut properties = Properties::new();
    for (name, value) in object {
        properties.insert(name, property(value)?);
    }
    Ok(Model { properties, ..Model::new("record") })
}

pub(super) fn property(value: &Value) -> Result<Property, String> {
    Property::from_value(value).map_err(|e| format!("{value}: {e}"))
}

fn path(value: &Value) -> Result<Path, String> {
    let text = value.as_str().ok_or_else(|| format!("{value} is not a path"))?;
    Path::parse(text).map_err(|e| format!("{text}: {e}"))
}

fn path_of(step: &Object, key: &str) -> Result<Path, String> {
    path(step.get(key).ok_or_else(|| format!("`{key}` is missing"))?)
}

fn object_of<'a>(step: &'a Object, key: &str) -> Result<&'a Object, String> {
    step.get(key).and_then(Value::as_object).ok_or_else(|| format!("`{key}` is not an object"))
}

fn property_of(step: &Object) -> Result<Property, String> {
    property(step.get("property").ok_or("`property` is missing")?)
}

fn pairs(step: &Object, key: &str) -> Result<Vec<(Value, Value)>, String> {
    let pair = |value: &Value| match value.as_list() {
        Some([a, b]) => Ok((a.clone(), b.clone())),
        _ => Err(format!("{value} is not a pair")),
    };
    list(step, key)?.iter().map(pair).collect()
}

fn edit(step: &Object) -> Result<Edit, String> {
    Ok(match text(step, "edit")? {
        "add" => Edit::Add { path: path_of(step, "path")?, property: property_of(step)?, value: one_way(step)? },
        "remove" => Edit::Remove { path: path_of(step, "path")?, value: one_way(step)? },
        "move" => Edit::Move { from: path_of(step, "from")?, to: path_of(step, "to")? },
        "enclose" => {
            let children = pairs(step, "children")?.into_iter();
            let children = children.map(|(from, name)| Ok((path(&from)?, name.as_str().unwrap_or_default().to_owned())));
            let children = children.collect::<Result<_, String>>()?;
            Edit::Enclose { path: path_of(step, "path")?, property: property_of(step)?, children }
        }
        "dissolve" => {
            let children = pairs(step, "children")?.into_iter();
            let children = children.map(|(name, to)| Ok((name.as_str().unwrap_or_default().to_owned(), path(&to)?)));
            Edit::Dissolve { path: path_of(step, "path")?, children: children.collect::<Result<_, String>>()? }
        }
        "group" => Edit::Group {
            old: list(step, "old")?.iter().map(path).collect::<Result<_, _>>()?,
            new: pairs(step, "new")?.into_iter().map(|(p, t)| Ok((path(&p)?, property(&t)?))).collect::<Result<_, String>>()?,
            up: side(object_of(step, "up")?)?,
            down: side(object_of(step, "down")?)?,
        },
        "facet" => Edit::Facet {
            path: path_of(step, "path")?,
            property: property_of(step)?,
            up: filling(step.get("up")),
            down: filling(step.get("down")),
        },
        other => return Err(format!("unknown edit `{other}`")),
    })
}

fn one_way(step: &Object) -> Result<OneWay, String> {
    Ok(OneWay::Side(side(object_of(step, "value")?)?))
}

/// Something or nothing: a list of one item or none.
fn some(value: &Value) -> Option<Value> {
    value.as_list().and_then(<[Value]>::first).cloned()
}

fn filling(value: Option<&Value>) -> Filling {
    value.and_then(some).map_or(Filling::None, Filling::Value)
}

fn side(object: &Object) -> Result<Side, String> {
    let inputs: Vec<Path> = list(object, "inputs")?.iter().map(path).collect::<Result<_, _>>()?;
    let single = inputs.first().zip(object.get("type"));
    Ok(Side {
        function: function(list(object, "function")?, single)?,
        inputs: inputs.into_iter().map(Some).collect(),
        fills: list(object, "fills")?.iter().map(|value| filling(Some(value))).collect(),
        // Nothing is rejected here: the model of the rules has no rejection.
        on_fail: list(object, "on_fail")?.iter().map(|value| some(value).map_or(OnFail::Quarantine, OnFail::Fallback)).collect(),
    })
}
