"""Random chains of operations, random records, random edits."""
import json, random
from kernel import *

NAMES = ['a', 'ab', 'b', 'c', 'd', 'e', 'f', 'g', 'h']
ENUMV = ['todo', 'doing', 'done', 'open', 'zz']

def rval(R, t, p_absent=.25, p_null=.25):
    if not t.req and R.random() < p_absent: return ABSENT
    if t.null and R.random() < p_null: return None
    k = t.kind
    if k == 'int': return R.choice([0, 1, 5, 19, 199, 1999, 19991, -7])
    if k == 'str': return R.choice(['', 'x', '5', '0', 'abc', 'Ada Lovelace', 'Mary Jane Watson', ' Cher', 'Cher', 'é ü', '05'])
    if k == 'enum': return R.choice(list(t.vals))
    if k == 'list': return [rval(R, t.elem.but(req=True)) for _ in range(R.choice([0, 1, 1, 2, 3]))]
    if k == 'map': return {x: R.choice([0, 1, 2]) for x in ['p', 'q', 'r', 's'] if R.random() < .5}
    if k == 'obj': return {}
def const(R, t):
    return rval(R, t.but(req=True, null=False))

def rtyp(R, kinds=('int', 'str', 'enum', 'list', 'map')):
    k = R.choice(list(kinds)); req = R.random() < .4; null = R.random() < .3
    if k == 'enum':
        n = R.choice([2, 3]); return Typ(k, req, null, tuple(R.sample(ENUMV, n)))
    if k == 'list': return Typ(k, req, null, elem=Typ('int', True))
    return Typ(k, req, null)

def free(R, head, parent=None):
    c = [n for n in NAMES if (parent, n) not in head]
    return R.choice(c) if c else None

def leaves(head): return [(p, n) for p, n in head.items() if n.typ.kind != 'obj']
def conts(head): return [(p, n) for p, n in head.items() if n.typ.kind == 'obj']
def kids(c, p): return [n for n in c.alive(c.t) if n.at(c.t)[1] == p.id]

def end(n, t, rec): n.te = t; n.down = rec

# ---- computations, each a description that a kernel in another language reads too: [name, parameters...] ----
def strict_int(s):
    if not (s.isascii() and s.lstrip('-').isdigit()): raise ValueError
    return int(s)

def rename_keys(v, keys, strict):
    if strict and any(k in keys.values() and k not in keys for k in v): raise ValueError      # C14
    return {keys.get(k, k): x for k, x in sorted(v.items())}

SINGLE = {                                                   # one value that is there to one value
    'identity': lambda v: v,
    'times': lambda v, n: v * n,
    'floor_div': lambda v, n: v // n,
    'to_str': lambda v: str(v),
    'to_int': lambda v: strict_int(v),
    'suffix': lambda v, s: str(v) + s,
    'length': lambda v, n: len(str(v)) + n,
    'table': lambda v, table: table[v],
    'wrap': lambda v: [v],
    'first': lambda v: v[0] if v else None,                  # [] has no first: lands as null / absent / fill
    'keys': rename_keys,
}

def single(desc, v):
    """Lifted: failures are BAD, absence and null pass."""
    if v is BAD or v is ABSENT or v is None: return v
    try: return SINGLE[desc[0]](v, *desc[1:])
    except Exception: return BAD

def split(v):
    if v is ABSENT or v is None or v is BAD: return [v, v]
    f, _, l = v.partition(' '); return [f, l]
def merge(ins):
    if any(v is BAD for v in ins): return [BAD]
    if all(v is ABSENT for v in ins): return [ABSENT]
    xs = [v for v in ins if v not in (None, ABSENT)]
    return [' '.join(xs) if xs else None]
def shift(ins, sign):
    if BAD in ins: return [BAD, BAD]
    z = lambda v: 0 if v in (None, ABSENT) else v
    return [ins[0] if ins[0] in (None, ABSENT) else z(ins[0]) + sign * z(ins[1]), ins[1]]
def encode(ins):
    if BAD in ins: return [BAD, BAD]
    s = '|'.join(cj(x)[:6] for x in ins); return [s, len(s) // 3 if len(s) % 2 else ABSENT]
def decode(ins, typs, consts):
    if BAD in ins: return [BAD] * len(typs)
    out = []
    for part, t, d in zip(((ins[0] if type(ins[0]) is str else '').split('|') + [''] * len(typs)), typs, consts):
        try: x = json.loads(part)
        except Exception: x = ABSENT
        x = land(x, t, d); out.append(d if x is BAD else x)
    return out

# ---- 1:1 groups -----------------------------------------------------------
def lift(desc, typ, fill, onfail=NOFILL):
    """Presence-lifted scalar function landing in typ; onfail: value used when f fails, else BAD."""
    def g(ins):
        r = land(single(desc, ins[0]), typ, fill)
        if r is BAD and onfail is not NOFILL: r = onfail
        return [r]
    return g

def prop(t, inner=None):
    """The type as a property's schema."""
    d = {'type': {'int': 'integer', 'str': 'string', 'enum': 'enum', 'list': 'array', 'map': 'map', 'obj': 'object'}[t.kind]}
    if t.kind == 'enum': d['values'] = list(t.vals)
    if t.kind == 'list': d['items'] = {'type': 'integer'}
    if t.kind == 'map': d['values'] = {'type': 'integer'}
    if t.kind == 'obj' and inner: d['properties'] = inner
    if t.req: d['required'] = True
    if t.null: d['nullable'] = True
    return d
def opt(v): return [] if v is ABSENT or v is NOFILL else [v]
def side(inputs, desc, fills, on_fail=None, typ=None):
    return {'inputs': inputs, **({} if typ is None else {'type': prop(typ)}), 'function': desc, 'fills': [opt(f) for f in fills], 'on_fail': [opt(f) for f in on_fail or [NOFILL] * len(fills)]}
def const_side(v): return side([], ['constant', opt(v)], [NOFILL])

def group11(c, R, n, typ2, up, down, name, fu=NOFILL, fd=NOFILL, ofu=NOFILL, ofd=NOFILL):
    nm, par = n.at(c.t - 1); p = c.path(n)
    m = c.new(typ2, nm, par)
    m.up = Recipe((m.id,), (n.id,), lift(up, typ2, fu, ofu), False, name)
    end(n, c.t, Recipe((n.id,), (m.id,), lift(down, n.typ, fd, ofd), False, name + '^-1'))
    c.log.append(f't{c.t} {name} {nm}: {n.typ} -> {typ2}  [{n.id}->{m.id}]')
    if name == 'facet': c.emit({'edit': 'facet', 'path': p, 'property': prop(typ2), 'up': opt(fu), 'down': opt(fd)}, [m])
    else: c.emit({'edit': 'group', 'old': [p], 'new': [[p, prop(typ2)]], 'up': side([p], up, [fu], [ofu], n.typ), 'down': side([p], down, [fd], [ofd], typ2)}, [m])
    return m

def group(c, old, new, up, down, fu, fd):
    """Emits a group of several properties. Its paths are the same before and after but for the properties themselves."""
    po, pn = [c.path(n) for n in old], [c.path(n) for n in new]
    c.emit({'edit': 'group', 'old': po, 'new': [[p, prop(n.typ)] for p, n in zip(pn, new)], 'up': side(po, up, fu), 'down': side(pn, down, fd)}, new)

def op(c, R, which):
    """Applies one random operation at time c.t+1; returns False when not applicable."""
    head = c.head(); lv = leaves(head); cs = conts(head)
    if not head and which != 'add': return False
    def tick(): c.t += 1
    if which == 'add':
        par = None
        if cs and R.random() < .4: par = R.choice(cs)[1]
        nm = free(R, head, par.id if par else None)
        if nm is None: return False
        if par is None and R.random() < .2 : typ = Typ('obj', R.random() < .4, R.random() < .3)
        else: typ = rtyp(R)
        kind = R.choice(['const', 'none', 'derived'])
        if typ.req and kind == 'none': kind = 'const'
        deps, fn, value = (), None, None
        if kind == 'derived':
            src = [n for p, n in lv if n.typ.kind in ('str', 'int') and p[0] is None]
            if not src or typ.kind not in ('str', 'int'): kind = 'const'
            else:
                s = R.choice(src); deps = (s.id,); fill = const(R, typ)
                desc = ['suffix', '!'] if typ.kind == 'str' else ['length', 0]
                fn = lift(desc, typ, fill, fill); value = side([c.path(s)], desc, [fill], [fill], s.typ)
        if kind == 'const':
            x = {} if typ.kind == 'obj' else rval(R, typ.but(req=True)); fn = lambda ins, x=x: [x]; value = const_side(x)
        if kind == 'none': fn = lambda ins: [ABSENT]; value = const_side(ABSENT)
        tick(); n = c.new(typ, nm, par.id if par else None)
        n.up = Recipe((n.id,), deps, fn, True, 'add')
        if typ.kind == 'obj': c.lins[n.lin]['up'] = ('sticky', fn([])[0])
        c.emit({'edit': 'add', 'path': c.path(n), 'property': prop(typ), 'value': value}, [n])
        c.log.append(f't{c.t} add({kind}{deps}) {par.id if par else ""}.{nm}: {typ} [{n.id}]'); return True
    if which == 'remove':
        if len(lv) < 2: return False
        p, n = R.choice(list(head.items()))
        ns = ([n] + kids(c, n)) if n.typ.kind == 'obj' else [n]
        # derived from another top-level leaf, or a constant, or absent
        tick(); sides = []
        for x in ns:
            deps = (); src = [m for q, m in lv if m.typ.kind in ('str', 'int') and q[0] is None and m not in ns]
            if x.typ.kind == 'obj': v = {} if x.typ.req else ABSENT; fn = lambda ins, v=v: [v]; c.lins[x.lin]['down'] = ('sticky', v); value = const_side(v)
            elif n.typ.kind == 'obj' and not n.typ.req: fn = lambda ins: [ABSENT]; value = const_side(ABSENT)    # under a container whose value is absence
            elif x.typ.kind in ('str', 'int') and src and R.random() < .4:
                s = R.choice(src); deps = (s.id,); fill = const(R, x.typ)
                desc = ['suffix', '?'] if x.typ.kind == 'str' else ['length', 100]
                fn = lift(desc, x.typ, fill, fill); value = side([c.path(s)], desc, [fill], [fill], s.typ)
            else:
                v = const(R, x.typ) if x.typ.req else R.choice([ABSENT, const(R, x.typ)]); fn = lambda ins, v=v: [v]; value = const_side(v)
            sides.append((x, value)); end(x, c.t, Recipe((x.id,), deps, fn, True, 'remove'))
            c.log.append(f't{c.t} remove{deps} {x.at(c.t-1)} [{x.id}]')
        if any(v['inputs'] for x, v in sides[1:]) or R.random() < .3: sides.append(sides.pop(0))      # one by one, the object last
        elif n.typ.kind == 'obj':                                               # the object with all that is in it, one value
            whole = {x.at(c.t)[0]: v['function'][1][0] for x, v in sides[1:] if v['function'][1]}
            sides = [(n, const_side(whole if n.typ.req else ABSENT))]
        for x, v in sides: c.emit({'edit': 'remove', 'path': c.path(x), 'value': v})
        return True
    if which == 'rename':
        p, n = R.choice(list(head.items())); nm = free(R, head, p[0])
        if nm is None: return False
        old = c.path(n); tick(); n.place.append((c.t, nm, p[0])); c.emit({'edit': 'move', 'from': old, 'to': c.path(n)}); c.log.append(f't{c.t} rename {p}->{nm} [{n.id}]'); return True
    if which == 'swap':
        tops = [x for x in head.items() if x[0][0] is None]
        if len(tops) < 2: return False
        (p, n), (q, m) = R.sample(tops, 2); tick()
        n.place.append((c.t, q[1], None)); m.place.append((c.t, p[1], None))
        for a, b in ((p[1], 'aside'), (q[1], p[1]), ('aside', q[1])): c.emit({'edit': 'move', 'from': a, 'to': b})
        c.log.append(f't{c.t} swap {p}<->{q} [{n.id},{m.id}]'); return True
    if which == 'nest_new':
        tops = [n for p, n in lv if p[0] is None]
        if len(tops) < 2: return False
        ks = R.sample(tops, R.choice([1, 2])); nm = free(R, head)
        if nm is None: return False
        req = any(k.typ.req for k in ks) or R.random() < .3
        tick(); typ = Typ('obj', req, False if req else R.random() < .4); C = c.new(typ, nm)
        c.lins[C.lin]['up'] = ('kids',)
        names = [k.at(c.t)[0] for k in ks]
        for k in ks: k.place.append((c.t, k.at(c.t)[0], C.id))
        if req and R.random() < .5:
            for i, x in enumerate(names): c.emit({'edit': 'move', 'from': x, 'to': f'{nm}.{x}'}, [C] if i == 0 else [])
        else: c.emit({'edit': 'enclose', 'path': nm, 'property': prop(typ), 'children': [[x, x] for x in names]}, [C])
        c.log.append(f't{c.t} nest_new {[k.id for k in ks]} -> {nm}: {typ} [{C.id}]'); return True
    if which in ('nest_into', 'hoist'):
        if not cs: return False
        C0 = R.choice(cs)[1]; ck = kids(c, C0); fixed = C0.typ.req and not C0.typ.null
        if which == 'nest_into':
            tops = [n for p, n in lv if p[0] is None]
            if not tops: return False
            k = R.choice(tops); nm = free(R, head, C0.id)
            if nm is None: return False
            # constructible only if the container can be made for the sake of k, and can go without taking a required k
            if not fixed and (any(x.typ.req for x in ck) or k.typ.req): return False
        else:
            if not ck: return False
            k = R.choice(ck); nm = free(R, head)
            if nm is None: return False
            if not fixed and any(x.typ.req for x in ck): return False
        old = c.path(k); tick()
        if fixed:
            k.place.append((c.t, nm, C0.id if which == 'nest_into' else None))
            c.emit({'edit': 'move', 'from': old, 'to': c.path(k)})
            c.log.append(f't{c.t} {which} {k.id} {C0.id} as {nm} (fixed)'); return True
        cn = C0.at(c.t)[0]; C1 = c.new(C0.typ, cn, lin=C0.lin); C0.te = c.t
        for x in ck:
            if x is not k: x.place.append((c.t, x.at(c.t)[0], C1.id))
        k.place.append((c.t, nm, C1.id if which == 'nest_into' else None))
        c.emit({'edit': 'move', 'from': old, 'to': c.path(k)}, [C1])
        c.log.append(f't{c.t} {which} {k.id} container {C0.id}->{C1.id} as {nm}'); return True
    if which == 'flatten':
        if not cs: return False
        C = R.choice(cs)[1]; ck = kids(c, C)
        fixed = C.typ.req and not C.typ.null
        if not ck or (not fixed and any(x.typ.req for x in ck)): return False
        used = {p[1] for p in head if p[0] is None}; names = {}
        for k in ck:
            f = [x for x in NAMES if x not in used]
            if not f: return False
            names[k.id] = f[0]; used.add(f[0])
        cp = c.path(C); inner = {k.id: k.at(c.t)[0] for k in ck}; tick(); req = C.typ.req
        C.te = c.t; emptied = fixed and R.random() < .5
        # Dissolved at once, or emptied by moves and then removed with a value of its own.
        c.lins[C.lin]['down'] = ('sticky', {}) if emptied else ('kids',)
        for k in ck: k.place.append((c.t, names[k.id], None))
        if emptied:
            for k in ck: c.emit({'edit': 'move', 'from': f'{cp}.{inner[k.id]}', 'to': names[k.id]})
            c.emit({'edit': 'remove', 'path': cp, 'value': const_side({})})
        else: c.emit({'edit': 'dissolve', 'path': cp, 'children': [[inner[k.id], names[k.id]] for k in ck]})
        c.log.append(f't{c.t} flatten {C.id} {names}'); return True
    if which == 'facet_obj':     # an object begins or ceases to be required or nullable: a new node of its lineage
        if not cs: return False
        C0 = R.choice(cs)[1]; ck = kids(c, C0); t = C0.typ
        if any(x.typ.req for x in ck): return False
        t2 = R.choice([t.but(req=not t.req), t.but(null=not t.null), t.but(req=not t.req, null=not t.null)])
        tick(); cn = C0.at(c.t)[0]; C1 = c.new(t2, cn, lin=C0.lin); C0.te = c.t
        for x in ck: x.place.append((c.t, x.at(c.t)[0], C1.id))
        c.emit({'edit': 'facet', 'path': cn, 'property': prop(t2), 'up': opt({}), 'down': opt({})}, [C1])
        c.log.append(f't{c.t} facet_obj {C0.id}->{C1.id} {t} -> {t2}'); return True
    if not lv: return False
    if which == 'retype':
        cand = [n for p, n in lv if n.typ.kind in ('int', 'str')]
        if not cand: return False
        n = R.choice(cand); t = n.typ; tick()
        pol = R.choice(['fallback', 'fallback', 'quarantine'])
        if t.kind == 'int':
            w = R.choice(['cents', 'dollars', 'tostr'])
            if w == 'cents': group11(c, R, n, t, ['floor_div', 10], ['times', 10], 'cents')
            elif w == 'dollars': group11(c, R, n, t, ['times', 10], ['floor_div', 10], 'dollars')
            else:
                t2 = t.but(kind='str')
                group11(c, R, n, t2, ['to_str'], ['to_int'], 'tostr', ofd=R.choice([0, -1]) if pol == 'fallback' else NOFILL)
        else:
            t2 = t.but(kind='int')
            group11(c, R, n, t2, ['to_int'], ['to_str'], 'toint:' + pol, ofu=R.choice([0, -1]) if pol == 'fallback' else NOFILL)
        return True
    if which == 'map_enum':
        cand = [n for p, n in lv if n.typ.kind == 'enum']
        if not cand: return False
        n = R.choice(cand); vals = tuple(R.sample(ENUMV, R.choice([1, 2, 3]))); tick()
        u = {x: R.choice(vals) for x in n.typ.vals}; d = {x: R.choice(n.typ.vals) for x in vals}
        group11(c, R, n, n.typ.but(vals=vals), ['table', u], ['table', d], f'enum{u}{d}'); return True
    if which in ('wrap', 'unwrap'):
        cand = [n for p, n in lv if n.typ.kind == ('int' if which == 'wrap' else 'list')]
        if not cand: return False
        n = R.choice(cand); t = n.typ; tick()
        if which == 'wrap':
            group11(c, R, n, Typ('list', t.req, t.null, elem=Typ('int', True)), ['wrap'], ['first'], 'wrap', fu=[], fd=0, ofd=NOFILL)
        else:
            group11(c, R, n, Typ('int', t.req, t.null), ['first'], ['wrap'], 'unwrap', fu=0, fd=[])
        return True
    if which == 'map_keys':
        cand = [n for p, n in lv if n.typ.kind == 'map']
        if not cand: return False
        n = R.choice(cand); tick()
        ks = R.choice([{'p': 'q', 'q': 'p'}, {'p': 't'}, {'p': 'q'}])
        inv = {b: a for a, b in ks.items()}
        strict = R.random() < .5
        group11(c, R, n, n.typ, ['keys', ks, strict], ['keys', inv, strict], f'keys{ks}{strict}'); return True
    if which == 'transform':
        strs = [n for p, n in lv if n.typ.kind == 'str' and p[0] is None]
        ints = [n for p, n in lv if n.typ.kind == 'int' and p[0] is None]
        w = R.choice(['split', 'merge', 'sum'])
        if w == 'split' and strs:
            n = R.choice(strs); nm2 = free(R, head)
            if nm2 is None: return False
            nm = n.at(c.t)[0]; tick(); t = n.typ
            b1, b2 = c.new(t, nm), c.new(t, nm2)
            b1.up = b2.up = Recipe((b1.id, b2.id), (n.id,), lambda ins: [land(x, t, '') for x in split(ins[0])], False, 'split')
            end(n, c.t, Recipe((n.id,), (b1.id, b2.id), lambda ins: [land(x, t, '') for x in merge(ins)], False, 'split^-1'))
            group(c, [n], [b1, b2], ['split'], ['merge'], ['', ''], [''])
            c.log.append(f't{c.t} split [{n.id}] {nm} -> [{b1.id} {nm},{b2.id} {nm2}] {t}'); return True
        if w == 'merge' and len(strs) > 1:
            n1, n2 = R.sample(strs, 2); nm = n1.at(c.t)[0]; tick()
            t = n1.typ.but(req=n1.typ.req or n2.typ.req)
            b = c.new(t, nm); b.up = Recipe((b.id,), (n1.id, n2.id), lambda ins: [land(x, t, '') for x in merge(ins)], False, 'merge')
            rec = Recipe((n1.id, n2.id), (b.id,), lambda ins: [land(x, y.typ, '') for x, y in zip(split(ins[0]), (n1, n2))], False, 'merge^-1')
            end(n1, c.t, rec); end(n2, c.t, rec)
            group(c, [n1, n2], [b], ['merge'], ['split'], [''], ['', ''])
            c.log.append(f't{c.t} merge [{n1.id},{n2.id}] -> [{b.id}] {nm} {t}'); return True
        if w == 'sum' and len(ints) > 1:
            n1, n2 = R.sample(ints, 2); x1, x2 = n1.at(c.t)[0], n2.at(c.t)[0]; tick()
            b1, b2 = c.new(n1.typ, x1), c.new(n2.typ, x2)
            def fu(ins): return [land(x, n.typ, 0) for x, n in zip(shift(ins, 1), (n1, n2))]
            def fd(ins): return [land(x, n.typ, 0) for x, n in zip(shift(ins, -1), (n1, n2))]
            r = Recipe((b1.id, b2.id), (n1.id, n2.id), fu, False, 'sum'); b1.up = b2.up = r
            r = Recipe((n1.id, n2.id), (b1.id, b2.id), fd, False, 'sum^-1'); end(n1, c.t, r); end(n2, c.t, r)
            group(c, [n1, n2], [b1, b2], ['shift', 1], ['shift', -1], [0, 0], [0, 0])
            c.log.append(f't{c.t} sum [{n1.id},{n2.id}] -> [{b1.id},{b2.id}]'); return True
        return False
    if which == 'rewrite':       # opaque code over some properties of any kind, two new ones come out
        tops = [n for p, n in lv if p[0] is None]
        if not tops: return False
        ks = R.sample(tops, min(len(tops), R.choice([1, 2, 3]))); nm = free(R, head); 
        if nm is None: return False
        nm0 = ks[0].at(c.t)[0]; tick(); T1, T2 = Typ('str', True), Typ('int', False)
        b1, b2 = c.new(T1, nm0), c.new(T2, nm)
        consts = [const(R, k.typ) for k in ks]; typs = [k.typ for k in ks]
        fu = encode
        def fd(ins): return decode(ins, typs, consts)
        b1.up = b2.up = Recipe((b1.id, b2.id), tuple(k.id for k in ks), fu, False, 'rewrite')
        r = Recipe(tuple(k.id for k in ks), (b1.id, b2.id), fd, False, 'rewrite^-1')
        for k in ks: end(k, c.t, r)
        group(c, ks, [b1, b2], ['encode'], ['decode', [[prop(t), d] for t, d in zip(typs, consts)]], [NOFILL, NOFILL], [NOFILL] * len(ks))
        c.log.append(f't{c.t} rewrite {[k.id for k in ks]} -> {nm0}[{b1.id}],{nm}[{b2.id}]'); return True
    if which == 'facet':
        n = R.choice(lv)[1]; t = n.typ
        t2 = R.choice([t.but(req=not t.req), t.but(null=not t.null), t.but(req=not t.req, null=not t.null)])
        fill_u, fill_d = const(R, t2), const(R, t); tick()
        group11(c, R, n, t2, ['identity'], ['identity'], 'facet', fu=fill_u, fd=fill_d); return True
    raise AssertionError(which)

# Chains in which objects come, go and change their presence all the time: the hardest part of the rules.
OBJECT_OPS = ['add', 'add', 'add', 'remove', 'nest_new', 'nest_into', 'nest_into', 'hoist', 'hoist', 'hoist', 'flatten', 'facet_obj',
              'facet_obj', 'facet', 'retype', 'rename', 'transform']
OPS = ['add', 'add', 'remove', 'rename', 'swap', 'nest_new', 'nest_into', 'hoist', 'flatten', 'retype', 'retype', 'retype',
       'map_enum', 'wrap', 'unwrap', 'map_keys', 'transform', 'transform', 'facet', 'facet', 'rewrite']

def chain(R, max_ops=15, p_bound=.6, ops=OPS, kinds=('int', 'str', 'enum', 'list', 'map')):
    c = Chain()
    for nm in R.sample(NAMES, R.choice([2, 3, 4])): 
        n = c.new(rtyp(R, kinds), nm); c.log.append(f't0 {nm}: {n.typ} [{n.id}]')
    if R.random() < .4:
        o = c.new(Typ('obj', R.random() < .5, False), free(R, c.head()))
        for nm in R.sample(NAMES, 2): c.new(rtyp(R, kinds), nm, o.id)
        c.log.append(f't0 obj [{o.id}] {o.typ} kids {[(k.id, k.typ) for k in kids(c, o)]}')
    c.keys = {n.id: f'{c.path(n)}@1#0' for n in c.nodes.values()}
    c.bounds.append(0); c.steps.append({'cut': schema(c)})
    for _ in range(R.randint(1, max_ops)):
        for _try in range(8):
            if op(c, R, R.choice(ops)): break
        if c.t > c.bounds[-1] and R.random() < p_bound: c.bounds.append(c.t); c.steps.append({'cut': schema(c)}); c.log.append(f'   -- version {len(c.bounds)-1}')
    if c.t > c.bounds[-1]: c.bounds.append(c.t); c.steps.append({'cut': schema(c)}); c.log.append(f'   -- version {len(c.bounds)-1}')
    c.seal()
    return c

def schema(c):
    """The properties of the version that ends here."""
    alive = c.alive(c.t)
    inner = lambda C: {n.at(c.t)[0]: prop(n.typ) for n in alive if n.at(c.t)[1] == C.id}
    return {n.at(c.t)[0]: prop(n.typ, inner(n)) for n in alive if n.at(c.t)[1] is None}

def record(R, c, v):
    vals = {}; t = c.tau(v)
    for n in sorted(c.shown[v], key=lambda n: n.typ.kind != 'obj'):
        par = n.at(t)[1]
        vals[n.id] = ABSENT if par is not None and not present(vals[par]) else rval(R, n.typ)
    return shape(c, v, vals)

def edit(R, c, v, doc, garbage=False):
    """Changes one to three shown properties of doc, staying valid (unless garbage)."""
    vals = unshape(c, v, doc); t = c.tau(v)
    for n in R.sample(list(c.shown[v]), min(len(c.shown[v]), R.choice([1, 1, 2, 3]))):
        vals[n.id] = R.choice(['GARBAGE', 3.5, [None]]) if garbage and n.typ.kind != 'obj' and R.random() < .3 else rval(R, n.typ)
    for n in c.shown[v]:
        par = n.at(t)[1]
        if par is None: continue
        if not present(vals[par]): vals[n.id] = ABSENT
        elif not valid(n.typ, vals[n.id]) and not garbage: vals[n.id] = rval(R, n.typ)
    return shape(c, v, vals)
