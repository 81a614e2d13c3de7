//! Which item of a list continues which item of the one that was there, in SQLite: the rule of `coeval_core::lens::align` as one
//! expression, since programs that write through views have no functions of ours.
//!
//! Equal items go on along a longest common subsequence first (by rows of bits: Hyyrö, "Bit-parallel LCS-length computation revisited",
//! 2004), moved ones after; last, where two neighbours have as many items between them as before, pairs that share a value. Between the
//! common ends of both lists, more than [`WIDEST`] items go on by what is equal alone.

/// The new items between the common ends that a row of bits can hold.
const WIDEST: u32 = 62;

/// A source of one row: `p`, how many items both lists begin with; `x` and `y`, where the items end that they do not end with, of the old
/// list and of the new one; and `g`, of each new item between that continues one its place after `p` with that one's place after `p`.
///
/// The lists are read where a row around the source has them, and may be read often. Each part is read by the next one only, and once:
/// SQLite computes what reads a row around it anew for each place that reads it. `LIMIT -1 OFFSET 0` keeps it from putting a part in the
/// place of its names. Parts beneath each other take less of a parser's stack than one within the other.
pub(super) fn source(alias: &str, old: &str, new: &str) -> String {
    let lists = Lists { old, new, each: format!("{alias}i"), other: format!("{alias}j") };
    let parts = [
        lists.lengths(),
        lists.ends(),
        middle(),
        lists.equal(),
        rows(),
        collected_rows(),
        along(),
        collected(),
        lists.left(),
        moved(),
        collected_moves(),
        lists.gaps(),
        pairs(),
        lists.changed(),
    ];
    let name = |at: usize| format!("{alias}z{at}");
    let part = |(at, part): (usize, &Part)| {
        let before = at.checked_sub(1).map(|before| format!(" FROM {}", name(before))).unwrap_or_default();
        let (columns, sql) = match part {
            Part::Row(sql) => (String::new(), format!("{sql}{before}")),
            Part::Walk { columns, begin, step } => {
                (format!("({columns})"), format!("{begin}{before} UNION ALL {step} FROM {} WHERE s", name(at)))
            }
        };
        format!("{}{columns} AS ({sql} LIMIT -1 OFFSET 0)", name(at))
    };
    let chain: Vec<String> = parts.iter().enumerate().map(part).collect();
    format!(
        "(WITH RECURSIVE {} SELECT p, x, y, json_patch(g, e) AS g FROM {}) AS {alias}z",
        chain.join(", "),
        name(parts.len() - 1)
    )
}

/// The index of the item that an item continues, or NULL; `key` is its own index.
pub(super) fn index(alias: &str, key: &str) -> String {
    format!(
        "CASE WHEN {key} < {alias}z.p THEN {key} WHEN {key} >= {alias}z.y THEN {key} + {alias}z.x - {alias}z.y \
         ELSE {alias}z.p + {} END",
        member(&format!("{alias}z.g"), &format!("{key} - {alias}z.p"))
    )
}

/// What is computed of the part before.
enum Part {
    /// One row of one row.
    Row(String),
    /// Rows one after the other, as long as `s` is not 0.
    Walk { columns: &'static str, begin: String, step: String },
}

/// Both lists, and names for their items that no row has which they read.
struct Lists<'a> {
    old: &'a str,
    new: &'a str,
    each: String,
    other: String,
}

fn item(list: &str, each: &str) -> String {
    format!("({list} -> {each}.fullkey)")
}

/// A member by a number. A text of digits alone would be an index.
fn member(object: &str, number: &str) -> String {
    format!("({object} ->> ('$.' || ({number})))")
}

impl Lists<'_> {
    /// `a` and `b`: how many items there are, old and new.
    fn lengths(&self) -> Part {
        let count = |list: &str| format!("coalesce(json_array_length({list}), 0)");
        Part::Row(format!("SELECT {} AS a, {} AS b", count(self.old), count(self.new)))
    }

    /// `p` and `s`: how many items both lists begin with, and end with.
    fn ends(&self) -> Part {
        let Self { old, new, each, .. } = self;
        let own = item(old, each);
        // Of what is no list there are keys that are no numbers, none of which is less than one.
        let differs = |most: &str, there: &str| {
            format!("(SELECT {most}({each}.key) FROM json_each({old}) AS {each} WHERE {own} IS NOT {there} AND {each}.key < a)")
        };
        let last = format!("({new} -> ('$[#-' || (a - {each}.key) || ']'))");
        let (first, last) = (differs("min", &item(new, each)), differs("max", &last));
        Part::Row(format!("SELECT a, b, coalesce({first}, a) AS p, coalesce(a - 1 - {last}, a) AS s"))
    }

    /// `m`: of each old item between the ends, which new ones equal it, the last one as the lowest bit.
    fn equal(&self) -> Part {
        let Self { old, new, each, other } = self;
        Part::Row(format!(
            "SELECT p, x, y, (SELECT json_group_array((SELECT sum(1 << (y - 1 - {other}.key)) FROM json_each({new}) AS {other} \
             WHERE {other}.key >= p AND {other}.key < y AND {} = {})) FROM json_each({old}) AS {each} \
             WHERE y - p BETWEEN 1 AND {WIDEST} AND {each}.key >= p AND {each}.key < x) AS m",
            item(new, other),
            item(old, each)
        ))
    }

    /// `u` and `v`: the items that are left of the old list and of the new one, in the order of their texts: each with its place.
    fn left(&self) -> Part {
        let each = &self.each;
        let left = |list: &str, end: &str, taken: &str| {
            format!(
                "(SELECT json_group_array(json_array(v, k)) FROM (SELECT {} || '' AS v, {each}.key - p AS k FROM json_each({list}) AS {each} \
                 WHERE {each}.key >= p AND {each}.key < {end} AND {} IS NULL ORDER BY v, k LIMIT -1 OFFSET 0))",
                item(list, each),
                member(taken, &format!("{each}.key - p"))
            )
        };
        Part::Row(format!("SELECT p, x, y, w, {} AS u, {} AS v", left(self.old, "x", "h"), left(self.new, "y", "w")))
    }

    /// `u`: of each new item that is left its place, the place of the first of its gap and that of the end, and where the gap of old
    /// items begins and ends.
    fn gaps(&self) -> Part {
        let each = &self.each;
        let place = format!("{each}.key - p");
        let near = |most: &str, side: &str| format!("(SELECT {most}(key + 0) FROM json_each(g) WHERE key + 0 {side} {place})");
        let found = format!(
            "SELECT {place} AS j, {} AS f, {} AS t FROM json_each({}) AS {each} WHERE {each}.key >= p AND {each}.key < y AND {} IS NULL",
            near("max", "<"),
            near("min", ">"),
            self.new,
            member("g", &place)
        );
        Part::Row(format!(
            "SELECT p, x, y, g, (SELECT json_group_array(json_array(j, coalesce(f, -1) + 1, coalesce(t, y - p), \
             coalesce({}, -1) + 1, coalesce({}, x - p))) FROM ({found})) AS u",
            member("g", "f"),
            member("g", "t")
        ))
    }

    /// `e`: those of them that share a value.
    fn changed(&self) -> Part {
        let Self { old, new, each, other } = self;
        let (at_new, at_old) = ("(q.value ->> 2)", "(q.value ->> 3)");
        let shared = format!(
            "SELECT 1 FROM json_each({new}, {at_new}) AS {each}, json_each({old}, {at_old}) AS {other} WHERE {other}.key = {each}.key \
             AND {each}.type = {other}.type AND {each}.type NOT IN ('object', 'array') AND {each}.atom IS {other}.atom"
        );
        Part::Row(format!(
            "SELECT p, x, y, g, (SELECT json_group_object(q.value ->> 0, q.value ->> 1) FROM json_each(u) AS q \
             WHERE json_type({old}, {at_old}) = 'object' AND json_type({new}, {at_new}) = 'object' AND EXISTS ({shared})) AS e"
        ))
    }
}

/// `x` and `y`: where the items end that the lists do not end with.
fn middle() -> Part {
    Part::Row("SELECT p, a - min(s, min(a, b) - p) AS x, b - min(s, min(a, b) - p) AS y".to_owned())
}

/// `v`: rows of bits, the first for no old item, the next for the last one, and so on to all of them. As many of its lowest bits as new
/// items are left, which are not set, are the length of the longest common subsequence of both.
fn rows() -> Part {
    let full = "((1 << (y - p)) - 1)";
    let same = "(v & coalesce(m ->> (s - 1), 0))";
    Part::Walk {
        columns: "p, x, y, m, s, v",
        begin: format!("SELECT p, x, y, m, json_array_length(m), {full}"),
        step: format!("SELECT p, x, y, m, s - 1, (v + {same} | v - {same}) & {full}"),
    }
}

fn collected_rows() -> Part {
    Part::Row("SELECT p, x, y, m, json_group_array(v) AS d".to_owned())
}

/// Places `i` and `j` in two lists, from the first ones on: what `step` says of them is what comes next. 3, they are equal, and both go on;
/// 2, only `i` does; 1, only `j` does; 0, nothing is left.
fn walk(columns: &'static str, end: &str, step: &str) -> Part {
    let next = |text: &str| text.replace("$i", "i + s / 2").replace("$j", "j + s % 2");
    let kept = columns.trim_end_matches(", i, j, s");
    Part::Walk {
        columns,
        begin: format!("SELECT {kept}, 0, -1, 1"),
        step: next(&format!("SELECT {kept}, $i, $j, CASE WHEN {end} THEN 0 {step} END")),
    }
}

/// The longest common subsequence. Where two items are not equal, it goes on without the old one unless it were shorter then, which it is
/// where the row of the next one is more among the bits that are left: rows beside each other differ in turns, first by a bit of the
/// longer one that is not set.
fn along() -> Part {
    let left = "(1 << (y - p - ($j)))";
    let step = format!(
        "WHEN (m ->> ($i)) >> (y - p - 1 - ($j)) & 1 THEN 3 \
         ELSE 1 + ((d ->> (x - p - ($i))) % {left} >= (d ->> (x - p - 1 - ($i))) % {left})"
    );
    walk("p, x, y, m, d, i, j, s", "$i >= json_array_length(m) OR $j >= y - p", &step)
}

/// `w`: the new items along it with the old ones; `h`, the old ones with the new ones.
fn collected() -> Part {
    let equal = |key: &str, value: &str| format!("json_group_object({key}, {value}) FILTER (WHERE s = 3)");
    Part::Row(format!("SELECT p, x, y, {} AS w, {} AS h", equal("j", "i"), equal("i", "j")))
}

/// Those of equal text that are left: they have moved. Equal ones among themselves stay in order.
fn moved() -> Part {
    let (old, new) = ("(u -> ($i) ->> 0)", "(v -> ($j) ->> 0)");
    let step = format!("WHEN {old} = {new} THEN 3 ELSE 1 + ({old} < {new})");
    walk("p, x, y, w, u, v, i, j, s", "$i >= json_array_length(u) OR $j >= json_array_length(v)", &step)
}

/// `g`: with them those along the subsequence.
fn collected_moves() -> Part {
    Part::Row("SELECT p, x, y, json_patch(w, json_group_object(v -> j ->> 1, u -> i ->> 1) FILTER (WHERE s = 3)) AS g".to_owned())
}

/// `u`: the places of the new item and of the old one at its place in a gap, where both gaps are as long, and where they are in the lists.
fn pairs() -> Part {
    let [place, first, end, low, high] = [0, 1, 2, 3, 4].map(|part| format!("(q.value ->> {part})"));
    let old = format!("{low} + {place} - {first}");
    Part::Row(format!(
        "SELECT p, x, y, g, (SELECT json_group_array(json_array({place}, {old}, '$[' || (p + {place}) || ']', '$[' || (p + {old}) || ']')) FROM json_each(u) AS q \
         WHERE {low} < {high} AND {high} - {low} = {end} - {first} \
         AND NOT EXISTS (SELECT 1 FROM json_each(g) AS h WHERE h.value >= {low} AND h.value < {high})) AS u"
    ))
}

#[cfg(test)]
mod tests {
    use coeval_core::Value;
    use coeval_core::lens::align::align;
    use rusqlite::Connection;

    use super::{index, source};

    /// What the expression says, and the rule.
    fn both(db: &Connection, old: &Value, new: &Value) -> (String, String) {
        let (ends, at) = (source("e0", "l0.was", "l0.now"), index("e0", "e0e.key"));
        let sql = format!(
            "SELECT (SELECT json_group_array(c) FROM (SELECT {at} AS c FROM {ends} CROSS JOIN json_each(l0.now) AS e0e ORDER BY e0e.key)) \
             FROM (SELECT ?1 AS was, ?2 AS now) AS l0"
        );
        let found =
            db.prepare_cached(&sql).and_then(|mut sql| sql.query_row([old.to_string(), new.to_string()], |row| row.get(0)));
        let rule = align(old.as_list().unwrap_or_default(), new.as_list().unwrap_or_default(), None);
        let rule: Vec<String> = rule.iter().map(|at| at.map_or("null".to_owned(), |at| at.to_string())).collect();
        (found.unwrap_or_else(|e| panic!("{e}")), format!("[{}]", rule.join(",")))
    }

    fn item(random: &mut dyn FnMut(u64) -> u64, kind: u64) -> Value {
        let text = |n: u64| ["a", "b", "c", "d", "", "'", "\"", "7"][usize::try_from(n).unwrap_or(0)].to_owned();
        let json = match kind {
            0 => Value::from(text(random(2)).as_str()).to_string(),
            1 => Value::from(text(random(8)).as_str()).to_string(),
            2 => ["1", "true", "null", "[1]", "{}", "[]", "\"1\"", "0"][usize::try_from(random(8)).unwrap_or(0)].to_owned(),
            _ => format!(
                r#"{{"x":{},"y":{},"z":[{}]}}"#,
                random(3),
                ["null", "\"p\"", "true"][usize::try_from(random(3)).unwrap_or(0)],
                random(2)
            ),
        };
        coeval_core::json::parse(json.as_bytes()).unwrap_or_else(|e| panic!("{json}: {e}"))
    }

    /// Items come, go, change and move.
    fn edited(
        random: &mut impl FnMut(u64) -> u64,
        new: &mut Vec<Value>,
        times: u64,
        mut made: impl FnMut(&mut dyn FnMut(u64) -> u64) -> Value,
    ) {
        for _ in 0..times {
            let mut at = |length: usize| usize::try_from(random(length.max(1) as u64)).unwrap_or(0);
            let (kind, place, other) = (at(4), at(new.len()), at(new.len()));
            match (kind, new.is_empty()) {
                (0, _) | (_, true) => new.insert(place, made(random)),
                (1, _) => drop(new.remove(place)),
                (2, _) => new[place] = made(random),
                (_, _) => {
                    let moved = new.remove(place);
                    new.insert(other, moved);
                }
            }
        }
    }

    fn generator() -> impl FnMut(u64) -> u64 {
        let mut state = 88_172_645_463_325_252_u64;
        move |below| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state % below
        }
    }

    #[test]
    fn items_are_aligned_as_the_rule_aligns_them() {
        let db = Connection::open_in_memory().unwrap_or_else(|e| panic!("{e}"));
        let mut random = generator();
        for round in 0..3_000 {
            let (kind, many) = (random(4), round % 20 == 0);
            let length = random(if many { 50 } else { 9 });
            let old: Vec<Value> = (0..length).map(|_| item(&mut random, kind)).collect();
            let length = random(9);
            let mut new = if random(4) == 0 { (0..length).map(|_| item(&mut random, kind)).collect() } else { old.clone() };
            let times = random(if many { 13 } else { 5 });
            edited(&mut random, &mut new, times, |random| item(random, kind));
            let (old, new) = (Value::List(old), Value::List(new));
            let (found, rule) = both(&db, &old, &new);
            assert_eq!(found, rule, "{old} becomes {new}");
        }
    }

    /// Longer than a row of bits, where what is equal is so for one reason only.
    #[test]
    fn long_lists_of_different_items_are_aligned_so_too() {
        let db = Connection::open_in_memory().unwrap_or_else(|e| panic!("{e}"));
        let mut random = generator();
        let mut number = 0;
        let mut made = |random: &mut dyn FnMut(u64) -> u64| {
            number += 1;
            let json = format!(r#"{{"number":{number},"kind":{}}}"#, random(3));
            coeval_core::json::parse(json.as_bytes()).unwrap_or_else(|e| panic!("{json}: {e}"))
        };
        for _ in 0..20 {
            let old: Vec<Value> = (0..200).map(|_| made(&mut random)).collect();
            let mut new = old.clone();
            edited(&mut random, &mut new, 30, &mut made);
            let (old, new) = (Value::List(old), Value::List(new));
            let (found, rule) = both(&db, &old, &new);
            assert_eq!(found, rule, "{old} becomes {new}");
        }
    }

    fn object(json: &str) -> Value {
        coeval_core::json::parse(json.as_bytes()).unwrap_or_else(|e| panic!("{json}: {e}"))
    }

    #[test]
    fn what_was_no_list_has_no_items_that_go_on() {
        let db = Connection::open_in_memory().unwrap_or_else(|e| panic!("{e}"));
        for old in [Value::Null, Value::from(1_i64), Value::from("a"), object("{}"), object(r#"{"a":1,"b":2}"#)] {
            assert_eq!(both(&db, &old, &Value::List(vec![Value::from("a")])).0, "[null]");
        }
    }
}
