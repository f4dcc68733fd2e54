import tracemalloc

import numpy as np
import pytest

from inet_d2.baselines.distances import XQDA
from inet_d2.baselines.distances.xqda import (
    cross_covariances,
    discriminant_subspace,
    span_coordinates,
    split_views,
    weighted_sums,
)


def views(seed=0, size=5):
    generator = np.random.default_rng(seed)
    first, second = generator.normal(2, 1, (11, size)), generator.normal(2, 1, (9, size))
    # Persons 0 to 4; 5 is in the first view only and 6 in the second only.
    return first, np.array([0, 1, 2, 3, 4, 0, 1, 2, 5, 5, 0]), second, np.array([0, 1, 2, 3, 4, 4, 3, 6, 1])


def test_covariances_equal_their_slow_twin():
    first, first_pids, second, second_pids = views()
    same, other = [], []
    for row, pid in zip(first, first_pids, strict=True):
        for partner, partner_pid in zip(second, second_pids, strict=True):
            (same if pid == partner_pid else other).append(np.outer(row - partner, row - partner))
    within, between = cross_covariances(*views())
    np.testing.assert_allclose(within, np.mean(same, axis=0), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(between, np.mean(other, axis=0), rtol=1e-12, atol=1e-12)


def test_order_of_rows_does_not_matter():
    first, first_pids, second, second_pids = views()
    order = np.random.default_rng(1).permutation(11)
    for found, expected in zip(
        cross_covariances(first[order], first_pids[order], second, second_pids),
        cross_covariances(*views()),
        strict=True,
    ):
        np.testing.assert_allclose(found, expected)


def test_subspace_by_hand():
    # Ratios 4 and 0.5: only the first direction tells people apart; M = 1 / 1 - 1 / 4.
    basis, matrix = discriminant_subspace(np.diag([1.0, 2]), np.diag([4.0, 1]), -1, "eigh")
    np.testing.assert_allclose(np.abs(basis), [[1], [0]], atol=1e-12)
    np.testing.assert_allclose(matrix, [[0.75]])
    assert discriminant_subspace(np.diag([1.0, 2]), np.diag([0.5, 1]), -1, "eigh")[0].shape == (2, 1)  # at least one
    assert discriminant_subspace(np.diag([1.0, 2]), np.diag([0.5, 1]), 2, "svd")[0].shape == (2, 2)


def test_generalised_eigenvectors():
    within, between = cross_covariances(*views())
    within += 0.001 * np.eye(5)
    basis, matrix = discriminant_subspace(within, 3 * between, -1, "eigh")
    np.testing.assert_allclose(basis.T @ within @ basis, np.eye(basis.shape[1]), atol=1e-9)
    ratios = np.diag(basis.T @ (3 * between) @ basis)
    assert (ratios > 1).all()
    np.testing.assert_allclose(matrix, np.diag(1 - 1 / ratios), atol=1e-9)


def test_views_are_halves_without_the_odd_one():
    pids = np.array([3, 1, 3, 1, 3, 7, 1, 1])
    first, second = split_views(pids)
    # Person 3 has three crops: one each; person 1 four: two each; person 7 one: none.
    assert sorted(pids[first]) == sorted(pids[second]) == [1, 1, 3]
    assert not set(first) & set(second)


def test_long_rows_take_the_way_round():
    """Rows longer than there are rows: the same distances as without the change of basis."""
    generator = np.random.default_rng(0)
    pids = np.repeat(np.arange(6), 4)
    rows = generator.normal(0, 0.3, (24, 40)) + generator.standard_normal((6, 40))[pids]
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    metric = XQDA()
    metric.fit(rows, pids)
    found = metric.query_rows(rows) @ metric.gallery_rows(rows).T

    first, second = split_views(pids)
    within, between = cross_covariances(rows[first], pids[first], rows[second], pids[second])
    basis, matrix = discriminant_subspace(within + 0.001 * np.eye(40), between, -1, "eigh")
    difference = (rows[:, None] - rows) @ basis
    exact = np.einsum("qgi,ij,qgj->qg", difference, matrix, difference)
    sums = found + exact
    np.testing.assert_allclose(sums, sums[:, :1].repeat(24, axis=1), atol=1e-3 * np.abs(exact).max())


def test_coordinates_of_the_span_equal_those_of_an_orthonormal_basis(monkeypatch):
    monkeypatch.setattr("inet_d2.baselines.distances.xqda._COLUMNS_AT_ONCE", 7)
    rows = np.random.default_rng(0).normal(size=(9, 30)).astype(np.float32)
    rows[4] = rows[2] + rows[3]
    kept = np.array([7, 2, 3, 4, 0])  # of rank 4
    coordinates, weights = span_coordinates(rows, kept)
    assert coordinates.shape == weights.shape == (5, 4)
    basis = weighted_sums(rows, kept, weights)
    np.testing.assert_allclose(basis.T @ basis, np.eye(4), atol=1e-5)
    np.testing.assert_allclose(basis, rows[kept].T @ weights, atol=1e-5)
    np.testing.assert_allclose(coordinates @ basis.T, rows[kept], atol=1e-5)


def test_long_rows_are_never_copied_whole():
    pids = np.repeat(np.arange(30), 4)
    rows = np.random.default_rng(0).random((120, 30000), dtype=np.float32)
    tracemalloc.start()
    XQDA(dim=10).fit(rows, pids)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < rows.nbytes / 2


@pytest.mark.parametrize("solver", ["eigh", "svd"])
def test_it_learns_which_direction_tells_people_apart(solver):
    generator = np.random.default_rng(0)
    pids = np.repeat(np.arange(30), 6)
    rows = generator.normal(0, (0.1, 5.0, 0.1), (180, 3)) + generator.normal(0, (2, 0, 2), (30, 3))[pids]
    metric = XQDA(solver=solver)
    metric.fit(rows, pids)
    products = metric.query_rows(rows) @ metric.gallery_rows(rows).T
    np.fill_diagonal(products, -np.inf)
    assert (pids[products.argmax(axis=1)] == pids).mean() > 0.8


def test_one_crop_for_each_view_is_enough():
    pids = np.repeat(np.arange(10), 2)
    rows = np.random.default_rng(0).standard_normal((10, 4))[pids] + 0.01 * np.arange(20)[:, None]
    metric = XQDA()
    metric.fit(rows, pids)
    assert np.isfinite(metric.gallery_rows(rows)).all()


def test_what_does_not_fit():
    with pytest.raises(ValueError, match="found 0 pairs of the same person"):
        XQDA().fit(np.eye(3), np.arange(3))
    with pytest.raises(ValueError, match="SOLVER: expected one of eigh, svd, found 'qr'"):
        XQDA(solver="qr")
    with pytest.raises(ValueError, match="LAMBDA > 0 and DIM other than 0"):
        XQDA(regulariser=0.0)
