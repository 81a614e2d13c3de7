//! What is no expression, and SQL that is none here.

use super::{compile, fails};

#[test]
fn what_is_no_expression_is_refused_in_its_place() {
    fails(&[
        ("", "expected an expression, found the end ⟨⟩"),
        ("1 +", "expected an expression, found the end ⟨⟩"),
        ("1 2", "expected the end of the expression, found `2` ⟨2⟩"),
        ("1;", "an expression ends without `;` ⟨;⟩"),
        ("(1", "expected ), found the end ⟨⟩"),
        ("1)", "expected the end of the expression, found `)` ⟨)⟩"),
        ("lower('a'", "expected ), found the end ⟨⟩"),
        ("'abc", "unterminated string literal ⟨'⟩"),
        ("case when true then 1", "expected END, found the end ⟨⟩"),
        ("select 1", "expressions have no subqueries ⟨select⟩"),
        ("(select 1)", "expressions have no subqueries ⟨select⟩"),
        ("n in (select 1)", "expressions have no subqueries ⟨select⟩"),
        ("exists (select 1)", "expressions have no subqueries ⟨select⟩"),
        ("count(*)", "`count` is an aggregate; an expression sees one record ⟨count⟩"),
        ("sum(n) over ()", "expressions have no window functions and no aggregates ⟨sum⟩"),
        ("random()", "`random` does not give the same twice ⟨random⟩"),
        ("foo(n)", "unknown function `foo` ⟨foo⟩"),
        ("lowr(id)", "unknown function `lowr` ⟨lowr⟩"),
        ("pg_catalog.lower(id)", "a function's name has no dots ⟨pg_catalog.lower⟩"),
        ("id ilike 'a'", "expressions do not have `ilike` ⟨id ilike 'a'⟩"),
        ("id ~ 'a'", "expressions have no operator `~` ⟨id ~ 'a'⟩"),
        ("doc -> 'a'", "expressions do not have functions as values ⟨doc -> 'a'⟩"),
        ("(1, 2)", "expressions do not have tuples ⟨1, 2⟩"),
        ("$1", "expressions have no literals such as `$1` ⟨$1⟩"),
        ("E'a'", "expected the end of the expression, found `'a'` ⟨'a'⟩"),
        ("n = any(tags)", "expressions do not have `any` and `all` ⟨n = any(tags)⟩"),
        ("at at time zone 'UTC'", "expressions do not have `at time zone` ⟨at at time zone 'UTC'⟩"),
        ("nme", "unknown property `nme` ⟨nme⟩"),
        ("ID", "unknown property `ID` ⟨ID⟩"),
        ("address.ctiy", "unknown property `ctiy` ⟨ctiy⟩"),
        ("address.geo.lng", "unknown property `lng` ⟨lng⟩"),
        ("lower(x => id)", "arguments have no names here ⟨lower⟩"),
        ("*", "expected an expression, found `*` ⟨*⟩"),
        ("length(distinct id)", "a call is the function's name and its arguments, nothing more ⟨length⟩"),
    ]);
}

#[test]
fn help_says_what_to_do() {
    for (source, help) in [
        ("ID", "did you mean `id`?"),
        ("lowr(id)", "did you mean `lower`?"),
        ("n = 'a'", "wrap it in `cast(… as integer)`"),
        ("status = 'opne'", "did you mean `open`?"),
        ("lookup('contry', 'de')", "did you mean `country`?"),
        ("n::timestamp", "a moment has a zone here: write `datetime`"),
        ("2 ^ 3", "write `power(a, b)`"),
        ("lpad(id)", "it is lpad(text, length [, fill])"),
        ("extract(yaer from day)", "did you mean `year`?"),
    ] {
        assert_eq!(compile(source).err().and_then(|e| e.help).as_deref(), Some(help), "{source}");
    }
    let all = compile("random_thing(1)").err().and_then(|e| e.help).unwrap_or_default();
    assert!(all.contains("coalesce") && all.contains("lookup"), "{all}");
}

#[test]
fn the_deepest_expressions_are_evaluated() {
    for form in ["coalesce(null, #)", "case when done then # end", "1 + #", "(#)", "list_transform([1], x -> #)[1]", "{'a': #}.a"]
    {
        let depth = if form.contains('{') || form.contains('[') { 45 } else { 95 };
        let source = (0..depth).fold("n".to_owned(), |inner, _| form.replace('#', &inner));
        let result = super::run(&source);
        assert!(result.as_ref().is_ok_and(|value| value.parse::<i64>().is_ok()), "{form}: {result:?}");
    }
}

#[test]
fn spans_count_bytes_over_lines_and_wide_characters() {
    fails(&[("'日本' ||\n  nme", "unknown property `nme` ⟨nme⟩"), ("-- é\n/* 日 */ nme", "unknown property `nme` ⟨nme⟩")]);
    let error = compile("'日本' ||\n  nme").err().and_then(|e| e.span);
    assert_eq!(error, Some(14..17));
}

#[test]
fn size_and_depth_are_limited() {
    let message = |source: &str| compile(source).map(|_| ()).map_err(|e| e.message);
    let deep = Err("the expression nests deeper than 100 levels".to_owned());
    let complex = Err("the expression is too complex".to_owned());
    let nested = |n: usize| format!("{}1{}", "(".repeat(n), ")".repeat(n));
    assert_eq!(message(&nested(90)), Ok(()));
    assert_eq!(message(&nested(200)), deep);
    assert_eq!(message(&nested(1_500)), deep);
    assert_eq!(message(&nested(30_000)), complex);
    assert_eq!(message(&format!("{}done", "not ".repeat(90))), Ok(()));
    assert_eq!(message(&format!("{}done", "not ".repeat(1_900))), deep);
    assert_eq!(message(&format!("{}done", "not ".repeat(10_000))), complex);
    assert_eq!(message(&format!("{}1", "- ".repeat(1_900))), deep);
    assert_eq!(message(&format!("1{}", " + 1".repeat(90))), Ok(()));
    assert_eq!(message(&format!("1{}", " + 1".repeat(900))), deep);
    assert_eq!(message(&format!("1{}", " + 1".repeat(10_000))), complex);
    assert_eq!(message(&format!("''{}", " || ''".repeat(900))), Ok(()));
    assert_eq!(message(&format!("done{}", " and n = 1".repeat(400))), Ok(()));
    assert_eq!(message(&format!("n in (1{})", ", 1".repeat(15_000))), Ok(()));
    assert_eq!(message(&format!("{}1{}", "case when done then ".repeat(90), " end".repeat(90))), Ok(()));
    assert_eq!(message(&format!("{}1{}", "case when done then ".repeat(500), " end".repeat(500))), deep);
    assert_eq!(message(&format!("case n{} end", " when 1 then 2".repeat(3_000))), Ok(()));
    assert_eq!(message(&format!("{}n{}", "abs(".repeat(500), ")".repeat(500))), deep);
    assert_eq!(message(&format!("{}n", "lower(".repeat(900))), deep);
    assert_eq!(message(&format!("{}n", "position(".repeat(900))), deep);
    assert_eq!(message(&format!("{}n", "extract(year from ".repeat(400))), deep);
    assert_eq!(message(&format!("{}1{}", "[".repeat(500), "]".repeat(500))), deep);
    assert_eq!(message(&format!("{}1{}", "{'a':".repeat(500), "}".repeat(500))), deep);
    assert_eq!(message(&format!("{}1{}", "map {'a':".repeat(400), "}".repeat(400))), deep);
    assert_eq!(message(&format!("list_filter(tags, {}true)", "a -> ".repeat(500))), deep);
    assert_eq!(message(&format!("n{}", "::integer".repeat(900))), deep);
    assert_eq!(message(&format!("n{}", " is null".repeat(600))), deep);
    assert_eq!(
        message(&format!("cast(n as {}int{})", "array<".repeat(600), ">".repeat(600))),
        Err("x".to_owned()).or(deep.clone())
    );
    assert_eq!(message(&"1 ".repeat(40_000)), Err("the expression is longer than 64 KiB".to_owned()));
}
