"""Who appears where: the frames of both splits, the queries and their galleries."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from inet_d2.scenes.preset import ScenePreset, SplitSize

MAX_GROUP = 3


@dataclass(frozen=True)
class FramePlan:
    """The people of one frame.

    Attributes:
        number: of the frame, from 1; the frame is called ``s<number>.jpg``.
        is_test: whether the frame belongs to the test split.
        groups: labelled people by number, those of one tuple walk together.
        strangers: unlabelled people by number; they are in no other frame.
    """

    number: int
    is_test: bool
    groups: tuple[tuple[int, ...], ...]
    strangers: tuple[int, ...]

    @property
    def name(self) -> str:
        """File name of the frame."""
        return f"s{self.number}.jpg"

    @property
    def labelled(self) -> tuple[int, ...]:
        """Labelled people, group after group."""
        return tuple(person for group in self.groups for person in group)

    @property
    def people(self) -> tuple[int, ...]:
        """Everybody: the labelled people, then the strangers."""
        return self.labelled + self.strangers


@dataclass(frozen=True)
class QueryPlan:
    """One query and its ranked-over frames.

    Attributes:
        person: number of the person that is searched.
        frame: number of the query's frame.
        positives: numbers of the other frames that the person is in.
        negatives: numbers of the frames without the person, shuffled; as many as the largest gallery takes.
    """

    person: int
    frame: int
    positives: tuple[int, ...]
    negatives: tuple[int, ...]


@dataclass(frozen=True)
class ScenePlan:
    """A whole data set: frames in the order of their numbers, training people, queries."""

    frames: tuple[FramePlan, ...]
    train_people: tuple[int, ...]
    queries: tuple[QueryPlan, ...]


def plan_scenes(preset: ScenePreset, seed: int) -> ScenePlan:
    """Decide who appears in which frame.

    People are numbered: training identities first, then test identities, then strangers. The frames of the two
    splits are numbered in mixed order, as in the real data.

    Args:
        preset: the sizes.
        seed: >= 0; the same seed gives the same plan.

    Returns:
        The plan.
    """
    rng = np.random.default_rng([seed, 0])
    train_ids, test_ids = preset.train.ids, preset.test.ids
    stranger = train_ids + test_ids
    numbers = rng.permutation(preset.train.frames + preset.test.frames) + 1
    frames: list[FramePlan] = []
    for size, first, is_test in ((preset.train, 0, False), (preset.test, train_ids, True)):
        for groups in _fill_frames(size, first, rng):
            count = int(rng.poisson(size.strangers))
            count = max(min(count, 10 - sum(map(len, groups))), 0 if groups else 1)
            number = int(numbers[len(frames)])
            frames.append(FramePlan(number, is_test, groups, tuple(range(stranger, stranger + count))))
            stranger += count
    frames.sort(key=lambda frame: frame.number)
    queries = _plan_queries(frames, max(preset.gallery_sizes), rng)
    return ScenePlan(tuple(frames), tuple(range(train_ids)), queries)


def _fill_frames(size: SplitSize, first: int, rng: np.random.Generator) -> list[tuple[tuple[int, ...], ...]]:
    """Spread the identities of a split over its frames: emptiest frame first, nobody twice in one frame."""
    starts = [0]
    while starts[-1] < size.ids:
        starts.append(min(starts[-1] + int(rng.integers(1, MAX_GROUP + 1)), size.ids))
    groups = [tuple(range(first + a, first + b)) for a, b in pairwise(starts)]
    load = np.zeros(size.frames)
    frames: list[list[tuple[int, ...]]] = [[] for _ in range(size.frames)]
    for index in sorted(range(len(groups)), key=lambda i: -len(groups[i])):
        count = int(rng.integers(size.appearances[0], size.appearances[1] + 1))
        for frame in np.lexsort((rng.random(size.frames), load))[:count]:
            frames[frame].append(groups[index])
            load[frame] += len(groups[index])
    return [tuple(groups) for groups in frames]


def _plan_queries(frames: list[FramePlan], gallery: int, rng: np.random.Generator) -> tuple[QueryPlan, ...]:
    """One query for each test identity, in mixed order."""
    seen_in: dict[int, list[int]] = {}
    pool = np.array([frame.number for frame in frames if frame.is_test])
    for frame in frames:
        for person in frame.labelled if frame.is_test else ():
            seen_in.setdefault(person, []).append(frame.number)
    queries = []
    for person in rng.permutation(sorted(seen_in)).tolist():
        own = rng.permutation(seen_in[person])
        others = rng.permutation(pool[~np.isin(pool, own)])[: max(gallery - len(own) + 1, 0)]
        queries.append(QueryPlan(person, int(own[0]), tuple(own[1:].tolist()), tuple(others.tolist())))
    return tuple(queries)
