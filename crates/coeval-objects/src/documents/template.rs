//! Where a record lies: `countries/{id}.json`, `orders/{year}/{number}.json`, `log/{day}.jsonl.zst`.

use std::fmt;

use coeval_core::schema::Model;
use coeval_store::records::Key;

/// How the bytes of an object are packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Packing {
    /// Not at all.
    Plain,
    /// By gzip.
    Gzip,
    /// By zstd.
    Zstd,
}

/// A part of a name, for telling whether two templates have one in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sign {
    /// This character.
    Char(char),
    /// Any one character.
    One,
    /// Any characters, or none.
    Many,
}

/// Returns whether two patterns have a text in common.
fn meet(one: &[Sign], two: &[Sign]) -> bool {
    match (one.split_first(), two.split_first()) {
        (None, None) => true,
        (Some((Sign::Many, rest)), _) if meet(rest, two) => true,
        (_, Some((Sign::Many, rest))) if meet(one, rest) => true,
        (Some((a, after_a)), Some((b, after_b))) => {
            let alike = match (a, b) {
                (Sign::Char(a), Sign::Char(b)) => a == b,
                _ => true,
            };
            // One that repeats stays; two that repeat were both tried without, and take nothing from each other.
            let (left_a, left_b) = (if *a == Sign::Many { one } else { after_a }, if *b == Sign::Many { two } else { after_b });
            alike && (*a, *b) != (Sign::Many, Sign::Many) && meet(left_a, left_b)
        }
        _ => false,
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Literal(String),
    Property(String),
}

/// The template of a model's objects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Template {
    text: String,
    parts: Vec<Part>,
    /// For each property of the template, its index in the model's key.
    key: Vec<Option<usize>>,
    /// Whether an object holds many records, one a line.
    pub(crate) lines: bool,
    /// How objects are packed.
    pub(crate) packing: Packing,
}

/// Folders that hold no records where a template begins with a property, which could stand for them: ours, and s3verless's.
const RESERVED: [&str; 2] = ["_coeval/", "_system/"];

/// The name of the property that tells records of a model without a key apart.
pub(crate) const ID: &str = "_id";

/// Returns the names of the properties that tell records of a model apart.
pub(crate) fn key_names(model: &Model) -> Vec<String> {
    if model.key.is_empty() { vec![ID.to_owned()] } else { model.key.clone() }
}

impl Template {
    /// Reads the template of a model: its `objects`, else `NAME/{key}.json`.
    ///
    /// # Errors
    /// What is wrong with it, for people.
    pub(crate) fn of(model: &Model, name: &str) -> Result<Self, String> {
        let key = key_names(model);
        match model.options.get("objects") {
            None => {
                let names: Vec<String> = key.iter().map(|name| format!("{{{name}}}")).collect();
                Self::read(&format!("{name}/{}.json", names.join("/")), &key)
            }
            Some(value) => match value.as_str() {
                Some(text) => Self::read(text, &key),
                None => Err("`objects` is a template, such as `countries/{id}.json`".to_owned()),
            },
        }
    }

    fn read(text: &str, key: &[String]) -> Result<Self, String> {
        let parts = parts(text)?;
        let names = parts.iter().filter_map(|part| if let Part::Property(name) = part { Some(name) } else { None });
        let indices: Vec<Option<usize>> = names.clone().map(|name| key.iter().position(|k| k == name)).collect();
        let (stem, packing) = match text.rsplit_once('.') {
            Some((stem, "gz")) => (stem, Packing::Gzip),
            Some((stem, "zst")) => (stem, Packing::Zstd),
            _ => (text, Packing::Plain),
        };
        let lines = match stem.rsplit_once('.') {
            Some((_, "jsonl" | "ndjson")) => true,
            Some((_, "json")) => false,
            _ => return Err(format!("`objects: {text}` ends neither in `.json` nor in `.jsonl` (`.gz` and `.zst` may follow)")),
        };
        if !lines {
            if let Some(missing) = (0..key.len()).find(|at| !indices.contains(&Some(*at))) {
                return Err(format!("`objects: {text}` does not name `{{{}}}`, which is in the key", key[missing]));
            }
            if let Some((name, _)) = names.zip(&indices).find(|(_, index)| index.is_none()) {
                return Err(format!("`objects: {text}` names `{{{name}}}`, which is not in the key"));
            }
        }
        if text.starts_with('/') || text.split('/').any(|segment| matches!(segment, "" | "." | "..")) {
            return Err(format!("`objects: {text}` has an empty part, or one of dots"));
        }
        if let Some(Part::Literal(first)) = parts.first()
            && (first.starts_with(RESERVED[0]) || RESERVED[0].starts_with(first.as_str()))
        {
            return Err(format!("`objects: {text}` lies where coeval keeps its own objects"));
        }
        Ok(Self { text: text.to_owned(), parts, key: indices, lines, packing })
    }

    /// Returns what the keys of all objects begin with.
    pub(crate) fn prefix(&self) -> &str {
        match self.parts.first() {
            Some(Part::Literal(text)) => text,
            _ => "",
        }
    }

    /// Returns the template with its properties unnamed: two models with the same shape would share their objects.
    pub(crate) fn shape(&self) -> String {
        let part = |part: &Part| match part {
            Part::Literal(text) => text.clone(),
            Part::Property(_) => "{}".to_owned(),
        };
        self.parts.iter().map(part).collect()
    }

    /// Returns whether some name would be one of an object of both templates.
    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        let (one, two) = (self.pattern(), other.pattern());
        let segments =
            |pattern: &[Sign]| pattern.split(|sign| *sign == Sign::Char('/')).map(<[Sign]>::to_vec).collect::<Vec<_>>();
        let (one, two) = (segments(&one), segments(&two));
        one.len() == two.len() && one.iter().zip(&two).all(|(one, two)| meet(one, two))
    }

    fn pattern(&self) -> Vec<Sign> {
        let part = |part: &Part| match part {
            Part::Literal(text) => text.chars().map(Sign::Char).collect(),
            Part::Property(_) => vec![Sign::One, Sign::Many],
        };
        self.parts.iter().flat_map(part).collect()
    }

    /// Returns the key of the object that holds a record; `None` where properties beside its key decide.
    pub(crate) fn object_of(&self, key: &Key) -> Option<String> {
        let mut indices = self.key.iter();
        let mut out = String::new();
        for (at, part) in self.parts.iter().enumerate() {
            match part {
                Part::Literal(text) => out.push_str(text),
                Part::Property(_) => encode(key.0.get((*indices.next()?)?)?, self.separator(at), &mut out),
            }
        }
        Some(self.apart(out))
    }

    /// Returns the key of the object that holds a record with these properties; `None` where one is missing.
    pub(crate) fn object_with(&self, value: &dyn Fn(&str) -> Option<String>) -> Option<String> {
        let mut out = String::new();
        for (at, part) in self.parts.iter().enumerate() {
            match part {
                Part::Literal(text) => out.push_str(text),
                Part::Property(name) => encode(&value(name)?, self.separator(at), &mut out),
            }
        }
        Some(self.apart(out))
    }

    /// Whether an object lies in a folder that holds no records.
    fn is_reserved(&self, object: &str) -> bool {
        matches!(self.parts.first(), Some(Part::Property(_))) && RESERVED.iter().any(|folder| object.starts_with(folder))
    }

    /// Keeps a record out of the folders that hold no records, though its key has their name.
    fn apart(&self, object: String) -> String {
        if self.is_reserved(&object) { format!("%5F{}", &object[1..]) } else { object }
    }

    /// Returns whether an object is one of the model's.
    pub(crate) fn matches(&self, object: &str) -> bool {
        self.values(object).is_some()
    }

    /// Returns the key of the record that an object holds; `None` where it is not the model's, or holds many.
    pub(crate) fn key_of(&self, object: &str) -> Option<Key> {
        if self.lines {
            return None;
        }
        let values = self.values(object)?;
        let count = self.key.iter().flatten().max().map_or(0, |max| max + 1);
        let (mut plain, mut raw) = (vec![String::new(); count], vec![String::new(); count]);
        for (value, index) in values.iter().zip(&self.key) {
            plain[(*index)?] = decode(value);
            (*value).clone_into(&mut raw[(*index)?]);
        }
        // A name that another tool escaped in its own way stands for itself.
        let plain = Key(plain);
        Some(if self.object_of(&plain).as_deref() == Some(object) { plain } else { Key(raw) })
    }

    /// What stands behind a property within its segment, where another property follows there: its value must not contain it.
    fn separator(&self, at: usize) -> Option<char> {
        let Some(Part::Literal(text)) = self.parts.get(at + 1) else { return None };
        let another = matches!(self.parts.get(at + 2), Some(Part::Property(_)));
        (another && !text.contains('/')).then(|| text.chars().next()).flatten()
    }

    fn values<'o>(&self, object: &'o str) -> Option<Vec<&'o str>> {
        if self.is_reserved(object) {
            return None;
        }
        let mut rest = object;
        let mut values = Vec::new();
        for (at, part) in self.parts.iter().enumerate() {
            match part {
                Part::Literal(text) => rest = rest.strip_prefix(text.as_str())?,
                Part::Property(_) => {
                    let end = match self.parts.get(at + 1) {
                        None => rest.len(),
                        // The last literal ends the object's name; one before it ends at its first occurrence.
                        Some(Part::Literal(text)) if at + 2 == self.parts.len() => rest.len().checked_sub(text.len())?,
                        Some(Part::Literal(text)) => rest.find(text.as_str())?,
                        Some(Part::Property(_)) => return None,
                    };
                    let value = rest.get(..end)?;
                    if value.is_empty() || value.contains('/') {
                        return None;
                    }
                    values.push(value);
                    rest = &rest[end..];
                }
            }
        }
        rest.is_empty().then_some(values)
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn parts(text: &str) -> Result<Vec<Part>, String> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some((literal, after)) = rest.split_once('{') {
        let Some((name, next)) = after.split_once('}') else { return Err(format!("`objects: {text}` has `{{` without `}}`")) };
        if name.is_empty() {
            return Err(format!("`objects: {text}` has `{{}}`, which names no property"));
        }
        if !literal.is_empty() {
            parts.push(Part::Literal(literal.to_owned()));
        } else if !parts.is_empty() {
            return Err(format!("`objects: {text}` has nothing between two properties, so that values could not be told apart"));
        }
        parts.push(Part::Property(name.to_owned()));
        rest = next;
    }
    if !rest.is_empty() {
        parts.push(Part::Literal(rest.to_owned()));
    }
    Ok(parts)
}

/// Appends a value as part of a name. What could not stand there, or would be read as something else, is percent-encoded; all
/// else stays as it is, so that objects that other tools named after their keys are found.
fn encode(value: &str, separator: Option<char>, out: &mut String) {
    if value.is_empty() {
        // No value ends in a lone `%` otherwise.
        out.push('%');
        return;
    }
    let dots = matches!(value, "." | "..");
    for c in value.chars() {
        if c == '/' || c == '%' || c.is_control() || Some(c) == separator || (dots && c == '.') {
            let mut bytes = [0; 4];
            for byte in c.encode_utf8(&mut bytes).bytes() {
                out.push('%');
                for digit in [byte >> 4, byte & 15] {
                    out.push(char::from_digit(u32::from(digit), 16).unwrap_or('0').to_ascii_uppercase());
                }
            }
        } else {
            out.push(c);
        }
    }
}

/// Reads what [`encode`] wrote; what no escape is, as in names that other tools gave, stands for itself.
fn decode(text: &str) -> String {
    if text == "%" {
        return String::new();
    }
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let code = (bytes[at] == b'%').then(|| text.get(at + 1..at + 3)).flatten();
        if let Some(byte) = code.and_then(|code| u8::from_str_radix(code, 16).ok()) {
            out.push(byte);
            at += 3;
        } else {
            out.push(bytes[at]);
            at += 1;
        }
    }
    String::from_utf8(out).unwrap_or_else(|_| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template(text: &str, key: &[&str]) -> Template {
        Template::read(text, &key.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).expect(text)
    }

    fn key(values: &[&str]) -> Key {
        Key(values.iter().map(|value| (*value).to_owned()).collect())
    }

    #[test]
    fn names_and_keys_are_each_others_reverse() {
        let one = template("countries/{id}.json", &["id"]);
        let two = template("o/{year}-{number}/x.json.gz", &["number", "year"]);
        let long = template("{a}_{b}.json", &["a", "b"]);
        for value in ["ISL", "São Tomé", "a/b", "..", ".", "", "50%", "%41", "a-b", "a_b", "x.json", "\u{1}", "😀"] {
            for (template, key) in [(&one, key(&[value])), (&two, key(&[value, value])), (&long, key(&[value, value]))] {
                let object = template.object_of(&key).expect("it has a name");
                assert_eq!(template.key_of(&object), Some(key), "{object}");
                assert!(object.split('/').all(|segment| !matches!(segment, "" | "." | "..")), "{object}");
            }
        }
        assert_eq!(two.object_of(&key(&["7", "2024"])).as_deref(), Some("o/2024-7/x.json.gz"));
        assert_eq!(one.object_of(&key(&["São Tomé"])).as_deref(), Some("countries/São Tomé.json"));
        for other in ["countries/.json", "countries/a/b.json", "countries/a.json.bak", "other/a.json"] {
            assert_eq!(one.key_of(other), None, "{other}");
        }
    }

    #[test]
    fn folders_of_tools_hold_no_records() {
        let template = template("{kind}/{id}.json", &["kind", "id"]);
        for (folder, name) in [("_coeval", "lock"), ("_system", "migration_history")] {
            assert!(!template.matches(&format!("{folder}/{name}.json")), "{folder} is not a record's");
            let key = key(&[folder, name]);
            let object = template.object_of(&key).expect("it has a name");
            assert_eq!(object, format!("%5F{}/{name}.json", &folder[1..]));
            assert_eq!(template.key_of(&object), Some(key));
        }
        assert_eq!(template.object_of(&key(&["_other", "x"])).as_deref(), Some("_other/x.json"));
        let fixed = super::tests::template("_system/{id}.json", &["id"]);
        assert!(fixed.matches("_system/a.json"), "whoever names the folder means it");
    }

    #[test]
    fn lines_may_be_parted_by_any_property() {
        let log = template("log/{day}.jsonl.zst", &["id"]);
        assert!(log.lines && log.packing == Packing::Zstd && log.matches("log/2024-01-01.jsonl.zst"));
        assert_eq!((log.object_of(&key(&["1"])), log.prefix(), log.shape().as_str()), (None, "log/", "log/{}.jsonl.zst"));
        assert_eq!(log.object_with(&|name| Some(name.to_uppercase())).as_deref(), Some("log/DAY.jsonl.zst"));
        let one = template("a/{id}.json", &["id"]);
        for (other, overlaps) in [
            ("a/{id}.x.json", true),
            ("a/b/{id}.json", false),
            ("b/{id}.json", false),
            ("{id}.json", false),
            ("{id}/b.json", true),
            ("a/{id}-b.json", true),
            ("a/{id}.jsonl", false),
        ] {
            let other = template(other, &["id"]);
            assert_eq!((one.overlaps(&other), other.overlaps(&one)), (overlaps, overlaps), "{other}");
        }
        assert_eq!(template("all.jsonl", &["id"]).object_of(&key(&["1"])).as_deref(), Some("all.jsonl"));
    }

    #[test]
    fn what_does_not_do_as_a_template_is_told() {
        for (text, message) in [
            ("a/{id}.txt", "`objects: a/{id}.txt` ends neither in `.json` nor in `.jsonl` (`.gz` and `.zst` may follow)"),
            ("a/x.json", "`objects: a/x.json` does not name `{id}`, which is in the key"),
            ("{id}/{b}.json", "`objects: {id}/{b}.json` names `{b}`, which is not in the key"),
            (
                "{id}{b}.json",
                "`objects: {id}{b}.json` has nothing between two properties, so that values could not be told apart",
            ),
            ("/{id}.json", "`objects: /{id}.json` has an empty part, or one of dots"),
            ("_coeval/{id}.json", "`objects: _coeval/{id}.json` lies where coeval keeps its own objects"),
            ("_co{id}/x.json", "`objects: _co{id}/x.json` lies where coeval keeps its own objects"),
            ("a/{id.json", "`objects: a/{id.json` has `{` without `}`"),
        ] {
            assert_eq!(Template::read(text, &["id".to_owned()]), Err(message.to_owned()), "{text}");
        }
    }
}
