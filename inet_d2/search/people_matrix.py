"""All embeddings of an index as one matrix in memory: exact search by one product.

Shapes: N rows, F frames, D embedding size, Q examples.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from inet_d2.search.similarity import combined_similarities, top_rows
from inet_d2.search.store import Rows, Where

SPARSE = 0.25  # below this share of a range, its rows are gathered before the product
MAX_PARTS = 8


@dataclass(frozen=True, eq=False)
class FrameColumns:
    """One entry for each frame: ``sources`` (F,) int64; ``offsets``, ``untils`` and ``times`` (F,) float64."""

    sources: np.ndarray
    offsets: np.ndarray
    untils: np.ndarray
    times: np.ndarray

    def matching(self, where: Where) -> np.ndarray:
        """(F,) bool: source, time and offset fit."""
        keep = np.ones(len(self.sources), dtype=bool)
        if where.sources is not None:
            keep &= np.isin(self.sources, np.fromiter(where.sources, np.int64))
        for begin, end, (low, high) in (
            (self.times, self.times + (self.untils - self.offsets), where.times),
            (self.offsets, self.untils, where.offsets),
        ):
            if low is not None:
                keep &= end >= low
            if high is not None:
                keep &= begin <= high
        return keep


@dataclass(frozen=True, eq=False)
class Part:
    """Rows that were read together.

    Attributes:
        frames: their frames.
        ids: (N,) int64, ascending.
        row_frames: (N,) int32, which of ``frames`` a row belongs to.
        boxes: (N, 4) float32.
        scores: (N,) float32.
        embeddings: (N, D) float32.
    """

    frames: FrameColumns
    ids: np.ndarray
    row_frames: np.ndarray
    boxes: np.ndarray
    scores: np.ndarray
    embeddings: np.ndarray

    def matching(self, where: Where) -> np.ndarray | None:
        """Row numbers that count, ascending; None for all."""
        if where.is_everything:
            return None
        keep = self.frames.matching(where)[self.row_frames]
        if where.min_score > 0:
            keep &= self.scores >= where.min_score
        return np.flatnonzero(keep)

    def search(self, examples: np.ndarray, top: int, where: Where) -> tuple[np.ndarray, np.ndarray]:
        """Row numbers and similarities of the best rows."""
        rows = self.matching(where)
        if rows is None:
            similarities = combined_similarities(self.embeddings, examples)
        elif not len(rows):
            return rows, np.zeros(0, np.float32)
        else:
            low, high = int(rows[0]), int(rows[-1]) + 1
            if len(rows) < SPARSE * (high - low):
                similarities = combined_similarities(self.embeddings[rows], examples)
            else:
                similarities = combined_similarities(self.embeddings[low:high], examples)
                if len(rows) < high - low:
                    similarities = similarities[rows - low]
        best = top_rows(similarities, top)
        return best if rows is None else rows[best], similarities[best]

    def window_keys(self, where: Where, seconds: float) -> np.ndarray:
        """One number for each frame whose people count; equal ones are of one source and one stretch."""
        rows = self.matching(where)
        has_people = np.zeros(len(self.frames.sources), dtype=bool)
        has_people[self.row_frames if rows is None else self.row_frames[rows]] = True
        stretches = (self.frames.offsets[has_people] // seconds).astype(np.int64)
        return (self.frames.sources[has_people] << 32) + stretches

    def take(self, rows: np.ndarray, similarities: np.ndarray | None = None) -> Rows:
        """The people of some rows."""
        frames = self.row_frames[rows]
        columns = (self.frames.sources, self.frames.offsets, self.frames.untils, self.frames.times)
        found = [self.ids[rows], *(column[frames] for column in columns)]
        found += [self.boxes[rows], self.scores[rows], self.embeddings[rows]]
        return Rows(*found, np.zeros(0, np.float32) if similarities is None else similarities)


class PeopleMatrix:
    """The rows of an index, as parts that grow at the end."""

    def __init__(self, dimension: int) -> None:
        self.dimension = dimension
        self._parts: list[Part] = []

    @property
    def num_rows(self) -> int:
        """N."""
        return sum(len(part.ids) for part in self._parts)

    def append(self, part: Part) -> None:
        """Add rows whose ids come after all others."""
        if len(part.ids):
            self._parts.append(part)
        if len(self._parts) > MAX_PARTS:
            self._parts = [_joined(self._parts)]

    def search(self, examples: np.ndarray, top: int, where: Where) -> Rows:
        """See :meth:`inet_d2.search.store.Store.search`."""
        found = [part.take(*part.search(examples, top, where)) for part in self._parts]
        if len(found) == 1:
            return found[0]
        rows = join_rows(found, self.dimension)
        return select(rows, top_rows(rows.similarities, top))

    def rows(self, where: Where, limit: int | None) -> Rows:
        """See :meth:`inet_d2.search.store.Store.rows`."""
        kept = [part.matching(where) for part in self._parts]
        kept = [np.arange(len(p.ids)) if rows is None else rows for p, rows in zip(self._parts, kept, strict=True)]
        total = sum(map(len, kept))
        if limit is not None and total > limit:
            wanted = np.arange(limit) * total // limit
            ends = np.cumsum([len(rows) for rows in kept])
            parts = zip(kept, ends, strict=True)
            kept = [rows[wanted[(wanted >= end - len(rows)) & (wanted < end)] - end + len(rows)] for rows, end in parts]
        return join_rows([p.take(rows) for p, rows in zip(self._parts, kept, strict=True)], self.dimension)

    def people(self, ids: np.ndarray) -> Rows:
        """See :meth:`inet_d2.search.store.Store.people`."""
        found = [part.take(np.flatnonzero(np.isin(part.ids, ids))) for part in self._parts]
        return join_rows(found, self.dimension)

    def windows(self, where: Where, seconds: float) -> int:
        """See :meth:`inet_d2.search.store.Store.windows`."""
        found = [part.window_keys(where, seconds) for part in self._parts]
        keys = np.concatenate(found) if found else np.zeros(0, np.int64)
        if (keys[1:] >= keys[:-1]).all():  # as they come, unless several wrote at once; far faster than to sort them
            return int((keys[1:] != keys[:-1]).sum()) + bool(len(keys))
        return len(np.unique(keys))


def join_rows(rows: Sequence[Rows], dimension: int) -> Rows:
    """Put rows one after the other."""
    if not rows:
        shapes = ((0,), (0,), (0,), (0,), (0,), (0, 4), (0,), (0, dimension), (0,))
        types = (np.int64, np.int64, float, float, float, *[np.float32] * 4)
        return Rows(*(np.zeros(shape, dtype) for shape, dtype in zip(shapes, types, strict=True)))
    return Rows(*(np.concatenate([getattr(part, name) for part in rows]) for name in Rows.__dataclass_fields__))


def select(rows: Rows, chosen: np.ndarray) -> Rows:
    """Some of the rows, in the order of ``chosen`` (numbers or a mask)."""
    columns = {name: getattr(rows, name) for name in Rows.__dataclass_fields__}
    return Rows(*(column if not len(column) else column[chosen] for column in columns.values()))


def _joined(parts: Sequence[Part]) -> Part:
    shifts = np.cumsum([0, *(len(part.frames.sources) for part in parts)])
    names = FrameColumns.__dataclass_fields__
    return Part(
        FrameColumns(*(np.concatenate([getattr(part.frames, name) for part in parts]) for name in names)),
        np.concatenate([part.ids for part in parts]),
        np.concatenate([part.row_frames + np.int32(n) for part, n in zip(parts, shifts[:-1], strict=True)]),
        np.concatenate([part.boxes for part in parts]),
        np.concatenate([part.scores for part in parts]),
        np.concatenate([part.embeddings for part in parts]),
    )
