//! Random choices, the same in each run, and random expressions.

use coeval_core::expr::FUNCTIONS;

/// Marsaglia's xorshift.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % limit as u64).unwrap_or(0)
    }

    pub(crate) fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
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
    "100",
    "'a'",
    "''",
    "'né, b'",
    "'12'",
    "s",
    "t",
    "n",
    "m",
    "price",
    "cost",
    "size",
    "f",
    "done",
    "ok",
    "day",
    "due",
    "at",
    "until",
    "clock",
    "uid",
    "raw",
    "doc",
    "status",
    "owner",
    "tags",
    "nums",
    "prices",
    "names",
    "address",
    "address.city",
    "address.zip",
    "lines",
    "shape",
    "shape.kind",
    "x",
    "y",
    "[]",
    "date '2024-02-29'",
    "interval '1 month 2 days'",
    "'open'",
    "s",
    "n",
    "price",
    "m",
    "t",
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
    "# >= #",
    "# <> #",
    "# and #",
    "# or #",
    "# || #",
    "# is null",
    "# is distinct from #",
    "# in (#, #)",
    "# between # and #",
    "# like 'a%'",
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
    "extract(week from #)",
    "substring(# from # for #)",
    "position(# in #)",
    "trim(both # from #)",
    "list_transform(#, x -> #)",
    "list_filter(#, x -> #)",
    "transform_values(#, (x, y) -> #)",
    "lookup('country', #).code",
    "date_trunc('month', #)",
    "coalesce(#, #)",
    "nullif(#, #)",
];

/// A random expression; mostly well formed, often not well typed.
pub(crate) fn expression(random: &mut Random, depth: usize) -> String {
    if depth == 0 || random.below(5) == 0 {
        return (*random.pick(LEAVES)).to_owned();
    }
    let form = if random.below(3) > 0 {
        (*random.pick(FORMS)).to_owned()
    } else {
        let entry = random.pick(FUNCTIONS);
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
