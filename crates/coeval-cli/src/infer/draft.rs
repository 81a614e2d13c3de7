//! The draft that samples make, as YAML with remarks about what was rare.

use std::fmt::Write as _;

use coeval_core::Value;
use coeval_manifest::yaml::emit;

use super::shape::{DISTINCT, Objects, Places, Shape};

/// What was seen only now and then, and so may be a mistake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Remark {
    /// Where: `items[].price`.
    pub(crate) path: String,
    /// What.
    pub(crate) text: String,
}

/// A draft in the making.
#[derive(Debug, Default)]
pub(crate) struct Draft {
    text: String,
    /// What was rare.
    pub(crate) remarks: Vec<Remark>,
}

/// What is written for a property.
struct Written {
    /// On one line, without the facets: `type: integer`.
    ty: String,
    /// The lines of what is nested, each with its indentation beneath the property's.
    nested: Vec<String>,
    remarks: Vec<String>,
}

impl Draft {
    /// Writes the draft of a model.
    pub(crate) fn of(name: &str, key: &[String], objects: &Objects) -> Self {
        let mut out = Self::default();
        // Writing to a string cannot fail.
        let _ = writeln!(out.text, "# Inferred from {} records; what is remarked may be a mistake.", objects.count);
        let _ = writeln!(out.text, "type: model\nname: {}", scalar(name));
        if !key.is_empty() {
            let names: Vec<String> = key.iter().map(|name| scalar(name)).collect();
            let _ = writeln!(out.text, "key: [{}]", names.join(", "));
        }
        if objects.shapes.is_empty() {
            out.text.push_str("properties: {}\n");
            return out;
        }
        out.text.push_str("properties:\n");
        for line in out.properties(objects, "") {
            let _ = writeln!(out.text, "  {line}");
        }
        out
    }

    /// Returns the YAML.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    fn properties(&mut self, objects: &Objects, path: &str) -> Vec<String> {
        let mut lines = Vec::new();
        for (at, (name, shape)) in objects.shapes.iter().enumerate() {
            let here = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            let mut facets = Vec::new();
            let mut remarks = Vec::new();
            let missing = objects.lacking(at);
            if missing.count == 0 {
                facets.push("required: true");
            } else if is_rare(missing.count, objects.count) {
                remarks.push(told("missing", &missing, objects.count));
            } else if is_rare(objects.count - missing.count, objects.count) {
                remarks.push(format!("in {} of {} only", objects.count - missing.count, objects.count));
            }
            lines.extend(self.property(&scalar(name), shape, &facets, remarks, &here));
        }
        lines
    }

    /// The lines of one property.
    fn property(&mut self, name: &str, shape: &Shape, facets: &[&str], mut remarks: Vec<String>, path: &str) -> Vec<String> {
        let mut facets: Vec<&str> = facets.to_vec();
        if shape.nulls.count > 0 {
            facets.push("nullable: true");
            if is_rare(shape.nulls.count, shape.count()) {
                remarks.push(told("null", &shape.nulls, shape.count()));
            }
        }
        let written = self.written(shape, path);
        remarks.extend(written.remarks);
        self.remarks.extend(remarks.iter().map(|text| Remark { path: path.to_owned(), text: text.clone() }));
        let remark = if remarks.is_empty() { String::new() } else { format!("  # {}", remarks.join("; ")) };
        if written.nested.is_empty() {
            let all: Vec<&str> = std::iter::once(written.ty.as_str()).chain(facets).collect();
            return vec![format!("{name}: {{{}}}{remark}", all.join(", "))];
        }
        let mut lines = vec![format!("{name}:{remark}"), format!("  {}", written.ty)];
        lines.extend(facets.iter().map(|facet| format!("  {facet}")));
        lines.extend(written.nested.iter().map(|line| format!("  {line}")));
        lines
    }

    fn written(&mut self, shape: &Shape, path: &str) -> Written {
        let plain = |ty: &str| Written { ty: format!("type: {ty}"), nested: Vec::new(), remarks: Vec::new() };
        let kinds = shape.kinds();
        match kinds.as_slice() {
            [] => Written { remarks: vec!["only null was seen".to_owned()], ..plain("json") },
            [(kind, _)] => self.one(kind, shape, path),
            several => {
                let all: usize = several.iter().map(|(_, places)| places.count).sum();
                let rare = several.iter().skip(1).map(|(kind, places)| told(&format!("a {kind}"), places, all));
                let remarks = rare.collect();
                let nested = several.iter().any(|(kind, _)| matches!(*kind, "list" | "object"));
                if nested {
                    return Written { remarks, ..plain("json") };
                }
                let types: Vec<String> = several.iter().map(|(kind, _)| self.one(kind, shape, path).ty).collect();
                Written { ty: format!("type: union, of: [{{{}}}]", types.join("}, {")), nested: Vec::new(), remarks }
            }
        }
    }

    /// The type of values of one kind.
    fn one(&mut self, kind: &str, shape: &Shape, path: &str) -> Written {
        let plain = |ty: &str| Written { ty: format!("type: {ty}"), nested: Vec::new(), remarks: Vec::new() };
        match kind {
            "boolean" => plain("boolean"),
            "number" if shape.numbers.count == 0 => plain("integer"),
            "number" if is_rare(shape.numbers.count, shape.numbers.count + shape.integers.count) => {
                let all = shape.numbers.count + shape.integers.count;
                Written { remarks: vec![told("not an integer", &shape.numbers, all)], ..plain("number") }
            }
            "number" => plain("number"),
            "string" => plain(&text_type(shape)),
            "list" => {
                let none = Shape::default();
                let items = shape.items.as_deref().unwrap_or(&none);
                if items.count() == 0 {
                    let written = plain("array, items: {type: json}");
                    return Written { remarks: vec!["only empty lists were seen".to_owned()], ..written };
                }
                let nested = self.property("items", items, &[], Vec::new(), &format!("{path}[]"));
                Self::around("array", nested)
            }
            "object" => {
                let Some(inside) = shape.inside.as_deref() else { return plain("json") };
                if let Some(values) = map_values(inside) {
                    let nested = self.property("values", &values, &[], Vec::new(), &format!("{path}{{}}"));
                    return Self::around("map", nested);
                }
                if inside.shapes.is_empty() {
                    return Written {
                        remarks: vec!["only empty objects were seen".to_owned()],
                        ..plain("object, properties: {}")
                    };
                }
                let mut nested = vec!["properties:".to_owned()];
                nested.extend(self.properties(inside, path).into_iter().map(|line| format!("  {line}")));
                Written { ty: "type: object".to_owned(), nested, remarks: Vec::new() }
            }
            _ => plain("json"),
        }
    }

    /// A list or map around what its elements are: on one line where that fits.
    fn around(ty: &str, nested: Vec<String>) -> Written {
        match nested.as_slice() {
            [one] if !one.contains("  # ") && one.len() < 90 => {
                Written { ty: format!("type: {ty}, {one}"), nested: Vec::new(), remarks: Vec::new() }
            }
            _ => Written { ty: format!("type: {ty}"), nested, remarks: Vec::new() },
        }
    }
}

/// Whether so few of all are an exception rather than a habit.
fn is_rare(few: usize, all: usize) -> bool {
    few > 0 && few * 20 <= all
}

fn told(what: &str, places: &Places, all: usize) -> String {
    let lines: Vec<String> = places.lines.iter().map(ToString::to_string).collect();
    let more = if places.count > lines.len() && !lines.is_empty() { ", …" } else { "" };
    let at = match lines.len() {
        0 => String::new(),
        1 => format!(": line {}{more}", lines[0]),
        _ => format!(": lines {}{more}", lines.join(", ")),
    };
    format!("{what} in {} of {all}{at}", places.count)
}

/// The type of strings: a format that all of them have, an enum where few are repeated often, else a string.
fn text_type(shape: &Shape) -> String {
    let texts = &shape.texts;
    if let Some(format) = texts.format() {
        return format.name().to_owned();
    }
    let often = shape.strings.count >= 20 && shape.strings.count >= texts.distinct.len() * 8;
    // What looks like a number or a code is a value that happens to repeat, not a name of something.
    let word = |text: &String| text.chars().count() <= 40 && text.chars().next().is_none_or(char::is_alphabetic);
    let short = texts.distinct.iter().all(word);
    if texts.many || texts.distinct.len() > DISTINCT || !often || !short || texts.distinct.len() < 2 {
        return "string".to_owned();
    }
    let mut values = texts.distinct.clone();
    values.sort();
    let values: Vec<String> = values.iter().map(|value| scalar(value)).collect();
    format!("enum, values: [{}]", values.join(", "))
}

/// Whether objects are maps: many keys with values of one kind, each in few objects, or with the same properties inside each.
/// Returns what the values are.
fn map_values(objects: &Objects) -> Option<Shape> {
    let keys = objects.shapes.len();
    let values = objects.values();
    let alike = values.kinds().len() == 1;
    // On average a key is in fewer than half of the objects.
    let scattered = objects.entries * 2 < keys * objects.count;
    let enough = if objects.shapes.iter().all(|(key, _)| is_name(key)) { 6 } else { 3 };
    let same_inside = keys >= 8 && objects.shapes.iter().all(|(_, shape)| same_properties(shape, &values));
    (objects.rest.is_some() || (alike && scattered && keys >= enough) || (alike && same_inside)).then_some(values)
}

/// Whether the objects at one place have all the properties that those at all places together have.
fn same_properties(one: &Shape, all: &Shape) -> bool {
    match (&one.inside, &all.inside) {
        (Some(one), Some(all)) => one.shapes.len() == all.shapes.len() && all.shapes.len() > 1,
        _ => false,
    }
}

/// Whether a key looks like what people call a property, rather than like data.
fn is_name(key: &str) -> bool {
    key.starts_with(|c: char| c.is_alphabetic() || c == '_')
        && key.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-'))
        && key.chars().any(char::is_lowercase)
}

fn scalar(text: &str) -> String {
    emit::inline(&Value::from(text))
}
