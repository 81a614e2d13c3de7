//! A record's schema with a property of each kind, and values for them.

use coeval_core::expr::{Compiled, Names, Scope};
use coeval_core::schema::no_shared_types;
use coeval_core::table::{Table, Tables};
use coeval_core::{Invalid, Model, Path, Property, Segment, Value, value};

use crate::random::Random;

pub(crate) fn model() -> Model {
    let model = value!({
        "name": "thing",
        "properties": {
            "s": {"type": "string"},
            "t": {"type": "string"},
            "n": {"type": "integer"},
            "m": {"type": "integer"},
            "price": {"type": "number"},
            "cost": {"type": "number"},
            "size": {"type": "decimal", "precision": 6, "scale": 2},
            "f": {"type": "float"},
            "done": {"type": "boolean"},
            "ok": {"type": "boolean"},
            "day": {"type": "date"},
            "due": {"type": "date"},
            "at": {"type": "datetime"},
            "until": {"type": "datetime"},
            "clock": {"type": "time"},
            "uid": {"type": "uuid"},
            "raw": {"type": "bytes"},
            "doc": {"type": "json"},
            "status": {"type": "enum", "values": ["open", "done", "closed"]},
            "owner": {"type": "ref", "model": "user"},
            "tags": {"type": "array", "items": {"type": "string", "nullable": true}},
            "nums": {"type": "array", "items": {"type": "integer"}},
            "prices": {"type": "array", "items": {"type": "number"}},
            "names": {"type": "map", "values": {"type": "string"}},
            "address": {"type": "object", "properties": {
                "city": {"type": "string", "required": true}, "zip": {"type": "integer"}, "area": {"type": "number"}
            }},
            "lines": {"type": "array", "items": {"type": "object", "properties": {
                "key": {"type": "string", "required": true}, "value": {"type": "integer"}, "at": {"type": "datetime"}
            }}},
            "shape": {"type": "union", "of": ["string", {"type": "object", "properties": {"kind": {"type": "string"}}}]}
        }
    });
    Model::from_value(&model, &no_shared_types).expect("the model is valid")
}

pub(crate) fn tables() -> Tables {
    let rows = value!({"de": {"name": "Germany", "code": 49}, "lt": {"name": "Lithuania", "code": 370, "note": "x"}, "a": {"name": "A"}});
    [Table::from_value("country", &rows).expect("the table is valid")].into_iter().collect()
}

pub(crate) fn compile(source: &str) -> Result<Compiled, Invalid> {
    let (model, tables) = (model(), tables());
    Compiled::compile(source, &Scope { names: Names::Record(&model.properties), tables: &tables, absent_is_null: true })
}

/// The properties in order.
pub(crate) fn columns() -> Vec<(String, Property)> {
    model().properties.iter().map(|(name, property)| (name.to_owned(), property.clone())).collect()
}

pub(crate) fn path_names(path: &Path) -> Vec<String> {
    path.segments().iter().map(|segment| if let Segment::Name(name) = segment { name.clone() } else { String::new() }).collect()
}

/// A value for a column, null often, an extreme often.
pub(crate) fn value_of(name: &str, random: &mut Random) -> Value {
    if random.below(6) == 0 {
        return Value::Null;
    }
    let texts: &[&str] = &[
        "",
        "a",
        "ab",
        "A",
        "né",
        "  a ",
        "a,b,,c",
        "12",
        " -7 ",
        "3.5",
        "1e3",
        "true",
        "F",
        "on",
        "2026-11-21",
        "2024-02-30",
        "10:20:30.50",
        "2026-01-31T23:30:00.250+02:00",
        "0194F000-0000-7000-8000-00000000000a",
        "%_\\",
        "[x]*?",
        "O'Neil\"",
        "de",
        "open",
        "日本🙂語",
        "a\nb\tc",
        "9223372036854775808",
        "-9223372036854775808",
        "0x1f",
        "1_000",
        "NaN",
        "infinity",
        "abcabc",
        "\u{1}\u{7f}",
        "ß",
        "-0.10",
        ".5",
        "5.",
        "now",
        "€ 5,00",
        "\\n",
        "n",
        "a\\b",
        "\u{10000}z",
    ];
    let integers: &[i64] = &[
        0,
        1,
        -1,
        2,
        3,
        -7,
        7,
        10,
        100,
        2_147_483_647,
        -2_147_483_648,
        4_294_967_296,
        i64::MAX,
        i64::MIN,
        i64::MAX - 1,
        999_999_999_999,
    ];
    let numbers: &[&str] = &[
        "0",
        "1",
        "-1",
        "0.5",
        "-0.5",
        "1.5",
        "2.5",
        "-2.5",
        "19.99",
        "-19.99",
        "0.01",
        "-0.01",
        "0.001",
        "100",
        "1e3",
        "1.50",
        "12345678901234.5",
        "99999999999999999999.999",
        "123456789012345678901234567890",
        "0.000000000000000000001",
        "-1e25",
        "0.125",
        "3",
        "7",
        "33.333",
        "0.045",
        "1000000",
        "922337203685477580.7",
        "9223372036854775807.5",
        "0.1",
        "0.99",
        "9.995",
        "-0.04",
    ];
    let pick = |random: &mut Random| *random.pick(numbers);
    match name {
        "s" | "t" => Value::from(*random.pick(texts)),
        "owner" => Value::from(*random.pick(&["u1", "u2", "", "né"])),
        "n" | "m" => Value::from(*random.pick(integers)),
        "price" | "cost" => number(pick(random)),
        "size" => number(random.pick::<&str>(&["0", "12.5", "-12.50", "9999.99", "-9999.99", "0.01", "100", "0.05"])),
        "f" => number(random.pick::<&str>(&[
            "0",
            "0.5",
            "-0.5",
            "1.5",
            "2.5",
            "-2.5",
            "1e300",
            "-1e300",
            "1e-300",
            "0.1",
            "123456.789",
            "1e15",
            "1e16",
            "123456789012345680",
            "1e-5",
            "9.999e-6",
            "0.30000000000000004",
            "2251799813685249.5",
            "3",
            "-7.0",
            "1e22",
        ])),
        "done" | "ok" => Value::Bool(random.below(2) == 0),
        "day" | "due" => Value::from(*random.pick(&[
            "2026-11-21",
            "2024-02-29",
            "2026-01-31",
            "0001-01-01",
            "9999-12-31",
            "1970-01-01",
            "1969-12-31",
            "2021-01-03",
        ])),
        "at" | "until" => Value::from(*random.pick(&[
            "2026-01-31T23:30:00Z",
            "2026-01-31T23:30:00.5Z",
            "2024-02-29T00:00:00Z",
            "0001-01-01T00:00:00Z",
            "9999-12-31T23:59:59.999999Z",
            "1970-01-01T00:00:00Z",
            "1969-12-31T23:59:59.25Z",
            "2026-03-29T01:30:00Z",
            "2021-01-03T12:34:56.789012Z",
        ])),
        "clock" => Value::from(*random.pick(&["00:00:00", "10:20:30.5", "23:59:59.999999", "05:00:00.000001"])),
        "uid" => Value::from(*random.pick(&[
            "0194f000-0000-7000-8000-00000000000a",
            "ffffffff-ffff-ffff-ffff-ffffffffffff",
            "00000000-0000-0000-0000-000000000000",
        ])),
        "raw" => Value::from(*random.pick(&[
            "",
            "AQID",
            "AA==",
            "/+8=",
            "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWZnaGlqa2xtbm9wcXJzdHV2d3h5ejAxMjM0NTY3ODk=",
        ])),
        "doc" => random
            .pick(&[
                value!(null),
                value!(1),
                value!(2.50),
                value!("x"),
                value!(true),
                value!([]),
                value!({}),
                value!([1, "x", null, [2]]),
                value!({"a": 1, "b": null}),
                value!({"a": "12", "k": {"a": 2}}),
                value!("2026-11-21"),
                value!(-1.5),
                value!("12"),
                value!({"a": [1, 2, 3]}),
            ])
            .clone(),
        "status" => Value::from(*random.pick(&["open", "done", "closed"])),
        "tags" => random
            .pick(&[value!([]), value!(["a"]), value!(["b", "a", "a"]), value!(["x", null, "é\"\\"]), value!([null])])
            .clone(),
        "nums" => random.pick(&[value!([]), value!([0]), value!([1, 2, 3]), value!([9223372036854775807, -1])]).clone(),
        "prices" => {
            random.pick(&[value!([]), value!([0.5]), value!([1.50, -2.5, 100]), value!([12345678901234567890.5])]).clone()
        }
        "names" => random
            .pick(&[value!({}), value!({"en": "Tree"}), value!({"z": "1", "a": "2", "é": "3", "A": "4", "a b": "5"})])
            .clone(),
        "address" => random
            .pick(&[
                value!({"city": "Vilnius"}),
                value!({"city": "", "zip": 7, "area": 2.50}),
                value!({"city": "O\"x", "zip": -1, "area": -0.1, "more": [1]}),
            ])
            .clone(),
        "lines" => random
            .pick(&[
                value!([]),
                value!([{"key": "x", "value": 2}, {"key": "y"}]),
                value!([{"key": "x", "value": 1}, {"key": "x", "value": 2}]),
                value!([{"key": "d", "at": "2026-01-31T23:30:00Z", "value": 9223372036854775807}]),
            ])
            .clone(),
        "shape" => random.pick(&[value!("round"), value!({"kind": "square"}), value!({})]).clone(),
        other => panic!("no values for {other}"),
    }
}

pub(crate) fn number(text: &str) -> Value {
    Value::Number(coeval_core::number::Number::parse(text).expect("a number"))
}
