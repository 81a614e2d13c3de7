//! The functions: one table of name, parameters, meaning and example that feeds the checker, the tests and the manual.

/// A function of the language.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the table below documents each")]
pub enum Function {
    Coalesce,
    Nullif,
    Lower,
    Upper,
    Trim,
    Ltrim,
    Rtrim,
    Length,
    Substring,
    Position,
    Replace,
    SplitPart,
    ConcatWs,
    RegexpReplace,
    StartsWith,
    Lpad,
    Abs,
    Round,
    Floor,
    Ceil,
    Mod,
    Power,
    Extract,
    DateTrunc,
    ToTimestamp,
    Cardinality,
    ListTransform,
    ListFilter,
    ArrayToString,
    StringToArray,
    MapKeys,
    MapValues,
    MapEntries,
    MapFromEntries,
    TransformValues,
    JsonKind,
    Lookup,
}

/// What a parameter takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Param {
    /// A value of any type.
    Any,
    /// A string or an enum.
    Text,
    /// Anything with one obvious text, which is what the function sees.
    Scalar,
    /// A whole number.
    Integer,
    /// A number of any kind.
    Numeric,
    /// A date, a time or a datetime.
    Moment,
    /// A list.
    List,
    /// A map.
    Map,
    /// A string that is spelled out.
    Word,
    /// `x -> …`, with so many parameters.
    Lambda(usize),
}

/// What is known about a function.
#[derive(Debug)]
pub struct Entry {
    /// The function.
    pub function: Function,
    /// Its name.
    pub name: &'static str,
    /// Other spellings of the name.
    pub aliases: &'static [&'static str],
    /// The names and kinds of its parameters.
    pub params: &'static [(&'static str, Param)],
    /// How many of them must be given.
    pub required: usize,
    /// Whether the last one may be repeated.
    pub variadic: bool,
    /// What it returns.
    pub doc: &'static str,
    /// An example.
    pub example: &'static str,
    /// What the example gives, as JSON.
    pub result: &'static str,
}

impl Function {
    /// Returns the function called `name`, in any case.
    pub fn named(name: &str) -> Option<Self> {
        let is = |known: &&str| known.eq_ignore_ascii_case(name);
        FUNCTIONS.iter().find(|e| is(&e.name) || e.aliases.iter().any(is)).map(|e| e.function)
    }

    /// Returns what is known about the function.
    pub fn entry(self) -> &'static Entry {
        // The table is in the order of the variants; a test holds it to that.
        &FUNCTIONS[self as usize]
    }

    /// Returns the function's name.
    pub fn name(self) -> &'static str {
        self.entry().name
    }
}

impl Entry {
    /// Returns the name with its parameters, such as `lpad(text, length [, fill])`.
    pub fn signature(&self) -> String {
        let mut text = format!("{}(", self.name);
        for (i, (name, _)) in self.params.iter().enumerate() {
            let comma = if i > 0 { ", " } else { "" };
            let (open, close) = if i < self.required { ("", "") } else { (" [", "]") };
            text.extend([open, comma, name, close]);
        }
        text.push_str(if self.variadic { ", …)" } else { ")" });
        text
    }

    /// Returns the same function with other spellings of its name.
    const fn or(mut self, aliases: &'static [&'static str]) -> Self {
        self.aliases = aliases;
        self
    }

    /// Returns the same function with its last parameters optional.
    const fn optional(mut self, count: usize) -> Self {
        self.required -= count;
        self
    }

    /// Returns the same function with its last parameter repeatable.
    const fn variadic(mut self) -> Self {
        self.variadic = true;
        self
    }

    /// Returns the same function with an example.
    const fn example(mut self, example: &'static str, result: &'static str) -> Self {
        self.example = example;
        self.result = result;
        self
    }
}

const fn entry(function: Function, name: &'static str, params: &'static [(&'static str, Param)], doc: &'static str) -> Entry {
    let required = params.len();
    Entry { function, name, aliases: &[], params, required, variadic: false, doc, example: "", result: "" }
}

use Param::{Any, Integer, Lambda, List, Map, Moment, Numeric, Scalar, Text, Word};

/// The functions, in the order of [`Function`].
pub const FUNCTIONS: &[Entry] = &[
    entry(Function::Coalesce, "coalesce", &[("value", Any)], "Returns the first value that is not NULL.")
        .variadic()
        .example("coalesce(null, 'a', 'b')", "\"a\""),
    entry(Function::Nullif, "nullif", &[("value", Any), ("other", Any)], "Returns NULL where the two are equal, else the value.")
        .example("nullif('n/a', 'n/a')", "null"),
    entry(Function::Lower, "lower", &[("text", Text)], "Returns the text in lower case.").example("lower('ÀB')", "\"àb\""),
    entry(Function::Upper, "upper", &[("text", Text)], "Returns the text in upper case.").example("upper('àb')", "\"ÀB\""),
    entry(
        Function::Trim,
        "trim",
        &[("text", Text), ("characters", Text)],
        "Returns the text without the characters (the space, where none are given) at its ends; also `trim(both 'x' from text)`, `leading`, `trailing`.",
    )
    .or(&["btrim"])
    .optional(1)
    .example("trim('  a ')", "\"a\""),
    entry(Function::Ltrim, "ltrim", &[("text", Text), ("characters", Text)], "As trim, at the beginning only.")
        .optional(1)
        .example("ltrim('  a ')", "\"a \""),
    entry(Function::Rtrim, "rtrim", &[("text", Text), ("characters", Text)], "As trim, at the end only.")
        .optional(1)
        .example("rtrim('axx', 'x')", "\"a\""),
    entry(Function::Length, "length", &[("text", Text)], "Returns how many characters the text has.")
        .or(&["char_length", "character_length"])
        .example("length('né')", "2"),
    entry(
        Function::Substring,
        "substring",
        &[("text", Text), ("from", Integer), ("length", Integer)],
        "Returns the characters from a position, counted from 1, to the end or as many as `length`; also `substring(text from 2 for 3)`.",
    )
    .or(&["substr"])
    .optional(1)
    .example("substring('abcdef' from 2 for 3)", "\"bcd\""),
    entry(
        Function::Position,
        "position",
        &[("part", Text), ("text", Text)],
        "Returns where the part first begins in the text, counted from 1, or 0; written `position(part in text)`.",
    )
    .example("position('c' in 'abc')", "3"),
    entry(
        Function::Replace,
        "replace",
        &[("text", Text), ("from", Text), ("to", Text)],
        "Returns the text with each occurrence of `from` replaced.",
    )
    .example("replace('a-b-c', '-', '')", "\"abc\""),
    entry(
        Function::SplitPart,
        "split_part",
        &[("text", Text), ("delimiter", Text), ("number", Integer)],
        "Returns the part with the number, counted from 1, or from the end where negative; an empty text where there is none.",
    )
    .example("split_part('Ada Lovelace', ' ', -1)", "\"Lovelace\""),
    entry(
        Function::ConcatWs,
        "concat_ws",
        &[("separator", Text), ("value", Scalar)],
        "Returns the values that are not NULL with the separator between them.",
    )
    .variadic()
    .example("concat_ws(' ', 'Ada', null, 'Lovelace')", "\"Ada Lovelace\""),
    entry(
        Function::RegexpReplace,
        "regexp_replace",
        &[("text", Text), ("pattern", Word), ("replacement", Text), ("flags", Word)],
        "Returns the text with the first match of the pattern (each with flag `g`; in any case with `i`) replaced; `\\1` is the first group, `\\&` the match.",
    )
    .optional(1)
    .example("regexp_replace('2026-11', '(\\d+)-(\\d+)', '\\2/\\1')", "\"11/2026\""),
    entry(Function::StartsWith, "starts_with", &[("text", Text), ("prefix", Text)], "Returns whether the text starts with the prefix.")
        .example("starts_with('abc', 'ab')", "true"),
    entry(
        Function::Lpad,
        "lpad",
        &[("text", Text), ("length", Integer), ("fill", Text)],
        "Returns the text with `fill` (a space) repeated before it up to the length; cut at the end where longer.",
    )
    .optional(1)
    .example("lpad('7', 3, '0')", "\"007\""),
    entry(Function::Abs, "abs", &[("number", Numeric)], "Returns the number without its sign.").example("abs(-1.5)", "1.5"),
    entry(
        Function::Round,
        "round",
        &[("number", Numeric), ("digits", Integer)],
        "Returns the number rounded to so many digits after the point (0), halves away from zero; halves of a float to the even one.",
    )
    .optional(1)
    .example("round(2.345, 2)", "2.35"),
    entry(Function::Floor, "floor", &[("number", Numeric)], "Returns the greatest whole number that is not greater.")
        .example("floor(-1.5)", "-2"),
    entry(Function::Ceil, "ceil", &[("number", Numeric)], "Returns the least whole number that is not less.")
        .or(&["ceiling"])
        .example("ceil(1.2)", "2"),
    entry(
        Function::Mod,
        "mod",
        &[("dividend", Numeric), ("divisor", Numeric)],
        "Returns the remainder, with the sign of the dividend; also written `%`.",
    )
    .example("mod(-7, 3)", "-1"),
    entry(
        Function::Power,
        "power",
        &[("base", Numeric), ("exponent", Numeric)],
        "Returns the power: exact for whole exponents, else to the precision of a float.",
    )
    .or(&["pow"])
    .example("power(2, 10)", "1024"),
    entry(
        Function::Extract,
        "extract",
        &[("field", Word), ("moment", Moment)],
        "Returns year, quarter, month, week, day, hour, minute, second, dow (0 is Sunday), isodow, doy or epoch of a moment, in UTC; written `extract(year from x)`.",
    )
    .or(&["date_part"])
    .example("extract(year from date '2026-11-21')", "2026"),
    entry(
        Function::DateTrunc,
        "date_trunc",
        &[("field", Word), ("moment", Moment)],
        "Returns the beginning of the year, quarter, month, week, day, hour, minute or second, in UTC.",
    )
    .example("date_trunc('month', datetime '2026-11-21T10:30:00Z')", "\"2026-11-01T00:00:00Z\""),
    entry(
        Function::ToTimestamp,
        "to_timestamp",
        &[("seconds", Numeric)],
        "Returns the datetime so many seconds after the beginning of 1970, in UTC.",
    )
    .example("to_timestamp(0.5)", "\"1970-01-01T00:00:00.5Z\""),
    entry(Function::Cardinality, "cardinality", &[("collection", Any)], "Returns how many items a list, or keys a map, has.")
        .example("cardinality(['a', 'b'])", "2"),
    entry(
        Function::ListTransform,
        "list_transform",
        &[("list", List), ("item -> result", Lambda(1))],
        "Returns the list of the results for each item.",
    )
    .example("list_transform([1, 2], x -> x * 10)", "[10,20]"),
    entry(
        Function::ListFilter,
        "list_filter",
        &[("list", List), ("item -> condition", Lambda(1))],
        "Returns the items for which the condition is true.",
    )
    .example("list_filter([1, 2, 3], x -> x > 1)", "[2,3]"),
    entry(
        Function::ArrayToString,
        "array_to_string",
        &[("list", List), ("separator", Text), ("null text", Text)],
        "Returns the items with the separator between them; a NULL item is left out, or written as `null text`.",
    )
    .optional(1)
    .example("array_to_string(['a', null, 'b'], ', ')", "\"a, b\""),
    entry(
        Function::StringToArray,
        "string_to_array",
        &[("text", Text), ("separator", Text)],
        "Returns the parts of the text between the separators; no parts for an empty text.",
    )
    .example("string_to_array('a,b', ',')", "[\"a\",\"b\"]"),
    entry(Function::MapKeys, "map_keys", &[("map", Map)], "Returns the keys, sorted by code point.")
        .example("map_keys(MAP {'b': 1, 'a': 2})", "[\"a\",\"b\"]"),
    entry(Function::MapValues, "map_values", &[("map", Map)], "Returns the values, in the order of their keys by code point.")
        .example("map_values(MAP {'b': 1, 'a': 2})", "[2,1]"),
    entry(Function::MapEntries, "map_entries", &[("map", Map)], "Returns an object `{key, value}` for each key, sorted by code point.")
        .example("map_entries(MAP {'a': 1})", "[{\"key\":\"a\",\"value\":1}]"),
    entry(
        Function::MapFromEntries,
        "map_from_entries",
        &[("entries", List)],
        "Returns the map of a list of objects `{key, value}`; a key that is NULL or occurs twice is an error.",
    )
    .example("map_from_entries([{'key': 'a', 'value': 1}])", "{\"a\":1}"),
    entry(
        Function::TransformValues,
        "transform_values",
        &[("map", Map), ("(key, value) -> result", Lambda(2))],
        "Returns the map with the result for each value.",
    )
    .example("transform_values(MAP {'a': 1}, (k, v) -> k || v)", "{\"a\":\"a1\"}"),
    entry(
        Function::JsonKind,
        "json_kind",
        &[("value", Any)],
        "Returns `object`, `array`, `string`, `number` or `boolean`; NULL for NULL, which JSON's null is too.",
    )
    .example("json_kind([1])", "\"array\""),
    entry(
        Function::Lookup,
        "lookup",
        &[("table", Word), ("key", Scalar)],
        "Returns the row of a table that is shipped with the manifest, or NULL; its columns are read with `.`.",
    )
    .example("lookup('country', 'de').name", "\"Germany\""),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_the_order_of_the_functions() {
        for (i, entry) in FUNCTIONS.iter().enumerate() {
            assert_eq!(entry.function as usize, i, "{}", entry.name);
            assert_eq!(Function::named(&entry.name.to_uppercase()), Some(entry.function));
        }
    }

    #[test]
    fn signatures_show_what_may_be_left_out() {
        assert_eq!(Function::Lpad.entry().signature(), "lpad(text, length [, fill])");
        assert_eq!(Function::Coalesce.entry().signature(), "coalesce(value, …)");
    }
}
