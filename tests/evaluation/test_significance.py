from itertools import product

import numpy as np
import pytest

from inet_d2.evaluation.significance import bootstrap_interval, paired_difference


def test_the_interval_is_that_of_the_normal_approximation():
    # 400 values 0 or 1, half of each: the mean's standard error is 0.5 / sqrt(400) = 0.025, 1.96 of it 0.049.
    values = np.tile([0.0, 1.0], 200)
    low, high = bootstrap_interval(values)
    assert low == pytest.approx(0.5 - 0.049, abs=0.006)
    assert high == pytest.approx(0.5 + 0.049, abs=0.006)
    narrow = bootstrap_interval(values, confidence=0.5)
    assert low < narrow[0] < 0.5 < narrow[1] < high


def test_equal_values_have_no_spread_and_seeds_repeat():
    assert bootstrap_interval(np.full(7, 0.25)) == (0.25, 0.25)
    values = np.random.default_rng(0).random(50)
    assert bootstrap_interval(values, seed=3) == bootstrap_interval(values, seed=3)
    assert bootstrap_interval(values, seed=3) != bootstrap_interval(values, seed=4)


def test_intervals_hold_the_mean_as_often_as_they_say():
    generator = np.random.default_rng(1)
    inside = 0
    for seed in range(200):
        low, high = bootstrap_interval(generator.normal(size=60), confidence=0.8, draws=300, seed=seed)
        inside += low <= 0 <= high
    assert 0.7 < inside / 200 < 0.9


def test_chunks_change_nothing(monkeypatch):
    values = np.random.default_rng(0).random(30)
    whole = bootstrap_interval(values, draws=500)
    monkeypatch.setattr("inet_d2.evaluation.significance._CELLS_AT_ONCE", 64)
    assert bootstrap_interval(values, draws=500) == whole


def test_the_p_value_is_that_of_all_sign_flips():
    ours, theirs = np.array([0.9, 0.8, 0.5, 0.7, 0.6, 0.4]), np.array([0.5, 0.6, 0.5, 0.3, 0.7, 0.1])
    differences = ours - theirs
    sums = [abs(np.dot(signs, differences)) for signs in product([-1, 1], repeat=6)]
    exact = np.mean([value >= abs(differences.sum()) - 1e-9 for value in sums])
    found = paired_difference(ours, theirs)
    assert found.difference == pytest.approx(differences.mean())
    assert found.p_value == pytest.approx(exact, abs=0.015)
    assert found.low < found.difference < found.high


def test_a_clear_difference_and_none():
    values = np.random.default_rng(0).random(80)
    clear = paired_difference(values + 0.1, values)
    assert clear.p_value == pytest.approx(1 / 10001)
    assert (clear.low, clear.high) == pytest.approx((0.1, 0.1))
    same = paired_difference(values, values)
    assert (same.difference, same.low, same.high, same.p_value) == (0, 0, 0, 1)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: bootstrap_interval(np.zeros(0)), r"one for each query, \(Q,\) with Q >= 1, found \(0,\)"),
        (lambda: bootstrap_interval(np.zeros((2, 2))), r"found \(2, 2\)"),
        (lambda: bootstrap_interval(np.zeros(2), confidence=95), "confidence in .* found 95 and 2000"),
        (lambda: paired_difference(np.zeros(2), np.zeros(3)), "as many values of both, found 2 and 3"),
    ],
)
def test_what_cannot_be_said_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
