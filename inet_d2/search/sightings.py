"""From single hits to sightings: where and when somebody was seen, one row for each stay.

Shapes: K hits, S sightings.
"""

from dataclasses import dataclass

import numpy as np

from inet_d2.search.store import Rows


@dataclass(frozen=True)
class Sighting:
    """Hits of one source with little time between them.

    Attributes:
        source: id of the source.
        begin: offset of the first hit; 0 for an image.
        end: offset up to which the last hit's picture stayed as it was.
        time: time of the best hit.
        best: number of the best hit among the rows it was made of.
        hits: numbers of all hits, most similar first.
        similarity: of the best hit.
    """

    source: int
    begin: float
    end: float
    time: float
    best: int
    hits: tuple[int, ...]
    similarity: float


def group_sightings(rows: Rows, gap: float) -> list[Sighting]:
    """Group hits.

    Args:
        rows: the hits, most similar first.
        gap: hits of one source less than this many seconds apart belong together, >= 0.

    Returns:
        Sightings by their best hit, most similar first.
    """
    if not len(rows):
        return []
    order = np.lexsort((rows.offsets, rows.sources))
    sources, offsets, untils = rows.sources[order], rows.offsets[order], rows.untils[order]
    starts = [True]
    latest = untils[0]
    for i in range(1, len(order)):  # over the hits of one answer, some hundreds
        is_new = sources[i] != sources[i - 1] or offsets[i] - latest >= gap
        latest = untils[i] if is_new else max(latest, untils[i])
        starts.append(bool(is_new))
    groups = np.split(order, np.flatnonzero(starts)[1:])
    return sorted((_sighting(rows, np.sort(group)) for group in groups), key=lambda sighting: sighting.best)


def _sighting(rows: Rows, hits: np.ndarray) -> Sighting:
    best = int(hits[0])  # rows come most similar first
    return Sighting(
        int(rows.sources[best]),
        float(rows.offsets[hits].min()),
        float(rows.untils[hits].max()),
        float(rows.times[best]),
        best,
        tuple(int(hit) for hit in hits),
        float(rows.similarities[best]),
    )
