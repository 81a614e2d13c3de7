//! Acts as values: how they stand in a store's history.

use coeval_core::decode::{flag, known_keys, object, optional_string, required, string, strings};
use coeval_core::{Invalid, Object, Value};

use super::{Act, Check, Exec, Transaction, Update};

impl Transaction {
    /// Returns the word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Either => "either",
            Self::Outside => "outside",
            Self::Controls => "controls",
        }
    }

    fn named(name: &str) -> Result<Self, Invalid> {
        let known = [Self::Either, Self::Outside, Self::Controls].into_iter().find(|known| known.name() == name);
        known.ok_or_else(|| Invalid::new(format!("unknown way to stand to transactions: `{name}`")))
    }
}

impl Act {
    /// Returns the act as a mapping.
    pub fn to_value(&self) -> Value {
        let mut out = Object::new();
        match self {
            Self::Sql { text, transaction } => {
                out.insert("sql", text.as_str().into());
                if *transaction != Transaction::Either {
                    out.insert("transaction", transaction.name().into());
                }
            }
            Self::Operations { model, operations } => {
                out.insert("operations", Value::List(operations.clone()));
                out.insert("model", model.as_str().into());
            }
            Self::Update(update) => {
                let mut fields = Object::new();
                fields.insert("model", update.model.as_str().into());
                if let Some(filter) = &update.filter {
                    fields.insert("where", filter.as_str().into());
                }
                let set = update.set.iter().map(|(path, expr)| (path.as_str().into(), expr.as_str().into()));
                fields.insert("set", set.collect::<Object>().into());
                out.insert("update", fields.into());
            }
            Self::Exec(exec) => {
                out.insert("exec", Value::List(exec.command.iter().map(|word| word.as_str().into()).collect()));
                if let Some(model) = &exec.model {
                    out.insert("model", model.as_str().into());
                }
            }
            Self::Check(check) => {
                out.insert("check", check.sql.as_str().into());
                out.insert("expect_zero_rows", check.expect_zero_rows.into());
            }
        }
        out.into()
    }

    /// Reads an act.
    ///
    /// # Errors
    /// What is wrong, and where.
    pub fn from_value(value: &Value) -> Result<Self, Invalid> {
        let fields = object(value, "something to do")?;
        let keys = |names: &[&'static str]| known_keys(fields, names);
        if fields.get("sql").is_some() {
            keys(&["sql", "transaction"])?;
            let transaction = optional_string(fields, "transaction")?.map_or(Ok(Transaction::Either), Transaction::named);
            let transaction = transaction.map_err(|e| e.beneath("transaction"))?;
            return Ok(Self::Sql { text: string(fields, "sql")?.to_owned(), transaction });
        }
        if let Some(operations) = fields.get("operations") {
            keys(&["operations", "model"])?;
            let operations = operations.as_list().ok_or_else(|| Invalid::new("expected a list").beneath("operations"))?;
            return Ok(Self::Operations { model: string(fields, "model")?.to_owned(), operations: operations.to_vec() });
        }
        if let Some(update) = fields.get("update") {
            keys(&["update"])?;
            return update_from(update).map(Self::Update).map_err(|e| e.beneath("update"));
        }
        if fields.get("exec").is_some() {
            keys(&["exec", "model"])?;
            let model = optional_string(fields, "model")?.map(str::to_owned);
            return Ok(Self::Exec(Exec { model, command: strings(fields, "exec")? }));
        }
        keys(&["check", "expect_zero_rows"])?;
        let expect_zero_rows = flag(fields, "expect_zero_rows")?;
        Ok(Self::Check(Check { sql: string(fields, "check")?.to_owned(), expect_zero_rows }))
    }
}

fn update_from(value: &Value) -> Result<Update, Invalid> {
    let fields = object(value, "an update")?;
    known_keys(fields, &["model", "where", "set"])?;
    let set = object(required(fields, "set")?, "the new values").map_err(|e| e.beneath("set"))?;
    let new = set.iter().map(|(path, _)| Ok((path.to_string(), string(set, path)?.to_owned())));
    Ok(Update {
        model: string(fields, "model")?.to_owned(),
        filter: optional_string(fields, "where")?.map(str::to_owned),
        set: new.collect::<Result<_, Invalid>>().map_err(|e| e.beneath("set"))?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Step;

    #[test]
    fn every_act_comes_back() {
        let text = |text: &str| text.to_owned();
        let sql = |transaction| Act::Sql { text: text("SELECT 'a;\u{e9}\n'"), transaction };
        let filter = |filter| {
            Act::Update(Update { model: text("item"), filter, set: vec![(text("b.c"), text("1")), (text("a"), text("b"))] })
        };
        let up = vec![
            sql(Transaction::Either),
            sql(Transaction::Outside),
            sql(Transaction::Controls),
            Act::Operations { model: text("item"), operations: vec![Value::Object(Object::new())] },
            filter(None),
            filter(Some(text("a < 1"))),
            Act::Exec(Exec { model: None, command: vec![text("python"), text("fix.py")] }),
            Act::Exec(Exec { model: Some(text("item")), command: vec![text("fix")] }),
            Act::Check(Check { sql: text("SELECT 1"), expect_zero_rows: true }),
            Act::Check(Check { sql: text("SELECT 1"), expect_zero_rows: false }),
        ];
        for down in [None, Some(Vec::new()), Some(up.clone())] {
            let step = Step::Standalone { id: text("a"), digest: text("sha256:0"), up: up.clone(), down, back: false };
            assert_eq!(Step::from_value(&step.to_value()).unwrap(), step);
            assert!(step.reverse().is_none_or(|back| Step::from_value(&back.to_value()).unwrap() == back));
            let there_and_back = step.reverse().map(|reverse| reverse.reverse().unwrap());
            assert_eq!(there_and_back.is_some(), step.reverse().is_some());
            assert!(there_and_back.is_none_or(|back| back == step));
        }
    }

    #[test]
    fn what_is_no_act_is_refused() {
        let refused = |text: &str| Act::from_value(&coeval_core::json::parse(text.as_bytes()).unwrap()).unwrap_err().message;
        assert_eq!(refused(r#"{"sql": "a", "transaction": "no"}"#), "unknown way to stand to transactions: `no`");
        assert!(refused(r#"{"sql": "a", "model": "b"}"#).contains("model"));
        assert!(refused(r#"{"do": "a"}"#).contains("do"));
    }
}
