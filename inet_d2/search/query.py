"""Search an index for one person, by one picture or several; say honestly what is a find and what is not.

Shapes: Q examples, R rejected people, D embedding size.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from inet_d2.search.calibration import Curve, read_curve
from inet_d2.search.null_distribution import NullDistribution
from inet_d2.search.people_matrix import select
from inet_d2.search.query_picture import QueryPicture, is_copy
from inet_d2.search.sightings import Sighting, group_sightings
from inet_d2.search.similarity import nearest_similarities
from inet_d2.search.store import Rows, Source, Store, Where

MIN_HITS = 200  # hits that are looked at, however few sightings are wanted
HITS_PER_SIGHTING = 20
ROUNDING = 1e-3  # of a similarity: embeddings may be kept as float16


@dataclass(frozen=True, eq=False)
class Query:
    """What is searched.

    Attributes:
        examples: (Q, D) unit length, pictures of the person.
        rejected: (R, D) unit length, people who are somebody else.
        pictures: where the examples come from, so that they are not found again as if they were news.
        top: largest number of sightings.
        where: which rows count.
        false_alarms: share of searches for somebody absent that may show a find, in (0, 1).
        gap: see :func:`inet_d2.search.sightings.group_sightings`; 0 gives single hits.
    """

    examples: np.ndarray
    rejected: np.ndarray | None = None
    pictures: Sequence[QueryPicture] = ()
    top: int = 10
    where: Where = field(default_factory=Where)
    false_alarms: float = 0.05
    gap: float = 2.0

    def __post_init__(self) -> None:
        if self.top < 1:
            raise ValueError(f"--top: expected at least 1, found {self.top}")
        if not 0 < self.false_alarms < 1:
            raise ValueError(f"--false-alarms: expected more than 0 and less than 1, found {self.false_alarms:g}")
        if self.gap < 0:
            raise ValueError(f"--gap: expected at least 0 seconds, found {self.gap:g}")


@dataclass(frozen=True, eq=False)
class Found:
    """One row of an answer.

    Attributes:
        sighting: when.
        source: where.
        ids: (k,) int64, the people, most similar first.
        boxes: (k, 4) float32 XYXY, pixels of the picture.
        offsets: (k,) float64.
        scores: (k,) float32.
        is_copy: it is the query's own picture, or a copy of it.
        is_rejected: it is more like somebody rejected than like the query.
        is_find: it passes the threshold and is neither of these; ``None`` where the index has no threshold.
        false_alarm_rate: share of searches for somebody absent that would show a hit this good; ``None`` without
            a curve.
        deviations: robust standard deviations above what this index's other people reach.
    """

    sighting: Sighting
    source: Source
    ids: np.ndarray
    boxes: np.ndarray
    offsets: np.ndarray
    scores: np.ndarray
    is_copy: bool
    is_rejected: bool
    is_find: bool | None
    false_alarm_rate: float | None
    deviations: float | None


@dataclass(frozen=True, eq=False)
class Answer:
    """The answer to a query.

    Attributes:
        found: most similar first; copies of the query's picture too, which are no finds.
        threshold: similarity that a find needs; ``None`` without a curve.
        curve: what the threshold was read from.
        num_windows: images and stretches of video that were searched.
        num_people: people in the index.
        query: as it was asked.
        null: how this query compares with everybody in the index.
    """

    found: list[Found]
    threshold: float | None
    curve: Curve | None
    num_windows: int
    num_people: int
    query: Query
    null: NullDistribution

    @property
    def finds(self) -> list[Found]:
        """What passes the threshold."""
        return [found for found in self.found if found.is_find]

    @property
    def is_not_found(self) -> bool:
        """There is a threshold, and nothing passes it."""
        return self.threshold is not None and not self.finds


def search(store: Store, query: Query) -> Answer:
    """Search a person.

    Args:
        store: the index.
        query: whom, and where.

    Returns:
        Sightings, most similar first.

    Raises:
        ValueError: the index holds nobody, or embeddings of another size.
    """
    num_people = store.count().people
    if not num_people:
        raise ValueError("the index holds nobody; add pictures of people with: inet-search index SOURCE --to INDEX")
    examples = np.asarray(query.examples, dtype=np.float32)
    num_windows = store.windows(query.where, max(query.gap, 1.0))
    curve = read_curve(store)
    threshold = curve.threshold(query.false_alarms, max(num_windows, 1)) if curve else None
    rows = store.search(examples, max(MIN_HITS, HITS_PER_SIGHTING * query.top), query.where)
    null = NullDistribution.of(store, examples, query.where)
    rows = _hits_above(rows, threshold, query)
    sources = {source.id: source for source in store.sources(np.unique(rows.sources).tolist())}
    sightings = group_sightings(rows, query.gap) if query.gap else _single(rows)
    found = []
    for sighting in sightings[: query.top + len(query.pictures)]:
        found.append(_found(store, sighting, sources[sighting.source], rows, query, (curve, threshold, num_windows)))
    found = _without_surplus(found, query.top)
    found = [Found(**{**vars(f), "deviations": null.deviations(f.sighting.similarity)}) for f in found]
    return Answer(found, threshold, curve, num_windows, num_people, query, null)


def _hits_above(rows: Rows, threshold: float | None, query: Query) -> Rows:
    """Leave out people who only stand beside the one who is searched.

    Below the threshold, a picture counts with its best box alone; near a find, other hits are no part of it.
    """
    if not query.gap or not len(rows):
        return rows
    passes = np.zeros(len(rows), bool) if threshold is None else rows.similarities >= threshold
    keep = passes.copy()
    _, best_of_frame = np.unique(np.stack([rows.sources, rows.offsets]), axis=1, return_index=True)
    keep[best_of_frame] = True  # the first of each, so the most similar
    finds = group_sightings(select(rows, passes), query.gap)
    for i in np.flatnonzero(keep & ~passes):  # over the hits of one answer
        keep[i] = not any(
            rows.sources[i] == s.source and s.begin - query.gap < rows.offsets[i] < s.end + query.gap for s in finds
        )
    return select(rows, keep)


def _single(rows: Rows) -> list[Sighting]:
    columns = zip(rows.sources, rows.offsets, rows.untils, rows.times, rows.similarities, strict=True)
    return [
        Sighting(int(source), float(begin), float(end), float(time), i, (i,), float(similarity))
        for i, (source, begin, end, time, similarity) in enumerate(columns)
    ]


def _found(
    store: Store,
    sighting: Sighting,
    source: Source,
    rows: Rows,
    query: Query,
    line: tuple[Curve | None, float | None, int],
) -> Found:
    curve, threshold, num_windows = line
    hits = select(rows, np.array(sighting.hits))
    own = is_copy(store, select(hits, np.array([0])), source, query.pictures)
    rejected = False
    if query.rejected is not None and len(query.rejected):
        best = hits.embeddings[:1]
        nearest = (nearest_similarities(best, given)[0] for given in (query.rejected, query.examples))
        rejected = next(nearest) >= next(nearest) - ROUNDING  # who was rejected stays so, whatever the rounding
    return Found(
        sighting,
        source,
        hits.ids,
        hits.boxes,
        hits.offsets,
        hits.scores,
        own,
        bool(rejected),
        None if threshold is None else bool(sighting.similarity >= threshold and not own and not rejected),
        curve.false_alarm_rate(sighting.similarity, max(num_windows, 1)) if curve else None,
        None,
    )


def _without_surplus(found: list[Found], top: int) -> list[Found]:
    """``top`` rows beside the copies of the query's own pictures."""
    kept, others = [], 0
    for row in found:
        others += not row.is_copy
        if others <= top:
            kept.append(row)
    return kept
