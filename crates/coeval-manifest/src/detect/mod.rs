//! What an edit means: from the model at the head and the draft to operations, or to questions.
//!
//! What can be known is written down: additions, removals that no addition could be a rename of, widening. What cannot be
//! known is never guessed.

mod change;
mod constraints;
mod fill;
mod literal;
mod moves;

use coeval_core::{Model, Path, Properties, Property, Segment, Type, Value};

pub use fill::{fill, still_meant, with_model};
pub use literal::literal;

use crate::fold;
use crate::yaml::emit;
use coeval_core::op::Operation;

/// What a person must decide.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// A stable name of the kind of question.
    pub code: &'static str,
    /// A JSON pointer into the draft.
    pub at: String,
    /// The key of the mapping there, where it is meant.
    pub key: Option<String>,
    /// The question.
    pub text: String,
    /// Possible answers, the likeliest first. None: the edit cannot be carried out as it stands.
    pub candidates: Vec<Candidate>,
}

/// A possible answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// What it says.
    pub text: String,
    /// The operations that say it.
    pub operations: Vec<Value>,
}

/// What an edit means, as far as it can be known.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Detected {
    /// The operations, in order.
    pub operations: Vec<Operation>,
    /// What keeps them from being all.
    pub questions: Vec<Question>,
}

impl Candidate {
    /// Returns the lines to paste under `operations:`.
    pub fn lines(&self) -> String {
        emit::items(&self.operations, 2)
    }
}

/// What a walk over two models finds.
#[derive(Default)]
struct Walk<'a> {
    removed: Vec<(Path, &'a Property)>,
    added: Vec<(Path, &'a Property)>,
    changed: Vec<(Path, &'a Property, &'a Property)>,
    /// Objects, the whole one included, that admit other properties than before.
    opened: Vec<(Path, bool)>,
}

/// Collects operations on a model that follows them.
pub(crate) struct Detector<'a> {
    working: Model,
    after: &'a Model,
    out: Detected,
    /// Whether questions are answered as best one can: for versions that were frozen without operations.
    legacy: bool,
}

/// Compares the head, with the draft's own operations applied, to the draft.
pub fn detect(before: &Model, after: &Model) -> Detected {
    run(before, after, false)
}

/// Returns the operations of a version that was frozen without any, as far as they can be derived.
pub fn derive(before: Option<&Model>, after: Option<&Model>) -> Vec<Operation> {
    match (before, after) {
        (None, Some(after)) => operation("add_model", [("schema", after.to_value())]).into_iter().collect(),
        (Some(_), None) => operation("remove_model", []).into_iter().collect(),
        (Some(before), Some(after)) => run(before, after, true).operations,
        (None, None) => Vec::new(),
    }
}

fn run(before: &Model, after: &Model, legacy: bool) -> Detected {
    let mut detector = Detector { working: before.clone(), after, out: Detected::default(), legacy };
    if before.key != after.key {
        detector.refuse_key(before);
        return detector.out;
    }
    if before.name != after.name {
        detector.renamed_model(before);
    }
    let mut walk = Walk::default();
    walk.properties(&Path::root(), &before.properties, &after.properties);
    let renamed = detector.moves(&walk);
    detector.lifted(&walk);
    for (path, property) in &walk.removed {
        if !renamed.contains(path) {
            detector.removed(path, property);
        }
    }
    for (path, before, after) in &walk.changed {
        detector.changed(path, before, after);
    }
    for (path, property) in &walk.added {
        if !renamed.contains(path) {
            detector.added(path, property);
        }
    }
    for (path, additional) in &walk.opened {
        detector.opened(path, *additional);
    }
    if detector.out.questions.is_empty() {
        detector.demanded();
    }
    if detector.out.questions.is_empty() && !legacy {
        let mut reached = detector.working.clone();
        if let Err(difference) = fold::reconcile(&mut reached, after) {
            detector.unexplained(&difference);
        }
    }
    detector.out
}

impl<'a> Walk<'a> {
    fn properties(&mut self, path: &Path, before: &'a Properties, after: &'a Properties) {
        if before.additional != after.additional {
            self.opened.push((path.clone(), after.additional));
        }
        for (name, property) in before.iter() {
            match after.get(name) {
                None => self.removed.push((path.join(name), property)),
                Some(other) if other != property => self.property(&path.join(name), property, other),
                Some(_) => {}
            }
        }
        for (name, property) in after.iter() {
            if before.get(name).is_none() {
                self.added.push((path.join(name), property));
            }
        }
    }

    fn property(&mut self, path: &Path, before: &'a Property, after: &'a Property) {
        self.changed.push((path.clone(), before, after));
        match (&before.ty, &after.ty) {
            (Type::Object(before), Type::Object(after)) => self.properties(path, before, after),
            (Type::Array { items: before, .. }, Type::Array { items: after, .. }) if before != after => {
                self.property(&path.child(Segment::Items), before, after);
            }
            (Type::Map { values: before }, Type::Map { values: after }) if before != after => {
                self.property(&path.child(Segment::Values), before, after);
            }
            _ => {}
        }
    }
}

impl Detector<'_> {
    /// Takes an operation on, where it fits; a misfit becomes a question.
    fn push(&mut self, value: &Value) {
        let operation = Operation::from_value(value);
        let fits = operation.and_then(|operation| fold::apply_to(&operation, &mut self.working).map(|()| operation));
        match fits {
            Ok(operation) => self.out.operations.push(operation),
            Err(_) if self.legacy => {}
            Err(invalid) => {
                let text = format!("this edit cannot be frozen as it stands: {}", invalid.message);
                let at = value
                    .as_object()
                    .and_then(|o| o.iter().next())
                    .and_then(|(_, fields)| fields.as_object()?.get("path")?.as_str());
                let at = at.and_then(|text| Path::parse(text).ok()).map_or_else(String::new, |path| pointer(&path));
                self.out.questions.push(Question { code: "refused", at, key: None, text, candidates: Vec::new() });
            }
        }
    }

    /// Returns whether an operation could be taken on.
    fn fits(&self, value: &Value) -> bool {
        Operation::from_value(value).and_then(|operation| fold::apply_to(&operation, &mut self.working.clone())).is_ok()
    }

    /// Asks, or takes the first answer where nobody can be asked any more.
    fn ask(&mut self, question: Question) {
        if !self.legacy {
            self.out.questions.push(question);
            return;
        }
        let Some(first) = question.candidates.first() else { return };
        let filled = fill(&first.operations, self.after).unwrap_or_default();
        for operation in &filled {
            self.push(operation);
        }
    }

    fn refuse_key(&mut self, before: &Model) {
        let list = |key: &[String]| if key.is_empty() { "`_id`".to_owned() } else { format!("[{}]", key.join(", ")) };
        let text = format!(
            "the key cannot change from {} to {}: it is what tells records apart, in every version and every store",
            list(&before.key),
            list(&self.after.key)
        );
        let at = if self.after.key.is_empty() { String::new() } else { "/key".to_owned() };
        self.out.questions.push(Question { code: "key-change", at, key: None, text, candidates: Vec::new() });
    }

    fn renamed_model(&mut self, before: &Model) {
        let fields = [("from", before.name.as_str().into()), ("to", self.after.name.as_str().into())];
        let rename = value_of("rename_model", fields);
        if self.legacy {
            return self.push(&rename);
        }
        let text = format!("the model `{}` is now called `{}`: is it the same one?", before.name, self.after.name);
        let candidate = Candidate { text: "rename the model; its records stay".to_owned(), operations: vec![rename.clone()] };
        self.out.questions.push(Question {
            code: "renamed-model",
            at: "/name".to_owned(),
            key: None,
            text,
            candidates: vec![candidate],
        });
        // What else changed is asked in the same run.
        self.push(&rename);
    }

    fn opened(&mut self, path: &Path, additional: bool) {
        let fields = if path.is_root() {
            vec![("additional", additional.into())]
        } else {
            vec![("path", path.to_string().into()), ("additional", additional.into())]
        };
        self.push(&value_of("set_additional", fields));
    }

    fn unexplained(&mut self, difference: &str) {
        let text = format!("no operation expresses this edit: {difference}");
        let question = Question { code: "unexplained", at: String::new(), key: None, text, candidates: Vec::new() };
        self.out.questions.push(question);
    }
}

/// Returns an operation as a value.
pub(crate) fn value_of<'a>(name: &str, fields: impl IntoIterator<Item = (&'a str, Value)>) -> Value {
    let fields: coeval_core::Object = fields.into_iter().map(|(key, value)| (key.into(), value)).collect();
    coeval_core::Object::from_iter([(name.into(), fields.into())]).into()
}

fn operation<'a>(name: &str, fields: impl IntoIterator<Item = (&'a str, Value)>) -> Option<Operation> {
    Operation::from_value(&value_of(name, fields)).ok()
}

/// Returns the JSON pointer of a property in its model's document.
pub fn pointer(path: &Path) -> String {
    path.segments().iter().fold(String::new(), |at, segment| match segment {
        Segment::Name(name) => format!("{at}/properties/{}", coeval_core::invalid::escape_token(name)),
        Segment::Items => format!("{at}/items"),
        Segment::Values => format!("{at}/values"),
    })
}

#[cfg(test)]
mod tests;
