
DECLARE
  o pg_catalog.jsonb[] := ARRAY(SELECT v FROM pg_catalog.jsonb_array_elements(
    CASE WHEN pg_catalog.jsonb_typeof(was) = 'array' THEN was ELSE '[]' END) WITH ORDINALITY AS e(v, n) ORDER BY e.n);
  n pg_catalog.jsonb[] := ARRAY(SELECT v FROM pg_catalog.jsonb_array_elements(
    CASE WHEN pg_catalog.jsonb_typeof(now) = 'array' THEN now ELSE '[]' END) WITH ORDINALITY AS e(v, n) ORDER BY e.n);
  a pg_catalog.int4 := pg_catalog.cardinality(o);
  b pg_catalog.int4 := pg_catalog.cardinality(n);
  c pg_catalog.int4[] := pg_catalog.array_fill(NULL::pg_catalog.int4, ARRAY[b]);
  used pg_catalog.bool[] := pg_catalog.array_fill(FALSE, ARRAY[a]);
  l pg_catalog.int4[];
  p pg_catalog.int4 := 0;
  s pg_catalog.int4 := 0;
  w pg_catalog.int4;
  h pg_catalog.int4;
  i pg_catalog.int4;
  j pg_catalog.int4;
  low pg_catalog.int4;
  high pg_catalog.int4;
  until pg_catalog.int4;
BEGIN
  WHILE p < a AND p < b AND o[p + 1] = n[p + 1] LOOP
    p := p + 1;
    c[p] := p - 1;
    used[p] := TRUE;
  END LOOP;
  WHILE s < a - p AND s < b - p AND o[a - s] = n[b - s] LOOP
    c[b - s] := a - s - 1;
    used[a - s] := TRUE;
    s := s + 1;
  END LOOP;
  h := a - p - s;
  w := b - p - s;
  IF h > 0 AND w > 0 AND h::pg_catalog.int8 * w <= 10000 THEN
    -- The length of the longest common part of what follows, by both places.
    l := pg_catalog.array_fill(0, ARRAY[(h + 1) * (w + 1)]);
    FOR i IN REVERSE h..1 LOOP
      FOR j IN REVERSE w..1 LOOP
        l[(i - 1) * (w + 1) + j] := CASE WHEN o[p + i] = n[p + j] THEN l[i * (w + 1) + j + 1] + 1
          ELSE greatest(l[i * (w + 1) + j], l[(i - 1) * (w + 1) + j + 1]) END;
      END LOOP;
    END LOOP;
    i := 1;
    j := 1;
    WHILE i <= h AND j <= w LOOP
      IF o[p + i] = n[p + j] THEN
        c[p + j] := p + i - 1;
        used[p + i] := TRUE;
        i := i + 1;
        j := j + 1;
      ELSIF l[i * (w + 1) + j] >= l[(i - 1) * (w + 1) + j + 1] THEN
        i := i + 1;
      ELSE
        j := j + 1;
      END IF;
    END LOOP;
  END IF;
  -- Equal items that are left on both sides have moved.
  FOR i, j IN
    SELECT x.n, y.n FROM
      (SELECT e.v, e.n, pg_catalog.row_number() OVER (PARTITION BY e.v ORDER BY e.n) AS r
       FROM pg_catalog.unnest(o) WITH ORDINALITY AS e(v, n) WHERE NOT used[e.n::pg_catalog.int4]) AS x
    JOIN
      (SELECT e.v, e.n, pg_catalog.row_number() OVER (PARTITION BY e.v ORDER BY e.n) AS r
       FROM pg_catalog.unnest(n) WITH ORDINALITY AS e(v, n) WHERE c[e.n::pg_catalog.int4] IS NULL) AS y ON x.v = y.v AND x.r = y.r
  LOOP
    c[j] := i - 1;
    used[i] := TRUE;
  END LOOP;
  -- Between two neighbours, as many items as there were: each pair that shares a value is one that changed.
  j := 1;
  WHILE j <= b LOOP
    IF c[j] IS NOT NULL THEN
      j := j + 1;
      CONTINUE;
    END IF;
    until := j;
    WHILE until <= b AND c[until] IS NULL LOOP
      until := until + 1;
    END LOOP;
    low := CASE WHEN j = 1 THEN 0 ELSE c[j - 1] + 1 END;
    high := CASE WHEN until > b THEN a ELSE c[until] END;
    IF low < high AND high - low = until - j AND NOT (TRUE = ANY (used[low + 1:high])) THEN
      FOR i IN 0..until - j - 1 LOOP
        IF pg_catalog.jsonb_typeof(o[low + i + 1]) = 'object' AND pg_catalog.jsonb_typeof(n[j + i]) = 'object' AND EXISTS (
          SELECT FROM pg_catalog.jsonb_each(n[j + i]) AS e(k, v)
          WHERE pg_catalog.jsonb_typeof(e.v) NOT IN ('object', 'array') AND o[low + i + 1] -> e.k = e.v
        ) THEN
          c[j + i] := low + i;
          used[low + i + 1] := TRUE;
        END IF;
      END LOOP;
    END IF;
    j := until;
  END LOOP;
  RETURN c;
END
