import numpy as np
import pytest

from inet_d2.baselines.detectors.boosting import BoostedTrees, train_trees


def slow_score(trees, window):
    total = 0.0
    for features, thresholds, values in zip(trees.features, trees.thresholds, trees.values, strict=True):
        node = 0
        for _ in range(trees.depth):
            node = 2 * node + (1 if window[features[node]] < thresholds[node] else 2)
        total += values[node]
    return total


def ring(count=400, seed=0):
    """Two features; people are within a circle, which no single cut finds."""
    windows = np.random.default_rng(seed).uniform(-1, 1, (count, 2)).astype(np.float32)
    return windows, (windows**2).sum(axis=1) < 0.5


@pytest.mark.parametrize("discrete", [True, False])
@pytest.mark.parametrize("depth", [1, 2, 3])
def test_scores_equal_their_slow_twin(discrete, depth):
    windows, is_person = ring()
    options = {"num_trees": 9, "depth": depth, "share": 1.0, "discrete": discrete}
    trees = train_trees(windows, is_person, **options, generator=np.random.default_rng(0))
    assert trees.features.shape == (9, 2 ** (depth + 1) - 1)
    np.testing.assert_allclose(trees.scores(windows), [slow_score(trees, w) for w in windows], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("discrete", [True, False])
def test_it_learns_a_circle(discrete):
    options = {"num_trees": 64, "depth": 2, "share": 1.0, "discrete": discrete}
    trees = train_trees(*ring(), **options, generator=np.random.default_rng(0))
    windows, is_person = ring(seed=1)
    assert ((trees.scores(windows) > 0) == is_person).mean() > 0.93


def test_one_discrete_cut_by_hand():
    # Feature 1 parts 3 of 4 people from both others. Each kind weighs one half: the person on the wrong side
    # weighs 1/8, so alpha = 0.5 ln((7/8) / (1/8)) = 0.973.
    windows = np.array([[0, 1], [0, 1], [0, 1], [0, 0], [0, 0], [0, 0]], dtype=np.float32)
    is_person = np.array([1, 1, 1, 1, 0, 0], dtype=bool)
    trees = train_trees(windows, is_person, num_trees=1, depth=1, share=1.0, generator=np.random.default_rng(0))
    assert trees.features[0, 0] == 1
    assert 0 < trees.thresholds[0, 0] <= 1
    np.testing.assert_allclose(trees.values[0, 1:], [-0.973, 0.973], atol=1e-3)


def test_one_real_cut_by_hand():
    # The left leaf holds one person of 1/8 and both others of 1/4 each: 0.5 ln((1/5) / (4/5)) = -0.693; the right
    # one people only: cut at 4.
    windows = np.array([[0, 1], [0, 1], [0, 1], [0, 0], [0, 0], [0, 0]], dtype=np.float32)
    is_person = np.array([1, 1, 1, 1, 0, 0], dtype=bool)
    options = {"num_trees": 1, "depth": 1, "share": 1.0, "discrete": False}
    trees = train_trees(windows, is_person, **options, generator=np.random.default_rng(0))
    np.testing.assert_allclose(trees.values[0, 1:], [-0.693, 4], atol=1e-3)


def test_a_share_of_the_features():
    windows = np.random.default_rng(0).random((60, 64)).astype(np.float32)
    trees = train_trees(
        windows, windows[:, 5] > 0.5, num_trees=20, depth=1, share=1 / 16, generator=np.random.default_rng(0)
    )
    # Four of 64 features for each tree: the telling one cannot be in all of them.
    assert len(np.unique(trees.features[:, 0])) > 5


def test_a_shift_moves_every_tree():
    trees = train_trees(*ring(), num_trees=5, depth=2, share=1.0, generator=np.random.default_rng(0))
    windows = ring()[0]
    np.testing.assert_allclose(trees.shifted(0.25).scores(windows), trees.scores(windows) + 1.25, rtol=1e-4)


def test_one_kind_alone_is_refused():
    with pytest.raises(ValueError, match="found 4 with and 0 without"):
        train_trees(np.ones((4, 2), np.float32), np.ones(4, bool), num_trees=1, generator=np.random.default_rng(0))


def test_no_trees():
    empty = BoostedTrees(np.zeros((0, 3), int), np.zeros((0, 3)), np.zeros((0, 3)), 1)
    assert empty.scores(np.ones((2, 5))).tolist() == [0, 0]
