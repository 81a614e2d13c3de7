//! What is added, removed or changed in place.

use coeval_core::{Path, Property, Type, Value};

use super::literal::{cast, literal, name, sample, sample_value, shown};
use super::{Candidate, Detector, Question, pointer, value_of};

/// How a new type compares with the old one.
enum Change {
    /// Every old value is a new one.
    Wider,
    /// An enum with more values.
    MoreValues,
    /// An enum without some values.
    FewerValues(Vec<String>),
    /// Anything else.
    Other,
}

impl Detector<'_> {
    pub(super) fn removed(&mut self, path: &Path, property: &Property) {
        let bare = value_of("remove_property", [("path", path.to_string().into())]);
        // A property of the key is refused with or without a value.
        if self.fits(&bare) || self.after.key.iter().any(|name| path.last_name() == Some(name)) {
            return self.push(&bare);
        }
        let text =
            format!("`{path}` is gone, and older versions require it: what do they read in records that are born without it?");
        let at = path.parent().map(|p| format!("{}/properties", pointer(&p))).unwrap_or_default();
        let candidates = vec![self.dropped(path, property)];
        self.ask(Question { code: "removed-required", at, key: None, text, candidates });
    }

    pub(super) fn added(&mut self, path: &Path, property: &Property) {
        let at = || ("path", Value::from(path.to_string()));
        let value = property.default.as_ref().and_then(literal).map(|text| ("value", text.into()));
        let bare = value_of("add_property", [at(), ("schema", property.to_value())].into_iter().chain(value));
        if !property.required || property.default.is_some() || self.fits(&bare) {
            return self.push(&bare);
        }
        let text = format!("`{path}` is new and required: what value do older records have?");
        let fields = [at(), ("value", sample(property).into())];
        let answer = "older records read `value`, an expression over the older version's properties".to_owned();
        let candidates = vec![Candidate { text: answer, operations: vec![value_of("add_property", fields)] }];
        self.ask(Question { code: "new-required", at: pointer(path), key: None, text, candidates });
    }

    pub(super) fn changed(&mut self, path: &Path, before: &Property, after: &Property) {
        if !self.retyped(path, before, after) {
            return;
        }
        self.nullability(path, before, after);
        self.presence(path, before, after);
        if before.default != after.default {
            let default = after.default.clone().map(|value| ("default", value));
            let fields = [("path", path.to_string().into())].into_iter().chain(default);
            self.push(&value_of("set_default", fields));
        }
    }

    /// Says how a type changed. Returns whether facets remain to be looked at: a retyped property brings its own.
    fn retyped(&mut self, path: &Path, before: &Property, after: &Property) -> bool {
        let same_shape = matches!(
            (&before.ty, &after.ty),
            (Type::Object(_), Type::Object(_)) | (Type::Array { .. }, Type::Array { .. }) | (Type::Map { .. }, Type::Map { .. })
        );
        // A reference to a model by another name is that model's rename.
        let same_ref = matches!((&before.ty, &after.ty), (Type::Ref { .. }, Type::Ref { .. }));
        if before.ty == after.ty || same_shape || same_ref {
            return true;
        }
        let at = ("path", Value::from(path.to_string()));
        match compare(&before.ty, &after.ty) {
            Change::Wider => {
                let name = name(path);
                let (up, down) = (cast(&before.ty, &after.ty, &name), cast(&after.ty, &before.ty, &name));
                let (Some(up), Some(down)) = (up, down) else { return true };
                let schema = in_place(before, after).to_value();
                let fields = [at, ("schema", schema), ("up", up.into()), ("down", down.into()), ("on_fail", quarantine_down())];
                self.push(&value_of("retype_property", fields));
                true
            }
            Change::MoreValues => {
                self.push(&value_of("map_enum", map_enum(path, before, after, None)));
                true
            }
            Change::FewerValues(gone) => {
                self.fewer_values(path, before, after, &gone);
                true
            }
            Change::Other => {
                self.ask_conversion(path, before, after);
                false
            }
        }
    }

    fn fewer_values(&mut self, path: &Path, before: &Property, after: &Property, gone: &[String]) {
        let Type::Enum { values } = &after.ty else { return };
        let likeliest = |old: &str| {
            let near = values.iter().min_by_key(|new| coeval_core::invalid::distance(old, new));
            after.default.as_ref().and_then(Value::as_str).map(str::to_owned).or_else(|| near.cloned()).unwrap_or_default()
        };
        let up = gone.iter().map(|old| (old.as_str().into(), likeliest(old).into())).collect::<coeval_core::Object>();
        let names: Vec<String> = gone.iter().map(|v| format!("`{v}`")).collect();
        let text = format!("{} no longer a value of `{path}`: what do records that hold it become?", are(&names));
        let answer = "say for each value that is gone which one stands for it".to_owned();
        let candidates = vec![Candidate {
            text: answer,
            operations: vec![value_of("map_enum", map_enum(path, before, after, Some(up.into())))],
        }];
        self.ask(Question { code: "narrowed-enum", at: format!("{}/values", pointer(path)), key: None, text, candidates });
        // The rest of the property is compared as if it were answered.
        if let Some(property) = self.working.at_mut(path) {
            property.ty = after.ty.clone();
        }
    }

    fn ask_conversion(&mut self, path: &Path, before: &Property, after: &Property) {
        let name = name(path);
        let text =
            format!("`{path}` changes from {} to {}: how are values converted, both ways?", kind(&before.ty), kind(&after.ty));
        let at = || ("path", Value::from(path.to_string()));
        let mut candidates = Vec::new();
        let mut offer =
            |text: &str, operation: Value| candidates.push(Candidate { text: text.to_owned(), operations: vec![operation] });
        match (&before.ty, &after.ty) {
            (one, Type::Array { items, .. }) if items.ty == *one => {
                let fields = [at()].into_iter().chain(empty(before));
                offer("each value becomes a list of one", value_of("wrap_list", fields));
            }
            (Type::Array { items, .. }, one) if items.ty == *one => {
                let fields = [at(), ("pick", "first".into())]
                    .into_iter()
                    .chain(empty(&Property { required: before.required, ..after.clone() }));
                offer("the first item stands for the list; the others are kept", value_of("unwrap_list", fields));
            }
            (one, Type::Object(inner)) => {
                for (child, property) in inner.iter().filter(|(_, p)| p.ty == *one).take(3) {
                    let to = path.join(child);
                    let fields = [("from", path.to_string().into()), ("to", to.to_string().into())];
                    let _ = property;
                    offer(&format!("the value moved to `{to}`"), value_of("move_property", fields));
                }
            }
            _ => {}
        }
        let way = |from: &Type, to: &Type| cast(from, to, &name).unwrap_or_else(|| "…".to_owned()).into();
        let mut fields = vec![at()];
        if (before.required, before.nullable) != (after.required, after.nullable) {
            fields.push(("schema", in_place(before, after).to_value()));
        }
        fields.extend([("up", way(&before.ty, &after.ty)), ("down", way(&after.ty, &before.ty))]);
        let on_fail = ("on_fail", "quarantine".into());
        let strict = cast(&before.ty, &after.ty, &name).is_some();
        offer(
            "convert with expressions; a value that cannot be converted is refused",
            value_of("retype_property", fields.clone()),
        );
        if strict {
            let text = "the same; a record whose value cannot be converted stays visible only to older versions";
            offer(text, value_of("retype_property", fields.into_iter().chain([on_fail])));
        }
        self.ask(Question { code: "retyped", at: pointer(path), key: None, text, candidates });
    }

    fn nullability(&mut self, path: &Path, before: &Property, after: &Property) {
        if before.nullable == after.nullable {
            return;
        }
        let value = after.default.as_ref().or(before.default.as_ref()).filter(|v| **v != Value::Null).and_then(literal);
        let fields = |way: &'static str, value: Option<String>| {
            let at = [("path", path.to_string().into()), ("nullable", after.nullable.into())];
            value_of("set_nullable", at.into_iter().chain(value.map(|text| (way, text.into()))))
        };
        if after.nullable {
            // An optional property reads as absent where an older version knows no null.
            if !before.required || value.is_some() {
                return self.push(&fields("down", value.filter(|_| before.required)));
            }
            let text = format!("`{path}` may now be null, and older versions know no null there: what do they read?");
            let answer = "older versions read `down`".to_owned();
            let candidates = vec![Candidate { text: answer, operations: vec![fields("down", Some(sample(before)))] }];
            return self.ask(Question { code: "nullable", at: pointer(path), key: None, text, candidates });
        }
        let text = format!("`{path}` may no longer be null: what do records that hold null become?");
        let answer = "null becomes `up`".to_owned();
        let candidates =
            vec![Candidate { text: answer, operations: vec![fields("up", Some(value.unwrap_or_else(|| sample(after))))] }];
        self.ask(Question { code: "not-nullable", at: pointer(path), key: None, text, candidates });
    }

    fn presence(&mut self, path: &Path, before: &Property, after: &Property) {
        if before.required == after.required {
            return;
        }
        let value = after.default.as_ref().or(before.default.as_ref()).and_then(literal);
        let at = || ("path", Value::from(path.to_string()));
        let (verb, code, text) = if after.required {
            let text = format!("`{path}` is now required: what do records without it have?");
            ("require_property", "now-required", text)
        } else {
            let text = format!("`{path}` is now optional, and older versions require it: what do they read where it is absent?");
            ("relax_property", "now-optional", text)
        };
        let value = value.filter(|_| after.required).map(|text| ("value", text.into()));
        let bare = value_of(verb, [at()].into_iter().chain(value));
        if self.fits(&bare) {
            return self.push(&bare);
        }
        let operations = vec![value_of(verb, [at(), ("value", sample(after).into())])];
        let candidates = vec![Candidate { text: "they read `value`".to_owned(), operations }];
        self.ask(Question { code, at: pointer(path), key: None, text, candidates });
    }
}

/// A value of the newer version that an older one cannot hold hides the record from it; the newer one is not refused for it.
fn quarantine_down() -> Value {
    coeval_core::Object::from_iter([("down".into(), "quarantine".into())]).into()
}

/// What an empty list reads as where a single value must be there; a person may want another.
fn empty(single: &Property) -> Option<(&'static str, Value)> {
    let needed = single.required && !single.nullable;
    needed.then(|| ("empty", sample_value(single).unwrap_or_else(|| "…".into())))
}

/// The new type with the old facets: what is required, nullable or default is changed by operations of its own.
fn in_place(before: &Property, after: &Property) -> Property {
    let default = before.default.clone().filter(|value| after.violations(value).is_empty());
    Property { ty: after.ty.clone(), default, description: after.description.clone(), ..before.clone() }
}

fn map_enum(path: &Path, before: &Property, after: &Property, up: Option<Value>) -> Vec<(&'static str, Value)> {
    let (Type::Enum { values: old }, Type::Enum { values }) = (&before.ty, &after.ty) else { return Vec::new() };
    let list = Value::List(values.iter().map(|v| v.as_str().into()).collect());
    let mut fields = vec![("path", path.to_string().into()), ("values", list)];
    fields.extend(up.map(|up| ("up", up)));
    if values.iter().all(|value| old.contains(value)) {
        return fields;
    }
    // Older versions read a new value as a default that they know; without one the record is hidden from them.
    let known = |default: &&Value| default.as_str().is_some_and(|text| old.iter().any(|v| v == text));
    match after.default.as_ref().filter(known).or(before.default.as_ref().filter(known)) {
        Some(default) => fields.push(("fallback", default.clone())),
        None => fields.push(("on_fail", quarantine_down())),
    }
    fields
}

fn compare(before: &Type, after: &Type) -> Change {
    match (before, after) {
        (Type::Enum { values: old }, Type::Enum { values: new }) => {
            let gone: Vec<String> = old.iter().filter(|v| !new.contains(v)).cloned().collect();
            if gone.is_empty() { Change::MoreValues } else { Change::FewerValues(gone) }
        }
        (Type::Integer | Type::Decimal { .. }, Type::Number) | (Type::Enum { .. }, Type::String) => Change::Wider,
        // 64 bits are at most 19 digits.
        (Type::Integer, Type::Decimal { precision, scale }) if precision - scale >= 19 => Change::Wider,
        (Type::Decimal { precision: p, scale: s }, Type::Decimal { precision: q, scale: t }) if t >= s && q - t >= p - s => {
            Change::Wider
        }
        _ => Change::Other,
    }
}

fn kind(ty: &Type) -> String {
    match ty {
        Type::Array { items, .. } => format!("a list of {}", items.ty.name()),
        Type::Decimal { precision, scale } => format!("decimal({precision}, {scale})"),
        Type::Enum { values } => format!("enum [{}]", values.join(", ")),
        Type::Ref { model } => format!("ref to {}", shown(&model.as_str().into())),
        other => other.name().to_owned(),
    }
}

fn are(names: &[String]) -> String {
    match names {
        [one] => format!("{one} is"),
        names => format!("{} are", names.join(", ")),
    }
}
