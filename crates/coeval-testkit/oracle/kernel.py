"""Lens kernel: nodes (identity x facet epoch), groups (recipes), projections, and two engines.

A. oracle  : total state  node -> value, eager propagation on write      (= the SQL "union of columns")
B. document: natural shape at the stored version + keep + fingerprints    (= the bucket)
"""
import hashlib, json
from dataclasses import dataclass, field
INF = 10**9
import os
ELIM = os.environ.get('ELIM', 'safe')     # which invisible nodes have no state: none | safe | all

class _S:
    def __init__(s, n): s.n = n
    def __repr__(s): return s.n
    def __deepcopy__(s, m): return s
    def __copy__(s): return s
ABSENT, BAD = _S('ABSENT'), _S('BAD')

def cj(v):
    if v is ABSENT: return '~absent'
    if v is BAD: return '~bad'
    return json.dumps(v, sort_keys=True)
def same(a, b): return cj(a) == cj(b)

@dataclass
class Typ:
    kind: str            # int str enum list map obj
    req: bool = False
    null: bool = False
    vals: tuple = ()
    elem: 'Typ' = None
    def but(t, **kw):
        d = dict(kind=t.kind, req=t.req, null=t.null, vals=t.vals, elem=t.elem); d.update(kw); return Typ(**d)
    def __repr__(t):
        return f"{t.kind}{t.vals or ''}{'!' if t.req else '?'}{'N' if t.null else ''}"

def valid(t, v):
    if v is BAD: return False
    if v is ABSENT: return not t.req
    if v is None: return t.null
    k = t.kind
    if k == 'int': return type(v) is int and -2**63 <= v < 2**63
    if k == 'str': return type(v) is str
    if k == 'enum': return v in t.vals
    if k == 'list': return type(v) is list and all(valid(t.elem, x) and x is not ABSENT for x in v)
    if k == 'map': return type(v) is dict and all(type(x) is int for x in v.values())
    if k == 'obj': return v == {} and type(v) is dict
    raise AssertionError(k)

NOFILL = _S('NOFILL')
def land(v, t, fill=NOFILL):
    """Presence landing: what a computed value becomes in a target of type t."""
    if v is BAD: return BAD
    if v is ABSENT:
        if not t.req: return ABSENT
        if fill is not NOFILL: return fill
        return None if t.null else BAD
    if v is None:
        if t.null: return None
        if not t.req: return ABSENT
        return fill if fill is not NOFILL else BAD
    return v if valid(t, v) else BAD

@dataclass
class Recipe:
    outs: tuple          # node ids, computed together (a unit)
    deps: tuple          # node ids
    fn: object           # [values of deps] -> [values of outs]
    sticky: bool         # True: default/derived/removed: a kept value stays whatever its deps do ("pinned")
    name: str = ''

@dataclass
class Node:
    id: int
    typ: Typ
    tb: int
    te: int = INF
    up: Recipe = None    # how a version older than the node sees it
    down: Recipe = None  # how a version newer than the node sees it
    lin: int = -1
    place: list = field(default_factory=list)   # [(time, name, parent id | None)]
    def at(n, t):
        r = None
        for (pt, name, par) in n.place:
            if pt <= t: r = (name, par)
        return r

class Chain:
    """Ops have times 0..n; versions are boundaries: bounds[i] = time of version i."""
    def __init__(c):
        c.nodes, c.t, c.bounds, c.log, c.lins = {}, 0, [], [], {}
        c._ord = {}; c.steps, c.keys = [], {}          # edits as JSON, and the key of each node (emit.py)
    def new(c, typ, name, parent=None, lin=None, **kw):
        n = Node(len(c.nodes), typ, c.t, **kw); n.lin = n.id if lin is None else lin
        if typ.kind == 'obj' and lin is None: c.lins[n.id] = {'up': ('sticky', {} if typ.req else ABSENT), 'down': ('sticky', {} if typ.req else ABSENT)}
        n.place.append((c.t, name, parent)); c.nodes[n.id] = n; return n
    def path(c, n, t=None):
        name, par = n.at(c.t if t is None else t)
        return name if par is None else c.path(c.nodes[par], t) + '.' + name
    def emit(c, edit, born=()):
        """Notes an edit as JSON, and the nodes that it makes: their key is path-at-birth@version#op (R9)."""
        c.steps.append(edit); number = len(c.steps); edit['number'] = number
        for n in born: c.keys[n.id] = f'{c.path(n)}@{len(c.bounds) + 1}#{number}'
    def alive(c, t): return [n for n in c.nodes.values() if n.tb <= t < n.te]
    def head(c): return {(n.at(c.t)[1], n.at(c.t)[0]): n for n in c.alive(c.t)}
    def tau(c, v): return c.bounds[v]
    def seal(c):
        c.shown = [[n for n in c.alive(t)] for t in c.bounds]
        c.shown_ids = [{n.id for n in ns} for ns in c.shown]
        vis = set().union(*c.shown_ids)
        used = {}
        for n in c.nodes.values():
            for r in (n.up, n.down):
                if r: 
                    for d in r.deps: used.setdefault(d, set()).add(r.name + str(r.outs))
        def safe(n):     # an invisible link of a 1:1 chain: its state can never be observed
            return (n.typ.kind != 'obj' and n.up and n.down and not n.up.sticky and not n.down.sticky and len(n.up.outs) == len(n.up.deps) == 1
                    and len(n.down.outs) == len(n.down.deps) == 1 and len(used.get(n.id, ())) == 2 and len({p for (_, _, p) in n.place}) == 1)
        c.virtual = {n for n in c.nodes if n not in vis and (ELIM == 'all' or ELIM == 'safe' and safe(c.nodes[n]))}
        c._ord = {}
    def kids_ever(c, C):
        return tuple(sorted({n.id for b in range(C.tb, min(C.te, c.t + 1)) for n in c.alive(b) if n.at(b)[1] == C.id}))
    def lin_kids(c, C):
        return tuple(sorted(set().union(*[set(c.kids_ever(n)) for n in c.nodes.values() if n.lin == C.lin])))
    def container_of(c, n, t):
        """Container at the operation of n's life nearest to t."""
        return n.at(n.tb if n.tb > t else n.te - 1)[1]
    def edge(c, C, v):
        """The node of C's lineage that decides presence for version v: shown at v, else the nearest visible one."""
        t = c.tau(v); lin = [n for n in c.nodes.values() if n.lin == C.lin]
        shown = [n for n in lin if n.tb <= t < n.te]
        if shown: return shown[0]
        later = [n for n in lin if n.tb > t]
        return min(later, key=lambda n: n.tb) if later else max(lin, key=lambda n: n.te) if lin else None
    def order(c, v):
        """Hidden nodes, dependencies first: (id, recipe, gate). The gate is the container whose absence empties the node."""
        if v in c._ord: return c._ord[v]
        t = c.tau(v); rec, par = {}, {}
        for n in c.nodes.values():
            if n.tb <= t < n.te: continue
            if n.typ.kind == 'obj':
                E = c.edge(n, v); how = c.lins[n.lin]['up' if n.tb > t else 'down']; par[n.id] = None
                ks = c.kids_ever(n)
                if E is not None and E is not n:
                    rest = tuple(x for x in c.lin_kids(n) if x not in ks)      # these only wake it up
                    rec[n.id] = Recipe((n.id,), (E.id,) + ks + rest, lambda ins, T=n.typ, m=len(ks): [ins[0] if ins[0] is BAD or present(ins[0]) else
                        {} if any(x is not ABSENT for x in ins[1:1 + m]) else land(ins[0], T, {})], False, 'lineage')
                elif how[0] == 'sticky':
                    rec[n.id] = Recipe((n.id,), (), lambda ins, x=how[1]: [x], True, 'edge')
                else:
                    rec[n.id] = Recipe((n.id,), ks, lambda ins, T=n.typ: [{} if T.req or any(x is not ABSENT for x in ins) else ABSENT], False, 'kids')
                continue
            rec[n.id] = n.up if n.tb > t else n.down
            p = c.container_of(n, t); par[n.id] = None
            if p is not None: par[n.id] = p
        def closure(k, seen):
            if k in seen: return seen
            seen.add(k)
            if k in rec:
                for d in rec[k].deps: closure(d, seen)
            return seen
        def mk(k, p):
            """Gate: k's container is there for this version iff its edge is present, or a shown source of a non-default child is."""
            C = c.nodes[p]; E = c.edge(C, v); shown = E.tb <= t < E.te
            how = None if shown else c.lins[C.lin]['up' if E.tb > t else 'down'][0]
            sticky_kids = {x for x in c.lin_kids(C) if x in rec and rec[x].sticky}; src = set()
            for x in c.kids_ever(C):
                cl = closure(x, set())
                if not (cl & sticky_kids): src |= {y for y in cl if y not in rec}
            src.discard(E.id)
            return Gate(E.id if shown else None, E.id if how == 'sticky' else None, tuple(sorted(src)),
                        how == 'kids' and C.typ.req or E is not C and C.typ.req and not C.typ.null)   # what is always there opens
        leaf_gate = {k: mk(k, p) for k, p in par.items() if p is not None}
        par = {k: leaf_gate.get(k) for k in rec}
        out, done = [], set()
        def visit(k, path=()):
            assert k not in path, 'cycle'
            if k in done or k not in rec: return
            for d in rec[k].deps: visit(d, path + (k,))
            if par[k] is not None and par[k].born is not None: visit(par[k].born, path + (k,))
            done.add(k); out.append((k, rec[k], par[k]))
        for k in sorted(rec): visit(k)
        c._ord[v] = out
        return out

def rank(c, n, up):
    return 0 if n.typ.kind == 'obj' else 1

def present(v): return v is not ABSENT and v is not None and v is not BAD

def run(ch, rec, k, env):
    ins = []
    for d in rec.deps:
        v = env[d]
        if not valid(ch.nodes[d].typ, v) and not (v is ABSENT): v = BAD     # raw garbage is a failed input
        ins.append(v)
    return rec.fn(ins)[rec.outs.index(k)]

@dataclass(frozen=True)
class Gate:
    edge: object         # lineage node shown at V, or None
    born: object         # hidden sticky edge, or None
    src: tuple           # shown nodes whose presence implies the container
    always: bool
    def deps(g): return tuple(x for x in (g.edge, g.born) if x is not None) + g.src
    def open(g, env):
        return g.always or any(present(env[x]) for x in (g.edge, g.born) if x is not None) or any(env[x] is not ABSENT for x in g.src)

def gdeps(g): return g.deps() if g is not None else ()

def calc(ch, rec, g, k, env):
    if g is not None and (rec.sticky or all(env[d] is ABSENT for d in rec.deps)) and not g.open(env): return ABSENT
    return run(ch, rec, k, env)

class Refused(Exception): pass

# ---------------------------------------------------------------- shapes
def shape(ch, v, vals):
    """Natural JSON document of version v from node values."""
    t = ch.tau(v); doc = {}; conts = {}
    for n in ch.shown[v]:
        name, par = n.at(t)
        if par is None and n.typ.kind == 'obj':
            x = vals[n.id]
            if x is not ABSENT:
                doc[name] = {} if present(x) and x == {} else x
                conts[n.id] = doc[name]
    for n in ch.shown[v]:
        if n.typ.kind == 'obj': continue
        name, par = n.at(t); x = vals[n.id]
        if x is ABSENT or x is BAD: continue
        if par is None: doc[name] = x
        elif isinstance(conts.get(par), dict): conts[par][name] = x
    return doc

def unshape(ch, v, doc):
    t = ch.tau(v); vals = {}
    for n in ch.shown[v]:
        name, par = n.at(t)
        if par is None:
            x = doc.get(name, ABSENT)
            if n.typ.kind == 'obj' and isinstance(x, dict): x = {}
            vals[n.id] = x
    for n in ch.shown[v]:
        name, par = n.at(t)
        if par is not None:
            pd = doc.get(ch.nodes[par].at(t)[0], ABSENT)
            vals[n.id] = pd.get(name, ABSENT) if isinstance(pd, dict) else ABSENT
    return vals

def check(ch, v, vals):
    """Schema of version v over shown values; list of bad node ids."""
    t = ch.tau(v); bad = []
    for n in ch.shown[v]:
        par = n.at(t)[1]; x = vals[n.id]
        if par is not None and not present(vals[par]):
            if x is not ABSENT: bad.append(n.id)
            continue
        if not valid(n.typ, x): bad.append(n.id)
    return bad

def killed(g, old, new): return g is not None and g.edge is not None and present(old[g.edge]) and not present(new[g.edge])

# ---------------------------------------------------------------- A. oracle
class Oracle:
    def __init__(o, ch, mode='P2'): o.ch, o.mode = ch, mode
    def birth(o, v, new):
        s = dict(new)
        for (k, rec, par) in o.ch.order(v): s[k] = calc(o.ch, rec, par, k, s)
        return s
    def write(o, v, s_old, new):
        ch = o.ch; so = dict(s_old); s = dict(s_old); dirty = set()
        for n in ch.shown[v]:
            if not same(new[n.id], so[n.id]): s[n.id] = new[n.id]; dirty.add(n.id)
        for (k, rec, par) in ch.order(v):
            d = any(x in dirty for x in rec.deps + gdeps(par))
            if k in ch.virtual:
                so[k] = calc(ch, rec, par, k, so); s[k] = calc(ch, rec, par, k, s)
                if d and (o.mode != 'P1' or not same(s[k], so[k])): dirty.add(k)
                continue
            if rec.sticky:
                pinned = not same(so[k], calc(ch, rec, par, k, so))
                if pinned:
                    d = killed(par, so, s)          # the object it lives in was deleted by this write
                    if d: s[k] = ABSENT
                elif d: s[k] = calc(ch, rec, par, k, s)
            elif d: s[k] = calc(ch, rec, par, k, s)
            if d and (o.mode != 'P1' or not same(s[k], so[k])): dirty.add(k)
        o.dirty = dirty
        return s
    def read(o, v, s): return {n.id: s[n.id] for n in o.ch.shown[v]}

# ---------------------------------------------------------------- B. documents
def fp(pairs): return hashlib.sha256('|'.join(f'{k}={cj(x)}' for k, x in sorted(pairs)).encode()).hexdigest()[:12]

class View:
    """Demand-driven reading of one stored document: only what is asked for is evaluated."""
    def __init__(w, ch, stored, mode='P2'):
        w.ch, w.mode = ch, mode
        meta = stored['_coeval']; w.v = meta['version']; w.keep = meta['keep']
        w.base = unshape(ch, w.v, stored); w.memo = {}; w.effm = {}
        w.rec = {k: (rec, par) for (k, rec, par) in ch.order(w.v)}
    def __getitem__(w, k): return w.val(k)
    def eff(w, k):
        """Shown nodes of the stored version from which k would be recomputed now."""
        if k in w.base: return frozenset([k])
        if k in w.effm: return w.effm[k]
        rec, g = w.rec[k]; e = w.keep.get(str(k))
        if rec.sticky and e is not None: r = frozenset([g.edge]) if e.get('in') else frozenset()
        else:
            r = frozenset()
            for d in rec.deps + gdeps(g): r |= w.eff(d)
        w.effm[k] = r
        return r
    def fp_of(w, k):
        if w.mode == 'P1':
            rec, par = w.rec[k]
            return fp([(d, w.val(d)) for d in rec.deps + gdeps(par)])
        return fp([(d, w.base[d]) for d in w.eff(k)])
    def val(w, k):
        if k in w.base: return w.base[k]
        if k in w.memo: return w.memo[k]
        rec, par = w.rec[k]; e = w.keep.get(str(k)); x = None
        if e is not None and k not in w.ch.virtual:
            if rec.sticky:
                x = BAD if e.get('bad') else e.get('value', ABSENT)
                if e.get('in') and not present(w.base[par.edge]): x = ABSENT
            elif e['of'] == w.fp_of(k): x = BAD if e.get('bad') else e.get('value', ABSENT)
            else: e = None
        else: e = None
        if e is None: x = calc(w.ch, rec, par, k, w)
        w.memo[k] = x
        return x

class Docs:
    def __init__(b, ch, mode='P2'): b.ch, b.mode = ch, mode; b.orc = Oracle(ch, mode)
    def expand(b, stored):
        w = View(b.ch, stored, b.mode); return {k: w.val(k) for k in b.ch.nodes}
    def compress(b, v, s):
        ch = b.ch; keep = {}; doc = shape(ch, v, s)
        stored = dict(doc); stored['_coeval'] = {'version': v, 'keep': keep}
        env = {n.id: s[n.id] for n in ch.shown[v]}
        for (k, rec, par) in ch.order(v):
            x = calc(ch, rec, par, k, env)
            if k in ch.virtual or same(x, s[k]): env[k] = x if k in ch.virtual else s[k]; continue
            env[k] = s[k]; e = {}
            if s[k] is BAD: e['bad'] = True
            elif s[k] is not ABSENT: e['value'] = s[k]
            keep[str(k)] = e
            if not rec.sticky: e['of'] = ''
            elif par is not None and par.edge is not None and present(s[par.edge]): e['in'] = True
        w = View(ch, stored, b.mode)      # fingerprints last: they see which sticky values are kept
        if b.mode == 'P1': w.memo = {k: s[k] for k in ch.nodes if k not in w.base and k not in ch.virtual}
        for k, e in keep.items():
            if 'of' in e: e['of'] = w.fp_of(int(k))
        return json.loads(json.dumps(stored))
    # public API ------------------------------------------------
    def read(b, stored, v):
        """Document at v, or None when the record is in v's quarantine."""
        w = View(b.ch, stored, b.mode); vals = {n.id: w.val(n.id) for n in b.ch.shown[v]}
        if check(b.ch, v, vals): return None
        return shape(b.ch, v, vals)
    def _guard(b, v, s):
        if check(b.ch, v, {n.id: s[n.id] for n in b.ch.shown[v]}): raise Refused('schema')
    def create(b, v, doc):
        new = unshape(b.ch, v, doc)
        if check(b.ch, v, new): raise Refused('schema')
        s = b.orc.birth(v, new); return b.compress(v, s)
    def put(b, stored, v, doc):
        new = unshape(b.ch, v, doc)
        if check(b.ch, v, new): raise Refused('schema')
        s0 = b.expand(stored)
        if all(same(new[k], s0[k]) for k in new): return stored          # no-op writes nothing, not even a restamp
        return b.compress(v, b.orc.write(v, s0, new))
    def migrate(b, stored, v):
        s = b.expand(stored); h = stored['_coeval']['version']
        if check(b.ch, h, {n.id: s[n.id] for n in b.ch.shown[h]}): return stored   # broken where it lies: evidence is not moved
        if check(b.ch, v, {n.id: s[n.id] for n in b.ch.shown[v]}): return stored   # quarantined at v: stays where it is
        return b.compress(v, s)
