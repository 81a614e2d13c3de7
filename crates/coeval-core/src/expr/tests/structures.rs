//! Lists, maps, objects, json, lambdas and tables.

use super::{fails, gives};

#[test]
fn elements_are_read_and_missing_ones_are_null() {
    gives(&[
        ("tags[null]", "null"),
        ("tags[1]", "\"b\""),
        ("tags[0]", "null"),
        ("tags[3]", "null"),
        ("tags[-1]", "null"),
        ("tags[n]", "null"),
        ("names['en']", "\"Tree\""),
        ("names.de", "\"Baum\""),
        ("names['fr']", "null"),
        ("names[status]", "null"),
        ("[10, 20][2]", "20"),
        ("MAP {'a': 1}['a']", "1"),
        ("{'a': {'b': 2}}.a.b", "2"),
        ("{'a': 1}['a']", "1"),
        ("address.city", "\"Vilnius\""),
        ("address['city']", "\"Vilnius\""),
        ("address.zip", "null"),
        ("address.geo.lat", "null"),
        ("lines[1].sku", "\"x\""),
        ("lines[2].count", "null"),
        ("lines[9].sku", "null"),
        ("doc.b", "2.50"),
        ("doc.a[1]", "1"),
        ("doc['a'][2]", "\"x\""),
        ("doc.none.deep", "null"),
        ("shape.kind", "\"round\""),
        ("\"odd name\"", "\"odd\""),
        ("user", "\"ada\""),
        ("\"case\" || date", "\"CD\""),
        ("position.end + 1", "10"),
        ("position(date in 'aD')", "2"),
    ]);
    fails(&[
        ("tags['a']", "expected an integer in the brackets, found a string ⟨'a'⟩"),
        ("names[1]", "expected a string in the brackets, found an integer ⟨1⟩"),
        ("n.x", "an integer has no fields ⟨x⟩"),
        ("n[1]", "an integer has no items ⟨n⟩"),
        ("lines[1].skv", "unknown field `skv` ⟨skv⟩"),
        ("shape.knd", "unknown field `knd` ⟨knd⟩"),
        ("tags[1:2]", "expressions have no slices of lists ⟨[1:2]⟩"),
        ("address[id]", "expected a field's name in quotation marks in the brackets, found a string ⟨id⟩"),
    ]);
}

#[test]
fn literals_make_lists_objects_and_maps() {
    gives(&[
        ("[]", "[]"),
        ("[null, 1]", "[null,1]"),
        ("[1, 2.5]", "[1,2.5]"),
        ("ARRAY[1, 2]", "[1,2]"),
        ("[[1], []]", "[[1],[]]"),
        ("{}", "{}"),
        ("{'a': n, b: id, \"c d\": null}", "{\"a\":7,\"b\":\"a1\",\"c d\":null}"),
        ("MAP {}", "{}"),
        ("MAP {id: 1, 'b': 2}", "{\"a1\":1,\"b\":2}"),
        ("map {'a': [1]}", "{\"a\":[1]}"),
    ]);
    fails(&[
        ("[1, 'a']", "an integer and a string have no common type ⟨'a'⟩"),
        ("{'a': 1, 'a': 2}", "the field `a` occurs twice ⟨'a'⟩"),
        ("MAP {'a': 1, 'a': 2}", "the key `a` occurs twice ⟨'a'⟩"),
        ("MAP {'a1': 1, id: 2}", "the key `a1` occurs twice ⟨id⟩"),
        ("MAP {1: 2}", "expected a string as a map's key, found an integer ⟨1⟩"),
        ("MAP {cast(maybe as string): 2}", "the key of a map must not be NULL ⟨cast(maybe as string)⟩"),
        ("{'a': interval '1 day'}", "an interval is no value of its own ⟨interval '1 day'⟩"),
    ]);
}

#[test]
fn functions_of_lists_and_maps() {
    gives(&[
        ("cardinality(null)", "null"),
        ("cardinality([])", "0"),
        ("cardinality(names)", "2"),
        ("cardinality(doc.a)", "3"),
        ("list_transform(null, x -> x)", "null"),
        ("list_transform(tags, t -> upper(t) || id)", "[\"Ba1\",\"Aa1\"]"),
        ("list_transform([], x -> 1)", "[]"),
        ("list_transform([[1, 2], [3]], l -> list_transform(l, x -> x * cardinality(l)))", "[[2,4],[3]]"),
        ("list_transform([1, 2], a -> list_transform([10, 20], b -> a + b))", "[[11,21],[12,22]]"),
        ("list_transform(lines, l -> l.sku)", "[\"x\",\"y\"]"),
        ("list_transform(doc.a, x -> json_kind(x))", "[\"number\",\"string\",null]"),
        ("list_transform(tags, (t) -> t)", "[\"b\",\"a\"]"),
        ("list_filter(null, x -> true)", "null"),
        ("list_filter([1, null, 3], x -> x > 1)", "[3]"),
        ("array_to_string(null, ',')", "null"),
        ("array_to_string(tags, ', ')", "\"b, a\""),
        ("array_to_string([1, null, 2.5], '-')", "\"1-2.5\""),
        ("array_to_string([1, null], '-', '?')", "\"1-?\""),
        ("array_to_string([], ',')", "\"\""),
        ("string_to_array(null, ',')", "null"),
        ("string_to_array('', ',')", "[]"),
        ("string_to_array('a,,b', ',')", "[\"a\",\"\",\"b\"]"),
        ("string_to_array('abc', '')", "[\"abc\"]"),
        ("map_keys(null)", "null"),
        ("map_keys(names)", "[\"de\",\"en\"]"),
        ("map_values(names)", "[\"Baum\",\"Tree\"]"),
        ("map_entries(MAP {})", "[]"),
        ("map_entries(names)[1].value", "\"Baum\""),
        ("map_entries(MAP {'é': 1, 'b': 2, 'a': 3, 'B': 4})[1].key", "\"B\""),
        ("map_values(MAP {'é': 1, 'b': 2, 'a': 3, 'B': 4})", "[4,3,2,1]"),
        ("map_from_entries(null)", "null"),
        ("map_from_entries(map_entries(names)) = names", "true"),
        ("map_from_entries(list_transform(lines, l -> {'key': l.sku, 'value': l.count}))", "{\"x\":2,\"y\":null}"),
        ("transform_values(null, (k, v) -> v)", "null"),
        (
            "transform_values(names, (k, v) -> {'lang': k, 'n': length(v)})",
            "{\"en\":{\"lang\":\"en\",\"n\":4},\"de\":{\"lang\":\"de\",\"n\":4}}",
        ),
        ("list_transform(many, x -> upper(x))", "[\"P\",\"Q\"]"),
        ("case json_kind(many) when 'array' then many[1] end", "\"p\""),
        ("json_kind(null)", "null"),
        ("json_kind(n)", "\"number\""),
        ("json_kind(shape)", "\"object\""),
        ("json_kind(doc.a[3])", "null"),
        ("json_kind(cast(done as json))", "\"boolean\""),
        ("case json_kind(shape) when 'object' then shape.kind else cast(shape as string) end", "\"round\""),
    ]);
    fails(&[
        ("list_transform(tags, upper(id))", "expected a lambda ⟨upper(id)⟩"),
        ("list_transform(tags, (a, b) -> a)", "the lambda has 2 parameters, expected 1 ⟨a⟩"),
        ("transform_values(names, (k, k) -> k)", "the two parameters have the same name ⟨k⟩"),
        ("list_filter(tags, x -> x)", "expected a condition, found a string ⟨x -> x⟩"),
        ("list_transform(n, x -> x)", "expected a list, found an integer ⟨n⟩"),
        ("list_transform(doc, x -> x)", "expected a list, found a mapping ⟨list_transform(doc, x -> x)⟩"),
        ("list_transform([1, 0], x -> 1 / x)", "division by zero ⟨1 / x⟩"),
        ("x -> x", "expressions do not have functions as values ⟨x -> x⟩"),
        ("cardinality(id)", "expected a list or a map, found a string ⟨id⟩"),
        ("array_to_string([[1]], ',')", "a list of integer has no text ⟨[[1]]⟩"),
        ("map_from_entries(tags)", "expected a list of objects `{key, value}`, found a list of string ⟨tags⟩"),
        (
            "map_from_entries([{'key': 'a', 'value': 1}, {'key': 'a', 'value': 2}])",
            "the key `a` occurs twice ⟨map_from_entries([{'key': 'a', 'value': 1}, {'key': 'a', 'value': 2}])⟩",
        ),
    ]);
}

#[test]
fn tables_are_looked_up() {
    gives(&[
        ("lookup('country', null)", "null"),
        ("lookup('country', 'xx')", "null"),
        ("lookup('country', 'xx').name", "null"),
        ("lookup('country', 'lt')", "{\"name\":\"Lithuania\",\"code\":370,\"note\":\"x\"}"),
        ("lookup('country', 'lt').code + 1", "371"),
        ("lookup('country', 'de').note", "null"),
        ("coalesce(lookup('country', status).name, 'none')", "\"none\""),
    ]);
    fails(&[
        ("lookup('contry', 'de')", "unknown table `contry` ⟨'contry'⟩"),
        ("lookup('country', 'de').nmae", "unknown field `nmae` ⟨nmae⟩"),
        ("lookup(id, 'de')", "this must be spelled out, in single quotation marks ⟨id⟩"),
        ("lookup('country', tags)", "expected a string, found a list of string ⟨tags⟩"),
    ]);
}

#[test]
fn results_have_an_end() {
    let sum = vec!["s"; 80].join(" || ");
    let long = format!("list_transform([lpad('', 1000000)], s -> {sum})");
    fails(&[(&long, &format!("the result is larger than 64 MiB ⟨{sum}⟩"))]);
    let product = "list_transform(string_to_array(lpad('', 3000, 'a,'), ','), a -> string_to_array(lpad('', 9000, 'a,'), ','))";
    assert!(super::run(product).is_err_and(|e| e.starts_with("the result is larger than 64 MiB")));
}
