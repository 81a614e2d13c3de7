//! The computations of the model's chains, value for value as `oracle/gen.py` has them.
//!
//! Where the kernel has a function of its own, or an expression says the same, that one is used; the rest is code.

use std::collections::BTreeMap;
use std::sync::Arc;

use coeval_core::expr::{Compiled, Names, Scope};
use coeval_core::history::{Function, OnFail, land};
use coeval_core::json;
use coeval_core::number::Number;
use coeval_core::path::{Path, Segment};
use coeval_core::schema::{Properties, Property, Type};
use coeval_core::table::Tables;
use coeval_core::value::{Object, Text, Value};

use super::chain::property;

type Given = Result<Vec<Option<Value>>, String>;

/// Returns the function that a description names; `single` is the one input and its type, where it is one.
pub(super) fn function(description: &[Value], single: Option<(&Path, &Value)>) -> Result<Function, String> {
    let (name, parameters) = description.split_first().ok_or("a function has a name")?;
    let name = name.as_str().ok_or("a function's name is a string")?;
    let first = parameters.first();
    let input = || single.ok_or_else(|| format!("`{name}` has one input"));
    let count = || first.and_then(Value::as_i64).ok_or_else(|| format!("`{name}` needs a number"));
    Ok(match name {
        "constant" => Function::Constant(first.and_then(Value::as_list).and_then(<[Value]>::first).cloned()),
        "identity" => Function::Identity,
        "wrap" => Function::Wrap,
        "first" => Function::Pick { last: false, empty: None },
        "table" => Function::Enum(names(first)?),
        "keys" if parameters.get(1) == Some(&Value::Bool(true)) => Function::Keys(names(first)?),
        "keys" => {
            let keys = names(first)?;
            code(move |inputs| lifted(inputs, |value| rename_keys(value, &keys)))
        }
        "times" => expression(&format!("{{}} * {}", count()?), input()?)?,
        "to_str" => expression("cast({} as text)", input()?)?,
        "suffix" => {
            let suffix = first.and_then(Value::as_str).ok_or("`suffix` needs a text")?;
            expression(&format!("cast({{}} as text) || '{suffix}'"), input()?)?
        }
        "length" => expression(&format!("length(cast({{}} as text)) + {}", count()?), input()?)?,
        "floor_div" => {
            let by = count()?;
            code(move |inputs| lifted(inputs, |value| Ok(value.as_i64().ok_or("not an integer")?.div_euclid(by).into())))
        }
        "to_int" => code(|inputs| lifted(inputs, |value| strict_integer(value.as_str().ok_or("not a string")?))),
        "split" => code(|inputs| {
            let Some(text) = inputs[0].and_then(Value::as_str) else { return Ok(vec![inputs[0].cloned(); 2]) };
            let (first, rest) = text.split_once(' ').unwrap_or((text, ""));
            Ok(vec![Some(first.into()), Some(rest.into())])
        }),
        "merge" => code(|inputs| Ok(vec![merge(inputs)])),
        "shift" => {
            let sign = count()?;
            code(move |inputs| Ok(shift(inputs, sign)))
        }
        "encode" => code(encode),
        "decode" => {
            let targets = first.and_then(Value::as_list).ok_or("`decode` needs its targets")?;
            let targets = targets.iter().map(|target| match target.as_list() {
                Some([ty, constant]) => Ok((property(ty)?, constant.clone())),
                _ => Err("a target is a type and a constant".to_owned()),
            });
            let targets: Vec<(Property, Value)> = targets.collect::<Result<_, _>>()?;
            code(move |inputs| Ok(decode(inputs, &targets)))
        }
        other => return Err(format!("unknown function `{other}`")),
    })
}

fn code(native: impl Fn(&[Option<&Value>]) -> Given + Send + Sync + 'static) -> Function {
    Function::Native(Arc::new(native))
}

/// An expression over one property, `{}` standing for its path.
fn expression(source: &str, (path, ty): (&Path, &Value)) -> Result<Function, String> {
    let mut at = property(ty)?;
    let mut properties = Properties::new();
    for segment in path.segments().iter().rev() {
        let Segment::Name(name) = segment else { return Err(format!("{path} leads through elements")) };
        properties = Properties::new();
        properties.insert(name, at);
        at = Property::new(Type::Object(properties.clone()));
    }
    let source = source.replace("{}", &path.to_string());
    let scope = Scope { names: Names::Record(&properties), tables: &Tables::new(), absent_is_null: false };
    let compiled = Compiled::compile(&source, &scope).map_err(|e| format!("{source}: {e}"))?;
    Ok(Function::Expressions(vec![(Arc::new(compiled), vec![0])]))
}

fn names(value: Option<&Value>) -> Result<BTreeMap<String, String>, String> {
    let object = value.and_then(Value::as_object).ok_or("expected names and new names")?;
    object.iter().map(|(from, to)| Ok((from.as_str().to_owned(), to.as_str().ok_or("expected a name")?.to_owned()))).collect()
}

/// A function of one value: absence and null pass.
fn lifted(inputs: &[Option<&Value>], compute: impl Fn(&Value) -> Result<Value, String>) -> Given {
    match inputs[0] {
        None => Ok(vec![None]),
        Some(Value::Null) => Ok(vec![Some(Value::Null)]),
        Some(value) => Ok(vec![Some(compute(value)?)]),
    }
}

fn rename_keys(value: &Value, keys: &BTreeMap<String, String>) -> Result<Value, String> {
    let mut entries: Vec<_> = value.as_object().ok_or("not a map")?.iter().collect();
    entries.sort_by(|(a, _), (b, _)| a.as_str().cmp(b.as_str()));
    let mut out = Object::new();
    for (key, value) in entries {
        // The last of two keys that become one wins.
        out.insert(keys.get(key.as_str()).map_or(key.as_str(), String::as_str), value.clone());
    }
    Ok(out.into())
}

/// The integer that an ASCII text spells: digits after at most one minus sign.
fn strict_integer(text: &str) -> Result<Value, String> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(format!("{text} is not an integer"));
    }
    text.parse::<i64>().map(Value::from).map_err(|e| e.to_string())
}

fn there(value: Option<&Value>) -> Option<&Value> {
    value.filter(|value| **value != Value::Null)
}

fn merge(inputs: &[Option<&Value>]) -> Option<Value> {
    if inputs.iter().all(Option::is_none) {
        return None;
    }
    let texts: Vec<&str> = inputs.iter().filter_map(|input| there(*input)?.as_str()).collect();
    Some(if texts.is_empty() { Value::Null } else { texts.join(" ").into() })
}

fn shift(inputs: &[Option<&Value>], sign: i64) -> Vec<Option<Value>> {
    let amount = |input| there(input).and_then(Value::as_i64).map_or(0, i128::from);
    let first = if there(inputs[0]).is_some() {
        let sum = amount(inputs[0]) + i128::from(sign) * amount(inputs[1]);
        Number::parse(&sum.to_string()).map(Value::Number)
    } else {
        inputs[0].cloned()
    };
    vec![first, inputs[1].cloned()]
}

/// The beginnings of the inputs' JSON texts, and a number that depends on them.
fn encode(inputs: &[Option<&Value>]) -> Given {
    let parts: Vec<String> = inputs.iter().map(|input| spelled(*input).chars().take(6).collect()).collect();
    let text = parts.join("|");
    let length = i64::try_from(text.len()).map_err(|e| e.to_string())?;
    Ok(vec![Some(text.into()), (length % 2 == 1).then(|| (length / 3).into())])
}

fn decode(inputs: &[Option<&Value>], targets: &[(Property, Value)]) -> Vec<Option<Value>> {
    let text = inputs[0].and_then(Value::as_str).unwrap_or_default();
    let parts = text.split('|').chain(std::iter::repeat(""));
    let value = |part: &str, target: &Property, constant: &Value| {
        let given = json::parse(part.as_bytes()).ok();
        let fill = Some(Ok(Some(constant.clone())));
        land(Ok(given), target, fill, &OnFail::Fallback(constant.clone())).unwrap_or_else(|_| Some(constant.clone()))
    };
    parts.zip(targets).map(|(part, (target, constant))| value(part, target, constant)).collect()
}

/// JSON as the model's language writes it: sorted keys, spaces after commas and colons, nothing but ASCII.
fn spelled(value: Option<&Value>) -> String {
    match value {
        None => "~absent".to_owned(),
        Some(Value::List(items)) => {
            let items: Vec<String> = items.iter().map(|item| spelled(Some(item))).collect();
            format!("[{}]", items.join(", "))
        }
        Some(Value::Object(object)) => {
            let mut entries: Vec<_> = object.iter().collect();
            entries.sort_by(|(a, _), (b, _)| a.as_str().cmp(b.as_str()));
            let entry = |key: &Text, value| format!("{}: {}", spelled(Some(&Value::String(key.clone()))), spelled(Some(value)));
            let entries: Vec<String> = entries.into_iter().map(|(key, value)| entry(key, value)).collect();
            format!("{{{}}}", entries.join(", "))
        }
        Some(Value::String(text)) => {
            let mut out = String::new();
            for c in Value::from(text.as_str()).to_string().chars() {
                if c.is_ascii() {
                    out.push(c);
                } else {
                    out.extend(c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")));
                }
            }
            out
        }
        Some(value) => value.to_string(),
    }
}
