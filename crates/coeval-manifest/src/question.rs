//! What a freeze asks: questions placed in the draft, with the lines that answer them.

use coeval_core::{Invalid, Object, Value};

use crate::decode;
use crate::detect::{Candidate, Question};
use crate::diagnostic::{Diagnostic, Severity};
use crate::draft::Draft;
use crate::source::Source;

/// A question about a model's draft.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The model's name in the draft.
    pub model: String,
    /// The path of its file.
    pub path: String,
    /// The question and its candidates.
    pub question: Question,
    /// The question in its place, with the lines to paste.
    pub diagnostic: Diagnostic,
}

impl Asked {
    /// Returns the question for machines: the finding, the model, and each candidate with its operations.
    pub fn to_value(&self) -> Value {
        let candidate = |candidate: &Candidate| {
            let operations = Value::List(candidate.operations.clone());
            Object::from_iter([("text".into(), candidate.text.as_str().into()), ("operations".into(), operations)])
        };
        let candidates = self.question.candidates.iter().map(|c| candidate(c).into()).collect();
        let Value::Object(mut out) = self.diagnostic.to_value() else { return Value::Null };
        out.insert("model", self.model.as_str().into());
        out.insert("candidates", Value::List(candidates));
        out.into()
    }
}

/// Why nothing was frozen.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Refusal {
    /// What a person must decide.
    pub questions: Vec<Asked>,
    /// What is wrong.
    pub errors: Vec<Diagnostic>,
}

impl Refusal {
    /// Returns whether there is nothing that keeps from freezing.
    pub fn is_empty(&self) -> bool {
        self.questions.is_empty() && self.errors.is_empty()
    }

    /// Returns everything as findings.
    pub fn diagnostics(&self) -> impl Iterator<Item = &Diagnostic> {
        self.errors.iter().chain(self.questions.iter().map(|asked| &asked.diagnostic))
    }

    /// Takes another refusal in.
    pub fn extend(&mut self, other: Self) {
        self.questions.extend(other.questions);
        self.errors.extend(other.errors);
    }
}

impl From<Vec<Diagnostic>> for Refusal {
    fn from(errors: Vec<Diagnostic>) -> Self {
        Self { questions: Vec::new(), errors }
    }
}

impl From<Box<Diagnostic>> for Refusal {
    fn from(error: Box<Diagnostic>) -> Self {
        Self { questions: Vec::new(), errors: vec![*error] }
    }
}

/// Places a question in the draft.
pub(crate) fn place(source: &Source, draft: &Draft, question: Question) -> Asked {
    let mut invalid = Invalid::new(question.text.clone());
    invalid.at.clone_from(&question.at);
    invalid.key.clone_from(&question.key);
    let mut diagnostic = decode::place(source, draft.span.clone(), &invalid);
    diagnostic.code = question.code;
    diagnostic.severity = if question.candidates.is_empty() { Severity::Error } else { Severity::Question };
    if !question.candidates.is_empty() {
        let lines: Vec<String> = question.candidates.iter().map(|c| format!("  # {}\n{}", c.text, c.lines())).collect();
        let lines = lines.concat();
        let intro = match question.candidates.len() {
            1 => "add this to the draft, with what is right for your records:",
            _ => "add one of these to the draft:",
        };
        diagnostic.help = Some(format!("{intro}\noperations:\n{}", lines.trim_end_matches('\n')));
    }
    Asked { model: draft.name.clone(), path: source.path.to_string(), question, diagnostic }
}
