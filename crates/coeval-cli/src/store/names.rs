//! `${NAME}` in the addresses and options of backends: taken from the environment, which only the command line reads.

use coeval_core::{Object, Value};

/// Puts the values of variables in the place of `${NAME}`.
///
/// # Errors
/// The name of a variable that is not set.
pub(super) fn expand(text: &str, variable: &dyn Fn(&str) -> Option<String>) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        let Some(length) = rest[at + 2..].find('}') else { break };
        let name = &rest[at + 2..at + 2 + length];
        out.push_str(&rest[..at]);
        out.push_str(&variable(name).ok_or_else(|| name.to_owned())?);
        rest = &rest[at + 3 + length..];
    }
    out.push_str(rest);
    Ok(out)
}

/// Returns an address with the variables of the environment in it.
///
/// # Errors
/// As [`expand`].
pub(crate) fn address(url: &str) -> Result<String, String> {
    expand(url, &|name| std::env::var(name).ok())
}

/// As [`expand`], in every text of the options.
///
/// # Errors
/// As [`expand`].
pub(super) fn expand_all(options: &Object, variable: &dyn Fn(&str) -> Option<String>) -> Result<Object, String> {
    options.iter().map(|(name, value)| Ok((name.clone(), expand_value(value, variable)?))).collect()
}

fn expand_value(value: &Value, variable: &dyn Fn(&str) -> Option<String>) -> Result<Value, String> {
    Ok(match value {
        Value::String(text) => expand(text.as_str(), variable)?.as_str().into(),
        Value::List(items) => Value::List(items.iter().map(|item| expand_value(item, variable)).collect::<Result<_, _>>()?),
        Value::Object(object) => expand_all(object, variable)?.into(),
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    })
}

#[cfg(test)]
mod tests {
    use coeval_core::value;

    use super::*;

    #[test]
    fn variables_are_taken_from_the_environment() {
        let variable = |name: &str| (name != "NONE").then(|| format!("<{name}>"));
        for (text, expected) in [
            ("file:data", Ok("file:data")),
            ("${URL}", Ok("<URL>")),
            ("s3://${A}/x-${B}", Ok("s3://<A>/x-<B>")),
            ("a ${ b", Ok("a ${ b")),
            ("$A {B}", Ok("$A {B}")),
            ("${NONE}", Err("NONE")),
        ] {
            assert_eq!(expand(text, &variable), expected.map(str::to_owned).map_err(str::to_owned), "{text}");
        }
        let options = value!({"endpoint": "${URL}", "more": [1, "${A}", {"b": "${B}"}]});
        let expanded = expand_all(options.as_object().unwrap(), &variable).unwrap();
        assert_eq!(Value::from(expanded), value!({"endpoint": "<URL>", "more": [1, "<A>", {"b": "<B>"}]}));
    }
}
