"""Grouping of hits, against a slow twin."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from inet_d2.search.sightings import group_sightings
from inet_d2.search.store import Rows

HITS = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 12), st.integers(0, 3)), max_size=12)


def rows_of(hits):
    n = len(hits)
    sources, offsets, lasts = (np.array([hit[i] for hit in hits], dtype=np.int64) for i in range(3))
    columns = (np.arange(n), sources, offsets.astype(float), (offsets + lasts).astype(float), offsets.astype(float))
    return Rows(*columns, np.zeros((n, 4)), np.ones(n), np.zeros((n, 2)), np.linspace(1, 0, n))


@settings(max_examples=200, deadline=None)
@given(HITS, st.integers(1, 4))
def test_equals_the_slow_twin(hits, gap):
    groups = [{i} for i in range(len(hits))]

    def near(one, other):
        (a, begin, stay), (b, start, last) = hits[one], hits[other]
        return a == b and begin - (start + last) < gap and start - (begin + stay) < gap

    changed = True
    while changed:
        changed = False
        for one in groups:
            for other in groups:
                if one is not other and any(near(i, j) for i in one for j in other):
                    groups = [g for g in groups if g is not one and g is not other] + [one | other]
                    changed = True
                    break
            if changed:
                break
    found = group_sightings(rows_of(hits), float(gap))
    assert sorted(sorted(s.hits) for s in found) == sorted(sorted(g) for g in groups)
    for sighting in found:
        members = [hits[i] for i in sighting.hits]
        assert sighting.best == min(sighting.hits)
        assert sighting.begin == min(begin for _, begin, _ in members)
        assert sighting.end == max(begin + stay for _, begin, stay in members)
    assert [s.best for s in found] == sorted(s.best for s in found)
