//! The code that generated operations of kind `rewrite` name.

use std::sync::Arc;

use coeval_core::history::Native;
use coeval_core::op::Rewrites;
use coeval_core::value::Value;

/// Returns `reverse`, one text to one, and `pair`, two texts to one.
pub fn rewrites() -> Rewrites {
    let reverse: Arc<Native> = Arc::new(|inputs: &[Option<&Value>]| {
        let text = inputs.first().copied().flatten().and_then(Value::as_str);
        Ok(vec![text.map(|text| text.chars().rev().collect::<String>().into())])
    });
    let join: Arc<Native> = Arc::new(|inputs: &[Option<&Value>]| {
        if inputs.iter().all(Option::is_none) {
            return Ok(vec![None]);
        }
        let text = |at: usize| inputs.get(at).copied().flatten().and_then(Value::as_str).unwrap_or_default();
        Ok(vec![Some(format!("{}|{}", text(0), text(1)).into())])
    });
    let part: Arc<Native> = Arc::new(|inputs: &[Option<&Value>]| {
        let Some(text) = inputs.first().copied().flatten().and_then(Value::as_str) else { return Ok(vec![None, None]) };
        match text.split_once('|') {
            Some((first, second)) => Ok(vec![Some(first.into()), Some(second.into())]),
            None => Ok(vec![Some(text.into()), None]),
        }
    });
    Rewrites::from([("reverse".to_owned(), (Arc::clone(&reverse), reverse)), ("pair".to_owned(), (join, part))])
}
