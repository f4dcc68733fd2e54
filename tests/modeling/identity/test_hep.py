"""The HEP label pool: section 3.3, step by step."""

import random

import torch
from hypothesis import given
from hypothesis import strategies as st

from inet_d2.modeling.identity.hep import hardest_classes, priority_pool

INF = float("inf")


def distinct(classes):
    """Those that count, each where it comes first."""
    return list(dict.fromkeys(c for c in classes.tolist() if c >= 0))


def test_hardest_classes_by_hand():
    # Two anchors. Top 3 of the first: 0.9 (class 4), 0.8 (unlabelled), 0.7 (class 2); class 9 is fourth.
    # Top 3 of the second: 0.95 (class 2), 0.6 (class 4), 0.5 (class 5); the class-9 entry is its own person.
    similarity = torch.tensor([[0.9, 0.7, 0.8, 0.1, 0.6], [0.6, 0.95, 0.2, 0.5, -INF]])
    classes = torch.tensor([4, 2, -1, 5, 9])
    # Best similarity per class: 2 -> .95, 4 -> .9, 5 -> .5.
    assert hardest_classes(similarity, classes, top=3).tolist() == [2, 4, 2, 4, 5, -1]
    assert distinct(hardest_classes(similarity, classes, top=3)) == [2, 4, 5]
    assert distinct(hardest_classes(similarity, classes, top=1)) == [2, 4]
    assert distinct(hardest_classes(similarity, classes, top=50)) == [2, 4, 9, 5]


def test_hardest_classes_of_nothing():
    assert hardest_classes(torch.zeros(0, 3), torch.tensor([1, 2, 3]), top=20).tolist() == []
    assert hardest_classes(torch.zeros(2, 0), torch.zeros(0, dtype=torch.int64), top=20).tolist() == []
    assert hardest_classes(torch.full((2, 3), -INF), torch.tensor([1, 2, 3]), top=2).tolist() == [-1] * 4


def test_pool_keeps_own_then_hard_then_random():
    own, hard = torch.tensor([7, 10, 7]), torch.tensor([3, 7, 5, 3, 1, 5, -1, -1])
    # 2 own + 1 hard = 3; the hardest class wins the place
    assert priority_pool(own, hard, num_classes=11, size=3).tolist() == [7, 10, 3]
    pool = priority_pool(own, hard, num_classes=11, size=8)
    assert pool[:5].tolist() == [7, 10, 3, 5, 1]
    assert len(set(pool.tolist())) == 8


def test_own_classes_survive_a_pool_that_is_too_small():
    pool = priority_pool(torch.tensor([4, 2, 9, 2]), torch.tensor([1]), num_classes=10, size=2)
    assert sorted(pool.tolist()) == [2, 4, 9]


@given(
    own=st.lists(st.integers(0, 39), max_size=30),
    hard=st.lists(st.integers(-1, 39), max_size=30),
    size=st.integers(1, 60),
    seed=st.integers(0, 1000),
)
def test_pool_properties(own, hard, size, seed):
    random.seed(seed)
    own_classes = torch.tensor(own, dtype=torch.int64)
    pool = priority_pool(own_classes, torch.tensor(hard, dtype=torch.int64), num_classes=40, size=size).tolist()
    assert len(pool) == len(set(pool)) == max(min(size, 40), len(set(own)))
    assert set(own) <= set(pool)
    assert all(0 <= c < 40 for c in pool)
    # Hard classes come in while there is room, the first ones first.
    fresh = [c for c in dict.fromkeys(hard) if c >= 0 and c not in own]
    room = max(0, size - len(set(own)))
    assert set(fresh[:room]) <= set(pool)


def test_random_fill_reaches_every_class_alike():
    random.seed(0)
    counts = torch.zeros(20)
    for _ in range(2000):
        counts[priority_pool(torch.tensor([19]), torch.tensor([18]), num_classes=20, size=5)] += 1
    assert counts[18:].tolist() == [2000, 2000]
    # 3 of the other 18 each time: 333 expected; a spread of 5 standard deviations (about 17 each)
    assert counts[:18].min() > 248
    assert counts[:18].max() < 418


def test_pool_is_drawn_without_touching_all_classes():
    pool = priority_pool(torch.tensor([5]), torch.tensor([6]), num_classes=10**12, size=100)
    assert len(pool) == 100
