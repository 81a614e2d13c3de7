//! Folding frozen versions into a model, three ways that must agree: `changes`, `operations`, and the digest.

use coeval_core::schema::no_shared_types;
use coeval_core::{Invalid, Model, Properties, Property, Type, Value};

use crate::detect;
use crate::frozen::Frozen;
use crate::patch::{Change, Patch};
use coeval_core::op::Operation;

/// A model between two frozen versions.
#[derive(Debug, Clone, Default)]
pub struct State {
    /// The document, as the changes fold it; empty where there is no model.
    document: Option<Value>,
    /// What the document says.
    decoded: Option<Model>,
    /// The model, as the operations fold it.
    model: Option<Model>,
}

impl State {
    /// Makes the state that a cache has kept.
    ///
    /// # Errors
    /// Values that are no model.
    pub fn from_parts(document: Option<Value>, model: Option<&Value>) -> Result<Self, Invalid> {
        let decoded = document.as_ref().map(|d| Model::from_value(d, &no_shared_types)).transpose()?;
        let model = model.map(|m| Model::from_value(m, &no_shared_types)).transpose()?;
        Ok(Self { document, decoded, model })
    }

    /// Returns the model; `None` before it is added and after it is removed.
    pub fn model(&self) -> Option<&Model> {
        self.model.as_ref()
    }

    /// Returns the document as the changes fold it.
    pub fn document(&self) -> Option<&Value> {
        self.document.as_ref()
    }

    /// Takes one version on and returns its operations.
    ///
    /// # Errors
    /// Changes or operations that do not apply, and what the two say differently; pointers are into the frozen document. The
    /// state is then of no further use.
    pub fn step(&mut self, frozen: &Frozen) -> Result<Vec<Operation>, Invalid> {
        self.fold_changes(&frozen.changes)?;
        let operations = match &frozen.operations {
            Some(values) => self.fold_operations(values)?,
            None => self.derive(),
        };
        if let (Some(model), Some(decoded)) = (&mut self.model, &self.decoded) {
            if let Err(difference) = reconcile(model, decoded) {
                return Err(disagreement(&difference));
            }
            if !frozen.order.is_empty() {
                reorder(model, &frozen.order)?;
            }
        } else if self.model.is_some() != self.decoded.is_some() {
            let says = if self.model.is_some() { "keep" } else { "remove" };
            return Err(disagreement(&format!("the operations {says} the model, the changes do not")));
        }
        Ok(operations)
    }

    fn fold_changes(&mut self, changes: &Patch) -> Result<(), Invalid> {
        let mut document = self.document.take().unwrap_or_else(|| Value::Object(coeval_core::Object::new()));
        changes.apply(&mut document).map_err(|e| e.beneath("changes"))?;
        let broken = |invalid: Invalid| {
            let mut out =
                Invalid::new(format!("the changes lead to a model that is not one: {}", invalid.message)).beneath("changes");
            out.help = invalid.help;
            out
        };
        if document == Value::Null {
            self.decoded = None;
            return Ok(());
        }
        match (self.decoded.as_mut(), touched(changes)) {
            (Some(decoded), Some(names)) if !names.iter().any(|name| decoded.key.contains(name)) => {
                for name in names {
                    let value = document.as_object().and_then(|d| d.get("properties")?.as_object()?.get(&name));
                    match value {
                        Some(value) => decoded.properties.insert(&name, Property::from_value(value).map_err(broken)?),
                        None => drop(decoded.properties.remove(&name)),
                    }
                }
            }
            _ => self.decoded = Some(Model::from_value(&document, &no_shared_types).map_err(broken)?),
        }
        self.document = Some(document);
        Ok(())
    }

    fn fold_operations(&mut self, values: &[Value]) -> Result<Vec<Operation>, Invalid> {
        let mut operations = Vec::with_capacity(values.len());
        for (i, value) in values.iter().enumerate() {
            let here = |e: Invalid| e.beneath(&i.to_string()).beneath("operations");
            let operation = Operation::from_value(&detect::with_model(value, self.decoded.as_ref())).map_err(here)?;
            apply(&operation, &mut self.model, self.decoded.as_ref()).map_err(here)?;
            operations.push(operation);
        }
        Ok(operations)
    }

    /// The operations of a legacy version: what its changes are seen to do. Where they fall short, the changes win.
    fn derive(&mut self) -> Vec<Operation> {
        let operations = detect::derive(self.model.as_ref(), self.decoded.as_ref());
        self.model.clone_from(&self.decoded);
        operations
    }
}

/// Applies an operation to a model that may not exist yet, or no longer.
///
/// # Errors
/// What does not fit, placed beneath the operation's name.
pub fn apply(operation: &Operation, model: &mut Option<Model>, becomes: Option<&Model>) -> Result<(), Invalid> {
    match (operation.name(), model.as_mut()) {
        ("add_model", None) => {
            *model = becomes.cloned();
            if model.is_none() {
                return Err(Invalid::new("`add_model` adds nothing: the changes leave no model").beneath("add_model"));
            }
        }
        ("add_model", Some(_)) => return Err(Invalid::new("the model is there already").key("add_model")),
        (name, None) => {
            let missing = Invalid::new("there is no model yet for this operation to change").key(name);
            return Err(missing.help("a model begins with `add_model`"));
        }
        ("remove_model", Some(_)) => *model = None,
        (_, Some(model)) => return apply_to(operation, model),
    }
    Ok(())
}

/// Applies an operation to a model that exists.
///
/// # Errors
/// What does not fit, placed beneath the operation's name.
pub fn apply_to(operation: &Operation, model: &mut Model) -> Result<(), Invalid> {
    operation.check(model)?;
    operation.apply(model);
    Ok(())
}

fn disagreement(difference: &str) -> Invalid {
    let invalid = Invalid::new(format!("`changes` and `operations` of this version disagree: {difference}")).key("changes");
    invalid.help("a frozen version never changes: take the document from your version control as it was")
}

fn reorder(model: &mut Model, order: &[String]) -> Result<(), Invalid> {
    if let Some(at) = order.iter().position(|name| model.properties.get(name).is_none()) {
        let missing = Invalid::new(format!("there is no property `{}` to order", order[at]));
        return Err(missing.beneath(&at.to_string()).beneath("order"));
    }
    model.properties.reorder(order);
    Ok(())
}

/// The names of the top properties that changes touch; `None` where they touch anything else.
fn touched(changes: &Patch) -> Option<Vec<String>> {
    let name = |path: &str| -> Option<String> {
        let name = path.strip_prefix("/properties/")?.split('/').next()?;
        Some(name.replace("~1", "/").replace("~0", "~"))
    };
    let mut names = Vec::new();
    for change in &changes.0 {
        names.push(name(change.path())?);
        if let Change::Move { from, .. } = change {
            names.push(name(from)?);
        }
    }
    Some(names)
}

/// Makes a model that the operations gave agree with the one that the changes gave: what no operation says (descriptions,
/// options, what tells items apart) is taken over, the rest must be equal. The order of properties is the operations'.
///
/// # Errors
/// The first difference, in words.
pub fn reconcile(model: &mut Model, decoded: &Model) -> Result<(), String> {
    if model == decoded {
        return Ok(());
    }
    if model.name != decoded.name {
        return Err(format!("its name is `{}` by the operations, `{}` by the changes", model.name, decoded.name));
    }
    if model.key != decoded.key {
        return Err(format!(
            "its key is [{}] by the operations, [{}] by the changes",
            model.key.join(", "),
            decoded.key.join(", ")
        ));
    }
    model.options.clone_from(&decoded.options);
    if let Some(name) = constraint_difference(model, decoded) {
        return Err(format!("the constraint `{name}` differs"));
    }
    model.constraints.clone_from(&decoded.constraints);
    reconcile_properties(&mut model.properties, &decoded.properties, "")
}

fn constraint_difference(a: &Model, b: &Model) -> Option<String> {
    let (a, b) = (a.all_constraints(), b.all_constraints());
    let lacking = a.iter().find(|c| !b.contains(c)).or_else(|| b.iter().find(|c| !a.contains(c)));
    lacking.map(|c| c.name.clone())
}

fn reconcile_properties(a: &mut Properties, b: &Properties, path: &str) -> Result<(), String> {
    if a == b {
        return Ok(());
    }
    let beneath = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    if a.additional != b.additional {
        let place = if path.is_empty() { "the model" } else { path };
        return Err(format!("`additional` of {place} is {} by the operations, {} by the changes", a.additional, b.additional));
    }
    let mut differing = Vec::new();
    // Both mostly have one order, so that the search by name is rare.
    let mut others = b.iter();
    for (name, property) in a.iter() {
        let other = match others.next() {
            Some((n, p)) if n == name => Some(p),
            _ => b.get(name),
        };
        match other {
            None => return Err(format!("`{}` is there by the operations, not by the changes", beneath(name))),
            Some(other) if other != property => differing.push((name.to_owned(), other)),
            Some(_) => {}
        }
    }
    if b.len() > a.len()
        && let Some(name) = b.names().find(|name| a.get(name).is_none())
    {
        return Err(format!("`{}` is there by the changes, not by the operations", beneath(name)));
    }
    for (name, other) in differing {
        if let Some(property) = a.get_mut(&name) {
            reconcile_property(property, other, &beneath(&name))?;
        }
    }
    Ok(())
}

fn reconcile_property(a: &mut Property, b: &Property, path: &str) -> Result<(), String> {
    a.description.clone_from(&b.description);
    let facet = |name: &str, a: bool, b: bool| {
        let says = |set: bool| if set { "set" } else { "not set" };
        if a == b {
            Ok(())
        } else {
            Err(format!("`{name}` of `{path}` is {} by the operations, {} by the changes", says(a), says(b)))
        }
    };
    facet("required", a.required, b.required)?;
    facet("nullable", a.nullable, b.nullable)?;
    // The constraints as a whole were compared before; here they take the form in which they are written.
    (a.unique, a.index) = (b.unique, b.index);
    a.check.clone_from(&b.check);
    if a.default != b.default {
        return Err(format!("the default of `{path}` differs"));
    }
    match (&mut a.ty, &b.ty) {
        (Type::Object(a), Type::Object(b)) => reconcile_properties(a, b, path),
        (Type::Array { items: a, key }, Type::Array { items: b, key: other }) => {
            key.clone_from(other);
            reconcile_property(a, b, &format!("{path}[]"))
        }
        (Type::Map { values: a }, Type::Map { values: b }) => reconcile_property(a, b, &format!("{path}{{}}")),
        (Type::Ref { model }, Type::Ref { model: other }) => {
            // The other model may have been renamed in this version.
            model.clone_from(other);
            Ok(())
        }
        (a, b) if a == b => Ok(()),
        (a, b) => {
            let (a, b) = (Property::new(a.clone()).to_value(), Property::new(b.clone()).to_value());
            Err(format!("`{path}` is {a} by the operations, {b} by the changes"))
        }
    }
}
