//! `coeval explain`: what operations do, shown on a record.

use coeval_core::invalid::nearest;
use coeval_core::json::{self, Style};
use coeval_core::op::{Example, Operation};
use coeval_core::{Object, Value};
use coeval_manifest::yaml::emit;

use crate::error::{CommandError, Outcome, Result};
use crate::ui::Ui;

/// Shows an operation on an example, or lists all operations
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The operation [default: list all]
    operation: Option<String>,
}

/// Operations that are written like another one, which has the example.
const ALIKE: [(&str, &str); 6] = [
    ("add_index", "add_unique"),
    ("add_check", "add_unique"),
    ("add_reference", "add_unique"),
    ("remove_unique", "remove_index"),
    ("remove_check", "remove_index"),
    ("remove_reference", "remove_index"),
];

/// Explains.
pub(super) fn run(args: &Args, ui: &mut Ui) -> Result<Outcome> {
    let Some(wanted) = &args.operation else {
        for (name, example) in Operation::ALL {
            ui.say(&format!("{name:18} {}", description(name, example)))?;
        }
        ui.say("\n`coeval explain OPERATION` shows one on an example.")?;
        ui.field("operations", Value::List(Operation::ALL.iter().map(|(name, example)| value(name, example)).collect()));
        return Ok(Outcome::Done);
    };
    let alike = ALIKE.iter().find(|(name, _)| name == wanted).map_or(wanted.as_str(), |(_, other)| other);
    let Some((name, example)) = Operation::ALL.iter().find(|(name, _)| *name == alike) else {
        let help = match nearest(wanted, Operation::ALL.iter().map(|(name, _)| *name)) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "`coeval explain` lists all operations".to_owned(),
        };
        return Err(CommandError::usage("unknown-operation", format!("there is no operation `{wanted}`"), help));
    };
    ui.say(&format!("{name}: {}\n", description(name, example)))?;
    ui.say("Properties before:\n")?;
    if let Some(properties) = parse(example.properties).as_object() {
        for (name, property) in properties {
            ui.say(&format!("  {}: {}", name.as_str(), emit::inline(property)))?;
        }
    }
    ui.say(&format!("\nIn the draft:\n\n  operations:\n{}", emit::items(&[operation(name, example)], 4)))?;
    ui.say(&format!("A record at the older version:\n\n  {}\n", Style::Spaced.write(&parse(example.older))))?;
    ui.say(&format!("The same record at the newer version:\n\n  {}", Style::Spaced.write(&parse(example.newer))))?;
    ui.field("operation", value(name, example));
    Ok(Outcome::Done)
}

/// Examples are parsed in the tests of the core.
fn parse(text: &str) -> Value {
    json::parse(text.as_bytes()).unwrap_or(Value::Null)
}

fn operation(name: &str, example: &Example) -> Value {
    Object::from_iter([(name.into(), parse(example.operation))]).into()
}

/// What the example does, in words.
fn description(name: &str, example: &Example) -> String {
    Operation::from_value(&operation(name, example)).map(|operation| operation.describe()).unwrap_or_default()
}

fn value(name: &str, example: &Example) -> Value {
    let mut out = Object::new();
    out.insert("name", name.into());
    out.insert("description", description(name, example).as_str().into());
    out.insert("properties", parse(example.properties));
    out.insert("operation", operation(name, example));
    out.insert("older", parse(example.older));
    out.insert("newer", parse(example.newer));
    out.into()
}
