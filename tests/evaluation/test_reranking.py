import numpy as np
import pytest

from inet_d2.evaluation.reranking import k_reciprocal_distances


def slow_twin(queries, gallery, k1, k2, weight):
    """The published procedure, row after row, on dense arrays."""
    rows = np.concatenate([queries, gallery]).astype(np.float64)
    distances = ((rows[:, None] - rows[None]) ** 2).sum(axis=2)
    distances = distances / distances.max(axis=1, keepdims=True)
    ranks = np.argsort(distances, axis=1, kind="stable")

    def reciprocal(row, k):
        return [x for x in ranks[row, : k + 1] if row in ranks[x, : k + 1]]

    encoded = np.zeros_like(distances)
    for row in range(len(rows)):
        own = reciprocal(row, k1)
        expanded = set(own)
        for candidate in own:
            theirs = reciprocal(candidate, int(np.around(k1 / 2)))
            if len(set(theirs) & set(own)) > 2 / 3 * len(theirs):
                expanded |= set(theirs)
        members = sorted(expanded)
        values = np.exp(-distances[row, members])
        encoded[row, members] = values / values.sum()
    encoded = np.stack([encoded[ranks[row, :k2]].mean(axis=0) for row in range(len(rows))])
    q = len(queries)
    shared = np.minimum(encoded[:q, None], encoded[None, q:]).sum(axis=2)
    return (1 - weight) * (1 - shared / (2 - shared)) + weight * distances[:q, q:]


def test_hand_case():
    # On a line: query 0; gallery 1, 3, 3.5. With k1 = 1 the pairs (0, 1) and (3, 3.5) have each other.
    # Query: weights e^0 and e^(-1/12.25) = 0.9216, over their sum 0.5204, 0.4796. Row 1, whose largest squared distance
    # is 6.25: e^0 and e^(-1/6.25) = 0.8521, so 0.5399 for itself and 0.4601 for the query.
    # Shared 0.4601 + 0.4796 = 0.9397; Jaccard 1 - 0.9397 / 1.0603 = 0.1137; 0.7 * 0.1137 + 0.3 / 12.25 = 0.1041.
    # The others share nothing: 0.7 + 0.3 * 9 / 12.25 = 0.9204, and 0.7 + 0.3.
    found = k_reciprocal_distances(np.array([[0.0]]), np.array([[1.0], [3.0], [3.5]]), k1=1, k2=1)
    assert found == pytest.approx(np.array([[0.1041, 0.9204, 1.0]]), abs=1e-4)


@pytest.mark.parametrize(("k1", "k2", "weight"), [(20, 6, 0.3), (5, 1, 0.0), (3, 2, 0.7), (50, 9, 0.3)])
@pytest.mark.parametrize("seed", [0, 1])
def test_against_the_slow_twin(k1, k2, weight, seed):
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(6, 8))
    queries = centres[rng.integers(6, size=7)] + 0.4 * rng.normal(size=(7, 8))
    gallery = centres[rng.integers(6, size=30)] + 0.4 * rng.normal(size=(30, 8))
    found = k_reciprocal_distances(queries, gallery, k1=k1, k2=k2, weight=weight)
    assert found.dtype == np.float32
    assert found == pytest.approx(slow_twin(queries, gallery, k1, k2, weight), abs=2e-5)


def test_blocks_do_not_show(monkeypatch):
    rng = np.random.default_rng(2)
    queries, gallery = rng.normal(size=(9, 4)), rng.normal(size=(40, 4))
    whole = k_reciprocal_distances(queries, gallery)
    monkeypatch.setattr("inet_d2.evaluation.reranking._ROWS_AT_ONCE", 7)
    monkeypatch.setattr("inet_d2.evaluation.reranking._PAIRS_AT_ONCE", 90)
    assert k_reciprocal_distances(queries, gallery) == pytest.approx(whole, abs=1e-6)


def test_the_whole_weight_leaves_the_ranking():
    rng = np.random.default_rng(3)
    queries, gallery = rng.normal(size=(5, 4)), rng.normal(size=(20, 4))
    found = k_reciprocal_distances(queries, gallery, weight=1.0)
    plain = ((queries[:, None] - gallery) ** 2).sum(axis=2)
    assert (np.argsort(found, axis=1) == np.argsort(plain, axis=1)).all()


def test_moving_and_turning_all_embeddings_changes_nothing():
    rng = np.random.default_rng(4)
    queries, gallery = rng.normal(size=(5, 4)), rng.normal(size=(25, 4))
    turn = np.linalg.qr(rng.normal(size=(4, 4)))[0]
    moved = k_reciprocal_distances(3 * queries @ turn + 1, 3 * gallery @ turn + 1)
    assert moved == pytest.approx(k_reciprocal_distances(queries, gallery), abs=1e-4)


def test_copies_and_tiny_galleries():
    found = k_reciprocal_distances(np.ones((2, 3)), np.ones((3, 3)))
    assert found == pytest.approx(np.zeros((2, 3)), abs=1e-6)
    assert k_reciprocal_distances(np.zeros((1, 2)), np.zeros((0, 2))).shape == (1, 0)


@pytest.mark.parametrize("bad", [{"k1": 0}, {"k2": 0}, {"weight": 1.5}])
def test_bad_arguments(bad):
    with pytest.raises(ValueError, match="re-ranking: expected"):
        k_reciprocal_distances(np.zeros((1, 2)), np.zeros((2, 2)), **bad)
