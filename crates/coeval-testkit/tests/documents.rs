//! The laws of stored documents as texts, on generated histories and records in every layout: what coeval did not change comes
//! back byte for byte, and a text at another version does not depend on how the record got there.

use coeval_core::document::{Document, Format};
use coeval_core::history::History;
use coeval_core::json;
use coeval_core::lens::Stored;
use coeval_core::value::{Object, Value};
use coeval_testkit::laws::generate;
use coeval_testkit::rng::Rng;

fn space(rng: &mut Rng) -> &'static str {
    rng.one(["", "", " ", "  ", "\n", "\r\n", "\t", " \n  "])
}

/// A value's text with white space anywhere.
fn scattered(rng: &mut Rng, value: &Value) -> String {
    let mut out = String::new();
    match value {
        Value::List(items) => {
            for item in items {
                out += if out.is_empty() { "[" } else { "," };
                out = [&out, space(rng), &scattered(rng, item), space(rng)].concat();
            }
            if out.is_empty() { format!("[{}]", space(rng)) } else { out + "]" }
        }
        Value::Object(object) => {
            for (key, item) in object {
                out += if out.is_empty() { "{" } else { "," };
                let key = Value::String(key.clone()).to_string();
                out = [&out, space(rng), &key, space(rng), ":", space(rng), &scattered(rng, item), space(rng)].concat();
            }
            if out.is_empty() { format!("{{{}}}", space(rng)) } else { out + "}" }
        }
        scalar => scalar.to_string(),
    }
}

fn laid_out(rng: &mut Rng, value: &Value) -> String {
    let mut text = match rng.below(6) {
        0 => json::Style::Compact.write(value),
        1 => json::Style::Spaced.write(value),
        2 => json::Style::Indented(rng.below(5)).write(value),
        3 => json::Style::Tabbed.write(value),
        _ => scattered(rng, value),
    };
    if rng.chance(20) {
        text = text.replace("\r\n", "\n").replace('\n', "\r\n");
    }
    [space(rng), &text, space(rng)].concat()
}

fn read(text: &[u8], version: u32) -> Document {
    let format = Format { unversioned: version, ..Format::default() };
    Document::read(text, &format).unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(text)))
}

fn kept(stored: &Stored) -> String {
    let mut notes = Object::new();
    stored.keep.write(&mut notes);
    Value::from(notes).to_string()
}

fn write(document: &Document, next: &Stored) -> Document {
    let written = document.write(next).unwrap_or_else(|e| panic!("{e}: {}", next.document));
    let again = read(&written, 99);
    assert_eq!(again.stamped, Some(next.version));
    assert!(again.stored.document.identical(&next.document), "{} became {}", next.document, again.stored.document);
    assert_eq!(kept(&again.stored), kept(next));
    assert_eq!(again.write(&again.stored).as_ref(), Ok(&written), "what was written is written alike");
    again
}

/// Plays the text of one record through a history.
fn play(rng: &mut Rng, history: &History, newest: u32) {
    let versions: Vec<u32> = (1..=newest).collect();
    let at = rng.pick(&versions).copied().unwrap_or(1);
    let Some(model) = history.model(at) else { return };
    let Ok(record) = history.create(at, generate::record(rng, model)) else { return };
    let text = laid_out(rng, &record.document);
    let document = read(text.as_bytes(), at);
    assert_eq!(document.natural_text(), text);
    assert_eq!(document.stamped, None);
    let stamped = write(&document, &document.stored);
    assert_eq!(stamped.natural_text(), text, "stamped");
    assert_eq!(stamped.stored.keep, document.stored.keep, "{text:?}");
    for to in &versions {
        let Ok(shown) = document.read_text(history, *to) else { continue };
        assert_eq!(stamped.read_text(history, *to).as_ref(), Ok(&shown), "stamped at {at}, read at {to}: {text:?}");
        let moved = history.migrate(&document.stored, *to).unwrap_or_else(|e| panic!("{e}"));
        let there = write(&stamped, &moved);
        assert_eq!(there.natural_text(), shown, "moved from {at} to {to}: {text:?}");
        for other in &versions {
            let direct = document.read_text(history, *other).ok();
            assert_eq!(there.read_text(history, *other).ok(), direct, "from {at} by {to} at {other}: {text:?}");
        }
        let back = history.migrate(&there.stored, at).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(write(&there, &back).natural_text(), text, "from {at} to {to} and back");
        change(rng, history, &document, *to, &text);
    }
}

/// A write at another version that leaves the record as it was where it lies leaves its text, too.
fn change(rng: &mut Rng, history: &History, document: &Document, to: u32, text: &str) {
    let (Some(model), Ok(current)) = (history.model(to), history.read(&document.stored, to)) else { return };
    let Ok(Some(put)) = history.put(&document.stored, to, &generate::edited(rng, model, &current)) else { return };
    let Ok(back) = history.migrate(&put, document.stored.version) else { return };
    if back.document.identical(&document.stored.document) {
        assert_eq!(write(document, &back).natural_text(), text, "changed at {to}");
    }
}

#[test]
fn texts_come_back_whatever_their_layout() {
    for seed in 0..1200 {
        let mut rng = Rng::new(seed);
        let Ok((history, newest)) = generate::history(&mut rng) else { panic!("seed {seed} does not fold") };
        for _ in 0..4 {
            play(&mut rng, &history, newest.min(8));
        }
    }
}

#[test]
fn notes_are_found_wherever_they_stand() {
    let notes = r#""_coeval" : {"version": 3, "from": {"x": [1]}}"#;
    for seed in 0..500 {
        let mut rng = Rng::new(seed);
        let (history, _) = generate::history(&mut rng).unwrap_or_else(|e| panic!("{e}"));
        let Some(model) = history.model(1) else { continue };
        let Value::Object(natural) = generate::record(&mut rng, model) else { continue };
        let mut members: Vec<(String, String)> =
            natural.iter().map(|(key, value)| (Value::String(key.clone()).to_string(), scattered(&mut rng, value))).collect();
        members.insert(rng.below(members.len() + 1), ("_coeval".to_owned(), String::new()));
        let mut text = String::from("{");
        for (i, (key, value)) in members.iter().enumerate() {
            text += if i > 0 { "," } else { "" };
            text += space(&mut rng);
            text += &if key == "_coeval" { notes.to_owned() } else { [key, ":", value].concat() };
            text += space(&mut rng);
        }
        text += "}";
        let document = read(text.as_bytes(), 1);
        assert!(document.stored.document.identical(&Value::Object(natural)), "{text}");
        assert_eq!(document.stamped, Some(3));
        assert_eq!(Value::from(document.extra.clone()).to_string(), r#"{"from":{"x":[1]}}"#);
        let parsed = json::parse(document.natural_text().as_bytes());
        assert!(parsed.is_ok_and(|value| value.identical(&document.stored.document)), "{text}");
        let again = write(&document, &document.stored);
        assert_eq!(again.natural_text(), document.natural_text());
        assert_eq!(again.extra.get("from"), document.extra.get("from"));
        assert!(again.extra.len() == 1 && again.extra.iter().all(|(name, _)| name.as_str() != "version"));
    }
}
