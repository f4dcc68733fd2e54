import numpy as np
import pytest

from inet_d2.baselines.distances import KISSME
from inet_d2.baselines.distances.kissme import likelihood_ratio, pair_covariances

# Person 0 at (0, 0) and (1, 0), person 1 at (4, 1) and (4, 3).
ROWS, PIDS = np.array([[0.0, 0], [1, 0], [4, 1], [4, 3]]), np.array([0, 0, 1, 1])


def test_covariances_by_hand():
    # Same: (1, 0) and (0, 2), mean of outer products diag(1, 4) / 2. Different: (4, 1), (4, 3), (3, 1), (3, 3):
    # (16 + 16 + 9 + 9) / 4, (4 + 12 + 3 + 9) / 4, (1 + 9 + 1 + 9) / 4.
    same, other = pair_covariances(ROWS, PIDS)
    np.testing.assert_allclose(same, [[0.5, 0], [0, 2]])
    np.testing.assert_allclose(other, [[12.5, 7], [7, 5]])


def test_the_metric_by_hand():
    # inv(C1) - inv(C0) = [[1.62963, .518519], [.518519, -.425926]], eigenvalues -.549317 and 1.75302.
    matrix = np.linalg.inv([[0.5, 0], [0, 2]]) - np.linalg.inv([[12.5, 7], [7, 5]])
    np.testing.assert_allclose(matrix, [[1.62963, 0.518519], [0.518519, -0.425926]], atol=1e-5)
    positive, clipped = likelihood_ratio(*pair_covariances(ROWS, PIDS))
    assert clipped == 1
    np.testing.assert_allclose(np.linalg.eigvalsh(positive), [1e-6, 1.75302], rtol=1e-5)
    # What was positive stays as it was, along its own direction.
    vector = np.linalg.eigh(matrix)[1][:, 1]
    np.testing.assert_allclose(positive @ vector, 1.75302 * vector, rtol=1e-5)


def test_one_dimension_by_hand():
    # Differences of 1 within and 2 between: 1 / 1 - 1 / 4.
    matrix, _ = likelihood_ratio(np.array([[1.0]]), np.array([[4.0]]))
    assert matrix[0, 0] == pytest.approx(0.75)


def test_covariances_equal_their_slow_twin():
    generator = np.random.default_rng(0)
    rows, pids = generator.normal(5, 2, (17, 4)), generator.integers(0, 5, 17)
    pairs = [(i, j) for i in range(17) for j in range(i)]
    outer = {p: np.outer(rows[p[0]] - rows[p[1]], rows[p[0]] - rows[p[1]]) for p in pairs}
    same, other = pair_covariances(rows, pids)
    np.testing.assert_allclose(same, np.mean([outer[i, j] for i, j in pairs if pids[i] == pids[j]], axis=0))
    np.testing.assert_allclose(other, np.mean([outer[i, j] for i, j in pairs if pids[i] != pids[j]], axis=0))


def test_random_pairs_are_of_different_people_and_the_same_each_time():
    rows = np.array([[0.0], [0], [10], [10]])
    same, other = pair_covariances(rows, PIDS, "random")
    assert same[0, 0] == 0
    assert other[0, 0] == 100
    np.testing.assert_array_equal(
        pair_covariances(ROWS, PIDS, "random", 3)[1], pair_covariances(ROWS, PIDS, "random", 3)[1]
    )


def test_it_learns_which_direction_tells_people_apart():
    generator = np.random.default_rng(0)
    pids = np.repeat(np.arange(30), 6)
    rows = generator.normal(0, (0.1, 5.0, 0.1), (180, 3)) + generator.normal(0, (2, 0, 2), (30, 3))[pids]
    metric = KISSME(pca_dim=0)
    metric.fit(rows, pids)
    products = metric.query_rows(rows) @ metric.gallery_rows(rows).T
    np.fill_diagonal(products, -np.inf)
    assert (pids[products.argmax(axis=1)] == pids).mean() > 0.8
    plain = ((rows[:, None] - rows) ** 2).sum(axis=2)
    np.fill_diagonal(plain, np.inf)
    assert (pids[plain.argmin(axis=1)] == pids).mean() < 0.6


def test_what_does_not_fit():
    with pytest.raises(ValueError, match=r"expected at most 2 \(4 training rows less 2 people\), found 3"):
        KISSME(pca_dim=3).fit(np.ones((4, 9)), PIDS)
    with pytest.raises(ValueError, match="found 0 pairs of the same person"):
        pair_covariances(ROWS, np.arange(4))
    with pytest.raises(ValueError, match="expected one of all, random, found 'some'"):
        KISSME(negatives="some")
