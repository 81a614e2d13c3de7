//! Random expressions: compiling and evaluating them never panics, and values have the types they were promised.

use super::*;

/// Marsaglia's xorshift.
struct Random(u64);

impl Random {
    fn next(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % below as u64).unwrap_or(0)
    }

    fn pick<'s>(&mut self, from: &[&'s str]) -> &'s str {
        from[self.next(from.len())]
    }
}

const LEAVES: &[&str] = &[
    "null",
    "true",
    "0",
    "1",
    "-1",
    "7",
    "1.5",
    "-2.50",
    "1e30",
    "9223372036854775807",
    "'a'",
    "''",
    "'né, b'",
    "'12'",
    "n",
    "opt",
    "maybe",
    "price",
    "size",
    "f",
    "done",
    "day",
    "at",
    "clock",
    "uid",
    "raw",
    "doc",
    "status",
    "owner",
    "tags",
    "names",
    "address",
    "address.city",
    "lines",
    "shape",
    "x",
    "y",
    "[]",
    "date '2024-02-29'",
    "interval '1 month 2 days'",
    "'%_\\'",
    "'open'",
    "nonsense",
];

const FORMS: &[&str] = &[
    "# + #",
    "# - #",
    "# * #",
    "# / #",
    "# % #",
    "-#",
    "not #",
    "# = #",
    "# < #",
    "# <> #",
    "# and #",
    "# or #",
    "# || #",
    "# is null",
    "# is distinct from #",
    "# in (#, #)",
    "# between # and #",
    "# like #",
    "case when # then # else # end",
    "case # when # then # end",
    "cast(# as integer)",
    "cast(# as string)",
    "cast(# as number)",
    "cast(# as float)",
    "cast(# as date)",
    "cast(# as datetime)",
    "cast(# as json)",
    "cast(# as decimal(5, 2))",
    "cast(# as boolean)",
    "#::time",
    "[#, #]",
    "{'a': #, 'b': #}",
    "MAP {'k': #, #: #}",
    "(#)[#]",
    "(#).a",
    "(#)['k']",
    "(#)",
    "extract(epoch from #)",
    "substring(# from # for #)",
    "position(# in #)",
    "trim(both # from #)",
    "list_transform(#, x -> #)",
    "list_filter(#, x -> #)",
    "transform_values(#, (x, y) -> #)",
    "lookup('country', #)",
    "lookup('country', #).code",
];

/// A random expression; mostly well formed, often not well typed.
fn expression(random: &mut Random, depth: usize) -> String {
    if depth == 0 || random.next(4) == 0 {
        return random.pick(LEAVES).to_owned();
    }
    let form = if random.next(2) == 0 {
        random.pick(FORMS).to_owned()
    } else {
        let entry = &FUNCTIONS[random.next(FUNCTIONS.len())];
        format!("{}({})", entry.name, vec!["#"; entry.params.len()].join(", "))
    };
    form.split('#').enumerate().fold(String::new(), |mut text, (i, part)| {
        if i > 0 {
            text.push_str(&expression(random, depth - 1));
        }
        text.push_str(part);
        text
    })
}

/// Whether a value is one of the type.
fn has_type(value: &Value, ty: &ExprType, nullable: bool) -> bool {
    let admits = |ty: crate::Type| ty.admits(value);
    if *value == Value::Null {
        return nullable;
    }
    match ty {
        ExprType::Null | ExprType::Interval => false,
        ExprType::String => admits(crate::Type::String),
        ExprType::Integer => admits(crate::Type::Integer),
        ExprType::Number => admits(crate::Type::Number),
        ExprType::Decimal { precision, scale } => admits(crate::Type::Decimal { precision: *precision, scale: *scale }),
        ExprType::Float => admits(crate::Type::Float),
        ExprType::Boolean => admits(crate::Type::Boolean),
        ExprType::Date => admits(crate::Type::Date),
        ExprType::Time => admits(crate::Type::Time),
        ExprType::Datetime => admits(crate::Type::Datetime),
        ExprType::Uuid => admits(crate::Type::Uuid),
        ExprType::Bytes => admits(crate::Type::Bytes),
        ExprType::Enum(values) => value.as_str().is_some_and(|text| values.iter().any(|v| v == text)),
        ExprType::Json | ExprType::Ref(_) | ExprType::Union { .. } => true,
        ExprType::List(items) => value.as_list().is_some_and(|list| list.iter().all(|v| has_type(v, &items.ty, items.nullable))),
        ExprType::Map(values) => {
            value.as_object().is_some_and(|map| map.iter().all(|(_, v)| has_type(v, &values.ty, values.nullable)))
        }
        ExprType::Object(fields) => value.as_object().is_some_and(|object| {
            fields.iter().all(|(name, typed)| has_type(object.get(name).unwrap_or(&Value::Null), &typed.ty, typed.nullable))
        }),
    }
}

#[test]
fn random_expressions_keep_their_types_and_never_panic() {
    let (model, tables, record) = (model(), tables(), record());
    let scope = Scope { names: Names::Record(&model.properties), tables: &tables, absent_is_null: true };
    let mut random = Random(0x2545_f491_4f6c_dd1d);
    let (mut compiled_count, mut evaluated) = (0, 0);
    for round in 0..20_000 {
        let source = expression(&mut random, 1 + round % 4);
        let compiled = match Compiled::compile(&source, &scope) {
            Ok(compiled) => compiled,
            Err(error) => {
                let span = error.span.unwrap_or_else(|| panic!("{source}: {} has no place", error.message));
                assert!(source.get(span.clone()).is_some(), "{source}: {span:?}");
                continue;
            }
        };
        compiled_count += 1;
        let inputs: Vec<&Value> = compiled
            .inputs()
            .iter()
            .map(|input| match input {
                Input::Property(path) => at(&record, path),
                Input::Key => &Value::Null,
            })
            .collect();
        match compiled.eval(&inputs) {
            Ok(value) => {
                evaluated += 1;
                let root = compiled.root();
                assert!(has_type(&value, &root.ty, root.nullable), "{source}: {value} is not {} {}", root.ty, root.nullable);
            }
            Err(error) => assert!(source.get(error.span).is_some_and(|text| !text.is_empty()), "{source}"),
        }
        let property = Property::new(crate::Type::String).required();
        let _ = compiled.check_target(&property);
    }
    assert!(compiled_count > 1_000 && evaluated > 500, "{compiled_count} compiled, {evaluated} evaluated");
}

#[test]
fn random_tokens_never_panic() {
    let tokens = [
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        ",",
        ":",
        "::",
        ".",
        "->",
        "-",
        "+",
        "*",
        "'a'",
        "\"n\"",
        "1",
        "n",
        "case",
        "when",
        "then",
        "else",
        "end",
        "not",
        "in",
        "is",
        "null",
        "between",
        "and",
        "like",
        "cast",
        "as",
        "int",
        "extract",
        "from",
        "position",
        "substring",
        "trim",
        "interval",
        "map",
        "array",
        "date",
        "x",
        "lower",
        "list_filter",
        "over",
        "filter",
        "where",
        "distinct",
        "order",
        "by",
        "select",
        "||",
        "=",
        "<",
        "é",
        ";",
        "$",
        "@",
        "struct",
        "<",
        ">",
        "fn",
        "any",
        "exists",
        "collate",
        "at",
        "time",
        "zone",
        "with",
        "group",
        "within",
        "--",
        "/*",
        "\n",
    ];
    let (model, tables) = (model(), tables());
    let scope = Scope { names: Names::Record(&model.properties), tables: &tables, absent_is_null: false };
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    for _ in 0..20_000 {
        let length = 1 + random.next(24);
        let source: Vec<&str> = (0..length).map(|_| random.pick(&tokens)).collect();
        let source = source.join(" ");
        if let Err(error) = Compiled::compile(&source, &scope) {
            let span = error.span.unwrap_or_default();
            assert!(source.get(span.clone()).is_some(), "{source}: {span:?}");
        }
    }
}

/// A parser that tries and goes back would not come to an end here.
#[test]
fn long_and_repetitive_sources_are_refused_in_time() {
    let tokens = [
        "(",
        "(",
        "(",
        "[",
        "{",
        ",",
        ":",
        "->",
        "-",
        "'a'",
        "n",
        "case",
        "when",
        "then",
        "not",
        "in (",
        "between",
        "and",
        "cast(",
        "as",
        "extract(",
        "from",
        "position(",
        "substring(",
        "trim(",
        "interval",
        "map {",
        "array [",
        "date",
        "x",
        "lower(",
        "list_filter(",
        "a ->",
        "(a, b) ->",
        "'k':",
        "1",
        "is distinct from",
        "in ((",
    ];
    let (model, tables) = (model(), Tables::new());
    let scope = Scope { names: Names::Record(&model.properties), tables: &tables, absent_is_null: false };
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    for _ in 0..500 {
        let few: Vec<&str> = (0..=random.next(4)).map(|_| random.pick(&tokens)).collect();
        let length = 20 + random.next(1_000);
        let source: Vec<&str> = (0..length).map(|_| random.pick(&few)).collect();
        let source = source.join(" ");
        let _ = Compiled::compile(&source, &scope);
    }
}
