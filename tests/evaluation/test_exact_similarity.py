from fractions import Fraction

import numpy as np
import pytest

from inet_d2.evaluation import exact_similarity
from inet_d2.evaluation.exact_similarity import Similarities, length_exponents, to_grid


def unit_rows(seed, rows, size):
    values = np.random.default_rng(seed).standard_normal((rows, size)).astype(np.float32)
    return values / np.linalg.norm(values, axis=1, keepdims=True)


def exact_dot(one, other):
    return sum(Fraction(float(a)) * Fraction(float(b)) for a, b in zip(one, other, strict=True))


def test_products_of_grid_vectors_are_exact_in_any_order():
    one, other = to_grid(unit_rows(0, 8, 256), per_row=True), to_grid(unit_rows(1, 8, 256), per_row=False)
    expected = [float(exact_dot(a, b)) for a, b in zip(one, other, strict=True)]
    assert [Fraction(v) for v in expected] == [exact_dot(a, b) for a, b in zip(one, other, strict=True)]
    for order in (np.arange(256), np.arange(256)[::-1], np.random.default_rng(2).permutation(256)):
        assert np.diag(one[:, order] @ other[:, order].T).tolist() == expected
        assert np.einsum("nd,nd->n", one[:, order], other[:, order]).tolist() == expected


def test_the_grid_loses_nothing_that_matters():
    vectors = unit_rows(0, 50, 256)
    assert np.abs(to_grid(vectors, per_row=True) - vectors).max() <= 2.0**-27


def test_unit_vectors_share_one_scale_whatever_their_rounding():
    vectors = unit_rows(3, 500, 64)
    assert set(length_exponents(vectors, per_row=True).reshape(-1).tolist()) == {0}


def test_vectors_of_any_length_are_scaled():
    vectors = unit_rows(0, 4, 16) * np.float32([[1e-3], [1], [300], [0]])
    grid = to_grid(vectors, per_row=True)
    lengths = np.linalg.norm(grid, axis=1)
    assert np.all(lengths <= 1 + 2.0**-19)
    assert np.all(lengths[:3] > 0.49)
    assert lengths[3] == 0
    together = to_grid(vectors, per_row=False)
    np.testing.assert_allclose(together[2], vectors[2] / 512, atol=2.0**-27)


@pytest.mark.parametrize("size", [2, 64, 512])
def test_approximate_values_stay_within_the_margin(size):
    both = Similarities(unit_rows(0, 40, size), unit_rows(1, 300, size) * 3)
    error = np.abs(both.approximate(0, 40) - both.exact(0, 40)).max()
    assert error < both.margin / 2


@pytest.mark.parametrize("limit", [0, 10**9])
def test_single_pairs_equal_the_product(monkeypatch, limit):
    monkeypatch.setattr(exact_similarity, "_PAIRS_PER_ROW_TO_MULTIPLY", limit)
    monkeypatch.setattr(exact_similarity, "_PAIRS_AT_ONCE", 7)
    monkeypatch.setattr(exact_similarity, "_CELLS_AT_ONCE", 130)
    both = Similarities(unit_rows(0, 9, 32), unit_rows(1, 60, 32))
    generator = np.random.default_rng(5)
    queries, detections = np.sort(generator.integers(9, size=100)), generator.integers(60, size=100)
    assert np.array_equal(both.exact_pairs(queries, detections), both.exact(0, 9)[queries, detections])


def test_nothing():
    both = Similarities(np.zeros((0, 8), np.float32), np.zeros((0, 8), np.float32))
    none = np.zeros(0, dtype=np.int64)
    assert both.exact_pairs(none, none).shape == (0,)
    assert both.approximate(0, 0).shape == (0, 0)
