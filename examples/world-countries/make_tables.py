#!/usr/bin/env python3
"""Regenerates tables/*.json, the lookup tables of the world-countries example.

Needs: the nine releases in DATA (data/*.jsonl.zst or .jsonl), and Debian's `iso-codes` (apt-get install iso-codes;
written with 4.15.0). Values come from the releases first; ISO 639-2/-3 and ISO 4217 (from iso-codes) fill the gaps; what
neither has is in the three short lists below, each entry with its reason.

usage: make_tables.py [DATA [ISO_CODES_JSON_DIR]]
"""
import collections, glob, json, os, subprocess, sys

HERE = os.path.dirname(os.path.abspath(__file__))
DATA = sys.argv[1] if len(sys.argv) > 1 else os.path.join(HERE, "data")
ISO = sys.argv[2] if len(sys.argv) > 2 else "/usr/share/iso-codes/json"
RELEASES = "1.4.0 1.6.0 1.7.0 1.8.0 2.0.0 3.0.0 4.0.0 5.0.0 5.1.0".split()


def release(name):
    plain = os.path.join(DATA, name + ".jsonl")
    text = open(plain, "rb").read() if os.path.exists(plain) else \
        subprocess.run(["zstd", "-dcq", plain + ".zst"], check=True, stdout=subprocess.PIPE).stdout
    return [json.loads(line) for line in text.splitlines()]


DOCS = {r: release(r) for r in RELEASES}
iso = lambda part: json.load(open(os.path.join(ISO, f"iso_{part}.json"), encoding="utf-8"))[part]

# Names of languages in 1.4.0 that no later release uses, with the code that 1.6.0 gives the same country.
# Koisan, Nambya and Syriac: 1.6.0 writes khi (a collective code of ISO 639-5), drops it, and writes arc.
NAME_ALIASES = {
    "Bangla": "ben", "Castilian": "spa", "Chichewa": "nya", "Jamaican English": "eng", "Koisan": "khi",
    "Malaysian": "msa", "Moldovan": "ron", "Nambya": "nmq", "Nauruan": "nau", "Ndebele": "nde",
    "Papiamentu": "pap", "Sesotho": "sot", "Setswana": "tsn", "Shangani": "tso", "Standard Chinese": "cmn",
    "Syriac": "arc", "Traditional Chinese": "zho", "Zimbabwean sign language": "zib",
}
# The name that 1.6.0 gives a country is not the most common one for its code.
NAME_OF_ALIAS = {"Moldovan": "Moldavian"}

# Codes in the data that the current ISO 4217 (iso-codes) no longer has: list three of the standard (withdrawn codes).
WITHDRAWN = {
    "BYR": "Belarusian ruble", "LTL": "Lithuanian litas", "MRO": "Mauritanian ouguiya", "STD": "São Tomé and Príncipe dobra",
    "USS": "United States dollar (same day)", "VEF": "Venezuelan bolívar", "ZMK": "Zambian kwacha",
    "SDB": "Solomon Islands dollar",  # never a code: upstream's slip for SBD, in 1.4.0 to 1.7.0
}


def languages():
    """code -> {alpha2, alpha3, name}; keyed by the ISO 639-1, 639-2/B and 639-3 code alike, so that any of them finds its row."""
    used = collections.defaultdict(collections.Counter)      # code -> names, the release that uses it first decides
    for r in RELEASES[1:]:
        seen = collections.defaultdict(collections.Counter)
        for d in DOCS[r]:
            for code, name in d["languages"].items():
                if name:
                    seen[code][name] += 1
        for code, names in seen.items():
            if code not in used:
                used[code] = names
    iso3 = {x["alpha_3"]: x for x in iso("639-3")}
    bibl = {x["bibliographic"]: x["alpha_3"] for x in iso("639-2") if "bibliographic" in x}
    rows = {}
    wanted = set(used) | {c for c, x in iso3.items() if "alpha_2" in x} | set(NAME_ALIASES.values())
    for code in wanted:
        std = iso3.get(code) or iso3.get(bibl.get(code, ""), {})
        name = used[code].most_common(1)[0][0] if used.get(code) else std["name"]
        rows[code] = {"alpha2": std.get("alpha_2", ""), "alpha3": code, "name": name}
    for code in list(rows):
        if rows[code]["alpha2"] and code not in bibl:
            rows[rows[code]["alpha2"]] = rows[code]
    return rows, used


def language_names(langs):
    """name -> {code, name}: the code of a language by any name that a release uses; `name` is how 1.6.0 writes it."""
    votes = collections.defaultdict(collections.Counter)
    for r in RELEASES[1:]:
        here = collections.defaultdict(collections.Counter)
        for d in DOCS[r]:
            for code, name in d["languages"].items():
                if name:
                    here[name][code] += 1
        for name, codes in here.items():
            if name not in votes:                             # the first release that has the name decides
                votes[name] = codes
    rows = {n: {"code": c.most_common(1)[0][0], "name": n} for n, c in votes.items()}
    for name, code in NAME_ALIASES.items():
        rows[name] = {"code": code, "name": NAME_OF_ALIAS.get(name, langs[code]["name"])}
    for code, row in langs.items():                           # the names of ISO 639-1, for records that are not in the data
        if len(code) == 2:
            rows.setdefault(row["name"], {"code": row["alpha3"], "name": row["name"]})
    return rows


def currencies():
    """code -> {name, symbol}: as the first release that has it writes it in the country that the code is named after, else most
    often; ISO 4217 for the rest, where the code is the symbol."""
    rows = {}
    for r in RELEASES[5:]:
        seen = collections.defaultdict(collections.Counter)
        for d in DOCS[r]:
            for code, c in (d["currencies"] or {}).items():
                seen[code][c["name"], c["symbol"]] += 1000 if code[:2] == d["cca2"] else 1
        for code, c in seen.items():
            name, symbol = c.most_common(1)[0][0]
            rows.setdefault(code, {"name": name, "symbol": symbol})
    codes = {c for r in RELEASES[:5] for d in DOCS[r] for c in d["currency"] if c}
    std = {x["alpha_3"]: x["name"] for x in iso("4217")}
    for code in sorted(codes - set(rows)):
        rows[code] = {"name": std.get(code) or WITHDRAWN[code], "symbol": code}
        print(f"  currency {code}: {rows[code]['name']} ({'ISO 4217' if code in std else 'withdrawn'})")
    for code, name in std.items():
        if not code.startswith("X"):
            rows.setdefault(code, {"name": name, "symbol": code})
    return rows


def countries():
    """cca3 -> facts that a release added about every country and that follow from nothing older; as the first release that has them."""
    columns = {"landlocked": "1.7.0", "cioc": "1.8.0", "independent": "2.0.0", "unMember": "5.0.0", "unRegionalGroup": "5.1.0"}
    rows = collections.defaultdict(dict)
    for column, first in columns.items():
        for r in RELEASES[RELEASES.index(first):]:
            for d in DOCS[r]:
                v = d[column]
                rows[d["cca3"]].setdefault(column, "" if v is None else str(v).lower() if isinstance(v, bool) else v)
    rows["KOS"] = {c: rows["KOS"].get(c, rows["UNK"][c]) for c in columns}    # Kosovo: KOS until 1.7.0, then UNK
    return rows


def write(name, rows):
    path = os.path.join(HERE, "tables", name + ".json")
    with open(path, "w", encoding="utf-8", newline="\n") as f:
        f.write("{\n" + ",\n".join(
            json.dumps(k, ensure_ascii=False) + ": " + json.dumps(rows[k], ensure_ascii=False, sort_keys=True)
            for k in sorted(rows)) + "\n}\n")
    print(f"{path}: {len(rows)} rows, {os.path.getsize(path)} bytes")


os.makedirs(os.path.join(HERE, "tables"), exist_ok=True)
langs, _ = languages()
write("languages", langs)
write("language_names", language_names(langs))
write("currencies", currencies())
write("countries", countries())
