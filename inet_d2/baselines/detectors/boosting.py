"""AdaBoost of shallow trees over quantised features, and the cascade that they make.

Shapes: n windows of D features, T trees of depth d with N = 2^(d + 1) - 1 nodes; the children of node k are 2k + 1
(feature below the threshold) and 2k + 2.
"""

from dataclasses import dataclass, replace

import numpy as np

LEVELS = 256
# A node that holds less weight, or is as good as pure, is a leaf.
LEAST_WEIGHT, LEAST_IMPURITY = 0.01, 0.001
LARGEST_REAL, LARGEST_ALPHA = 4.0, 5.0


@dataclass(frozen=True)
class BoostingPlan:
    """How a cascade is trained.

    Attributes:
        stages: trees of each stage; each begins anew, with the false alarms of the one before.
        depth: of the trees.
        discrete: votes instead of half log-odds at the leaves.
        negatives: windows without people that a stage adds.
        negatives_kept: of all, drawn at random.
        per_frame: windows without people of one frame at most.
        frames: frames that a stage takes them from at most.
        least_height: people lower than this are left out, pixels.
        shift: added to every leaf of a stage, so that fewer people fall out of the cascade.
    """

    stages: tuple[int, ...] = (32, 128, 512, 2048)
    depth: int = 2
    discrete: bool = True
    negatives: int = 5000
    negatives_kept: int = 10000
    per_frame: int = 25
    frames: int = 20000
    least_height: float = 50.0
    shift: float = 0.015


@dataclass(frozen=True, eq=False)
class BoostedTrees:
    """A sum of trees.

    Attributes:
        features: (T, N) int32 feature that a node looks at; 0 at leaves.
        thresholds: (T, N) float32; infinite at leaves, so that every window ends on the left, in a copy of the leaf.
        values: (T, N) float32 what each node adds, of which only those of the last level count.
        depth: d.
    """

    features: np.ndarray
    thresholds: np.ndarray
    values: np.ndarray
    depth: int

    def shifted(self, by: float) -> "BoostedTrees":
        """The same trees with a number added to what each gives."""
        return replace(self, values=self.values + np.float32(by))

    def tree_scores(self, windows: np.ndarray, start: int, stop: int) -> np.ndarray:
        """What trees give to windows.

        Args:
            windows: (n, D) float32.
            start: first tree.
            stop: the one after the last.

        Returns:
            (n, stop - start) float32.
        """
        trees = np.arange(start, stop)
        nodes = np.zeros((len(windows), len(trees)), dtype=np.int64)
        rows = np.arange(len(windows))[:, None]
        for _ in range(self.depth):
            is_right = windows[rows, self.features[trees, nodes]] >= self.thresholds[trees, nodes]
            nodes = 2 * nodes + 1 + is_right
        return self.values[trees, nodes]

    def scores(self, windows: np.ndarray) -> np.ndarray:
        """Sum of all trees for (n, D) windows; (n,) float32."""
        steps = range(0, len(self.features), 64)
        parts = [self.tree_scores(windows, s, min(s + 64, len(self.features))).sum(axis=1) for s in steps]
        return np.sum(parts, axis=0) if parts else np.zeros(len(windows), dtype=np.float32)


def quantise(windows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features as 8-bit steps.

    Args:
        windows: (n, D) float32.

    Returns:
        (n, D) uint8, and (D,) float32 lowest value and (D,) float32 size of a step.
    """
    low, high = windows.min(axis=0) - 0.01, windows.max(axis=0) + 0.01
    step = (high - low) / (LEVELS - 1)
    return ((windows - low) / step).astype(np.uint8), low, step


def train_trees(
    windows: np.ndarray,
    is_person: np.ndarray,
    *,
    num_trees: int,
    depth: int = 2,
    share: float = 1 / 16,
    discrete: bool = True,
    generator: np.random.Generator,
) -> BoostedTrees:
    """Boost trees, each on the windows that those before get wrong.

    Args:
        windows: (n, D) float32.
        is_person: (n,) bool.
        num_trees: at most; it ends earlier when nothing is wrong any more.
        depth: of the trees.
        share: of the features that each tree looks at, drawn anew.
        discrete: leaves are votes of equal weight in a tree, else half the log-odds.
        generator: draws the features.

    Returns:
        The trees.

    Raises:
        ValueError: one of the two kinds of windows is missing.
    """
    if is_person.all() or not is_person.any():
        raise ValueError(
            f"boosting: expected windows with and without people, found {int(is_person.sum())} with and "
            f"{int((~is_person).sum())} without; train on frames that have annotated people"
        )
    levels, low, step = quantise(windows)
    levels = np.ascontiguousarray(levels.T)  # a feature's levels stand together
    labels = np.where(is_person, 1.0, -1.0)
    weights = np.where(is_person, 0.5 / is_person.sum(), 0.5 / (~is_person).sum())
    count = max(round(share * len(levels)), 1)
    trees, total = [], np.zeros(len(labels))
    for _ in range(num_trees):
        chosen = np.sort(generator.permutation(len(levels))[:count])
        tree, found = _grow(levels[chosen], weights / weights.sum(), is_person, depth, discrete)
        features, cuts, values = tree
        features = np.where(cuts < LEVELS, chosen[features], 0)
        thresholds = np.where(cuts < LEVELS, low[features] + cuts * step[features], np.inf)
        trees.append((features, thresholds, values))
        total += found
        weights = np.exp(-labels * np.clip(total, -60, 60))
        weights *= np.where(is_person, 0.5 / is_person.sum(), 0.5 / (~is_person).sum())
        if weights.sum() < 1e-40:
            break
    stacked = [np.stack(parts) for parts in zip(*trees, strict=True)]
    return BoostedTrees(
        stacked[0].astype(np.int32), stacked[1].astype(np.float32), stacked[2].astype(np.float32), depth
    )


def _grow(
    levels: np.ndarray, weights: np.ndarray, is_person: np.ndarray, depth: int, discrete: bool
) -> tuple[tuple[np.ndarray, np.ndarray, np.ndarray], np.ndarray]:
    """One tree: features, cuts (``LEVELS`` at leaves) and values of its nodes; (n,) what it gives to each window."""
    num_nodes = 2 ** (depth + 1) - 1
    features, cuts = np.zeros(num_nodes, dtype=np.int64), np.full(num_nodes, LEVELS)
    values, nodes = np.zeros(num_nodes), np.zeros(levels.shape[1], dtype=np.int64)
    members = {0: np.arange(levels.shape[1])}
    for node in range(num_nodes):
        inside = members.pop(node)
        weight = weights[inside]
        people = weight[is_person[inside]].sum()
        total = weight.sum()
        prior = people / total if total > 0 else 0.5
        if total == 0 and node:
            values[node] = values[(node - 1) // 2]
        elif discrete:
            values[node] = 1.0 if prior >= 0.5 else -1.0
        else:
            odds = 0.5 * np.log(max(prior, 1e-12) / max(1 - prior, 1e-12))
            values[node] = np.clip(odds, -LARGEST_REAL, LARGEST_REAL)
        nodes[inside] = node
        if 2 * node + 2 >= num_nodes:
            continue
        is_right = np.zeros(len(inside), dtype=bool)
        if total >= LEAST_WEIGHT and LEAST_IMPURITY <= prior <= 1 - LEAST_IMPURITY:
            features[node], cuts[node] = _best_cut(levels[:, inside], weight, is_person[inside])
            is_right = levels[features[node], inside] >= cuts[node]
        members[2 * node + 1], members[2 * node + 2] = inside[~is_right], inside[is_right]
    found = values[nodes]
    if discrete:
        wrong = weights[(found > 0) != is_person].sum() / weights.sum()
        alpha = 0.5 * np.log(max(1 - wrong, 1e-12) / max(wrong, 1e-12))
        alpha = np.clip(alpha, -LARGEST_ALPHA, LARGEST_ALPHA)
        values, found = values * alpha, found * alpha
    return (features, cuts, values), found


def _best_cut(levels: np.ndarray, weights: np.ndarray, is_person: np.ndarray) -> tuple[int, int]:
    """The feature and the level (below: left) that part the two kinds with the least weighted error."""
    sums = []
    for kind in (is_person, ~is_person):
        inside = np.ascontiguousarray(levels[:, kind])
        places = inside + LEVELS * np.arange(len(levels))[:, None]
        weight = np.broadcast_to(weights[kind], inside.shape)
        counted = np.bincount(places.ravel(), weight.ravel(), minlength=len(levels) * LEVELS)
        sums.append(np.cumsum(counted.reshape(len(levels), LEVELS), axis=1))
    people, others = sums
    # Error if people are on the right: people on the left are wrong, and others on the right.
    wrong = people + others[:, -1:] - others
    error = np.minimum(wrong, weights.sum() - wrong)
    feature, level = np.unravel_index(error[:, :-1].argmin(), (len(levels), LEVELS - 1))
    return int(feature), int(level) + 1
