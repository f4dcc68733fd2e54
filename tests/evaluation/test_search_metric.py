import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inet_d2.evaluation.search_metric import average_precision, hit_threshold, precision_terms, share_within


@pytest.mark.parametrize(
    ("labels", "num_truths", "step", "trapezoid"),
    [
        # Hits at ranks 1 and 3: (1/1 + 2/3) / 2; trapezoid: ((1 + 1) / 2 + (1/2 + 2/3) / 2) / 2 = (1 + 7/12) / 2.
        ([1, 0, 1], 2, 0.8333333333, 0.7916666667),
        # One hit at rank 2: 1/2; trapezoid (0 + 1/2) / 2.
        ([0, 1], 1, 0.5, 0.25),
        # The same with one ground truth never found: half of it.
        ([0, 1], 2, 0.25, 0.125),
        ([1, 1, 0], 2, 1.0, 1.0),
        ([0, 0], 1, 0.0, 0.0),
        ([], 3, 0.0, 0.0),
        ([0], 0, 0.0, 0.0),
    ],
)
def test_hand_worked_rankings(labels, num_truths, step, trapezoid):
    scores = -np.arange(len(labels), dtype=np.float64)
    hits = np.array(labels, dtype=bool)
    assert average_precision(scores, hits, num_truths) == pytest.approx(step)
    assert average_precision(scores, hits, num_truths, "trapezoid") == pytest.approx(trapezoid)


def test_equal_scores_form_one_group():
    # Scores 3 | 2 2 2 | 1 with hits at 3 and two of the twos: 1/1 + 2 * (3/4), over 3 ground truths = 2.5 / 3.
    scores = np.array([2.0, 3, 2, 1, 2])
    hits = np.array([True, True, False, False, True])
    assert average_precision(scores, hits, 3) == pytest.approx(2.5 / 3)
    # Trapezoid: 1, then twice (1 + 3/4) / 2.
    assert average_precision(scores, hits, 3, "trapezoid") == pytest.approx((1 + 1.75) / 3)


ranked = st.lists(st.tuples(st.integers(0, 4), st.booleans()), max_size=12)


@settings(deadline=None)
@given(ranked, st.integers(0, 3), st.sampled_from(["step", "trapezoid"]))
def test_against_the_slow_twin(twins, pairs, missed, kind):
    num_truths = sum(hit for _, hit in pairs) + missed
    scores = np.array([score for score, _ in pairs], dtype=np.float64)
    hits = np.array([hit for _, hit in pairs], dtype=bool)
    expected = twins.average_precision(pairs, num_truths, kind)
    assert average_precision(scores, hits, num_truths, kind) == pytest.approx(expected, abs=1e-12)


@settings(deadline=None)
@given(ranked)
def test_order_of_the_rows_plays_no_part(pairs):
    num_truths = len(pairs) + 1
    forward = average_precision(*columns(pairs), num_truths)
    assert average_precision(*columns(pairs[::-1]), num_truths) == forward


def columns(pairs):
    return np.array([s for s, _ in pairs], dtype=float), np.array([h for _, h in pairs], dtype=bool)


def test_more_hits_than_ground_truths_is_refused():
    with pytest.raises(ValueError, match="expected at most 1 hits, found 2"):
        average_precision(np.array([1.0, 2]), np.array([True, True]), 1)


def test_unknown_kind_is_refused():
    with pytest.raises(ValueError, match=r"ap: expected one of .*'step', 'trapezoid'.*found 'voc'"):
        average_precision(np.array([1.0]), np.array([True]), 1, "voc")


def test_precision_terms_starts_the_curve_at_one():
    terms = precision_terms(
        items_at_least=np.array([2]),
        items_above=np.array([0]),
        hits_at_least=np.array([1]),
        hits_above=np.array([0]),
        kind="trapezoid",
    )
    assert terms.tolist() == [0.75]  # (1 + 1/2) / 2


def test_share_within():
    ranks = np.array([0, 4, -1, 10])
    assert [share_within(ranks, k) for k in (1, 5, 10, 11)] == [0.25, 0.5, 0.5, 0.75]
    assert share_within(np.array([], dtype=np.int64), 1) == 0.0


def test_hit_threshold():
    boxes = np.array([[0, 0, 12, 34], [0, 0, 100, 200], [5, 5, 5, 9.0]])
    # 12 * 34 / (22 * 44) = 0.42149 (the smallest of CUHK-SYSU); large boxes need 0.5; no area needs nothing.
    assert hit_threshold(boxes) == pytest.approx([408 / 968, 0.5, 0])
