"""Cases for a kernel in another language, one JSON object a line: python3 emit.py SEED COUNT.

A case is a chain of edits, cut into versions, and events on one record. Each event tells what the document engine gives:
whether the stored document changed, the read at every version (null: quarantined) and the value of every node
(0 absent, 1 bad, [value]).
"""
import os, sys
os.environ['ELIM'] = 'none'
from gen import *

def cell(v): return 0 if v is ABSENT else 1 if v is BAD else [v]

def case(R, max_ops, max_events, ops):
    c = chain(R, max_ops, ops=ops); b = Docs(c); nv = len(c.bounds); events = []; st = None
    def note(kind, v, before, doc=None):
        s = b.expand(st)
        events.append({'event': kind, 'version': v + 1, **({} if doc is None else {'document': doc}), 'changed': st is not before,
                       'reads': [b.read(st, w) for w in range(nv)], 'cells': [cell(s[k]) for k in c.nodes]})
    for _ in range(1 + R.randint(1, max_events)):
        v = R.randrange(nv); before = st
        ev = 'create' if st is None else R.choice(['put', 'put', 'put', 'put', 'noop', 'migrate', 'migrate', 'raw', 'create'])
        cur = None if st is None else b.read(st, v)
        if ev == 'create': new = record(R, c, v); st = b.create(v, new); note(ev, v, before, new)
        elif ev == 'put': new = record(R, c, v) if cur is None else edit(R, c, v, cur); st = b.put(st, v, new); note(ev, v, before, new)
        elif ev == 'noop' and cur is not None: st = b.put(st, v, cur); note('put', v, before, cur)
        elif ev == 'migrate': st = b.migrate(st, v); note(ev, v, before)
        elif ev == 'raw':
            h = st['_coeval']['version']; new = edit(R, c, h, {k: x for k, x in st.items() if k != '_coeval'}, garbage=True)
            st = dict(new, _coeval=st['_coeval']); note(ev, h, before, new)
    return {'steps': c.steps, 'keys': [c.keys[k] for k in c.nodes], 'events': events}

if __name__ == '__main__':
    seed, count = int(sys.argv[1]), int(sys.argv[2])
    for i in range(count):
        size, ops = i % 3, OBJECT_OPS if i % 2 else OPS      # a third are short: their failures are read by people
        R = random.Random(seed * 10**7 + i)
        print(json.dumps({'name': f'{seed}:{i}', **case(R, [15, 3, 7][size], [8, 3, 6][size], ops)}))
