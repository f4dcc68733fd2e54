"""Context bipartite graph matching: people seen beside the query help to find it. Not part of the standard protocol.

Source: SeqNet (Li and Miao, AAAI 2021), section on context bipartite graph matching.
"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from inet_d2.arrays import expand_ranges, rows_of
from inet_d2.boxes import BoxesByImage, paired_iou
from inet_d2.evaluation.exact_similarity import length_exponents, to_grid
from inet_d2.evaluation.gallery_walk import Walk
from inet_d2.evaluation.predictions import ContextPredictions, SearchPredictions


@dataclass(frozen=True)
class GraphMatchingSize:
    """How far the matching looks.

    Attributes:
        detections: the images of this many most similar detections are matched.
        people: people of the query image in the graph, the query included.
    """

    detections: int = 10
    people: int = 3


CUHK_SYSU_SIZE = GraphMatchingSize(detections=10, people=3)
PRW_SIZE = GraphMatchingSize(detections=30, people=4)


class GraphMatching:
    """Raises the similarity of the detection that a matching of whole scenes assigns to the query.

    In each image that owns one of the most similar detections, the query's people and the image's detections
    are assigned to each other with the largest total similarity; the detection assigned to the query then
    gets the largest single similarity of that assignment.

    Args:
        context: people of the query images, in the order of the predictions' queries.
        query_embeddings: (Q, D) float32, in the order of the protocol; they set the scale of similarities.
        query_rows: (Q,) int64, for each query of the protocol its row in the predictions.
        gallery: detections of the test images in the protocol's order, cut at the score threshold.
        gallery_embeddings: (N, D) float32.
        size: how far to look.
    """

    def __init__(
        self,
        context: ContextPredictions,
        query_embeddings: np.ndarray,
        query_rows: np.ndarray,
        gallery: BoxesByImage,
        gallery_embeddings: np.ndarray,
        size: GraphMatchingSize = CUHK_SYSU_SIZE,
    ) -> None:
        self._size = size
        self._gallery, self._starts = gallery, gallery.starts
        self._owners = np.repeat(np.arange(len(gallery.counts)), gallery.counts)
        self._embeddings = to_grid(gallery_embeddings, per_row=False)
        starts = np.cumsum(context.context_counts) - context.context_counts
        rows, owners = expand_ranges(starts[query_rows], context.context_counts[query_rows])
        is_query = np.diff(owners, prepend=-1) != 0
        scores = np.where(is_query, np.inf, context.context_scores[rows])
        order = np.lexsort((-scores, owners))
        places = np.arange(len(rows)) - np.flatnonzero(is_query)[owners]
        kept = places < size.people
        people = context.context_embeddings[rows[order][kept]]
        shift = length_exponents(people, per_row=False) - length_exponents(query_embeddings, per_row=False)
        self._people = to_grid(people, per_row=False) * np.ldexp(1.0, shift)
        self._people_offsets = np.searchsorted(owners[order][kept], np.arange(len(query_rows) + 1))

    def __call__(self, walk: Walk, first: int) -> None:
        """Revise the similarities of a block of queries in place.

        Args:
            walk: galleries of the block.
            first: its first query.
        """
        for row in range(len(walk.similarities)):
            people = self._people[slice(*self._people_offsets[first + row : first + row + 2])]
            self._revise_row(walk.similarities[row], walk.listed[row], people)

    def _revise_row(self, similarities: np.ndarray, listed: np.ndarray, people: np.ndarray) -> None:
        num_listed = len(listed)
        columns = _best_columns(similarities, self._size.detections)
        in_list = columns < num_listed
        detections = columns - num_listed
        detections[in_list] = listed[columns[in_list]]
        for image in np.unique(self._owners[detections]):
            start, count = self._starts[image], self._gallery.counts[image]
            edges = people @ self._embeddings[start : start + count].T
            persons, assigned = linear_sum_assignment(edges, maximize=True)
            if persons[0] != 0:  # fewer detections than people, and none for the query
                continue
            found = start + assigned[0]
            places = np.flatnonzero(listed == found)
            if len(similarities) > num_listed and similarities[num_listed + found] > -np.inf:
                places = np.append(places, num_listed + found)
            similarities[places] = edges[persons, assigned].max()


def _best_columns(similarities: np.ndarray, k: int) -> np.ndarray:
    """The k columns of highest similarity inside the gallery, of equal ones the first."""
    inside = np.flatnonzero(similarities > -np.inf)
    if len(inside) > k:
        least = np.partition(similarities[inside], len(inside) - k)[len(inside) - k]
        inside = inside[similarities[inside] >= least]
    return inside[np.argsort(-similarities[inside], kind="stable")[:k]]


def context_of_queries(predictions: SearchPredictions, max_iou: float = 0.5) -> ContextPredictions:
    """Collect the people of each query image from predictions of the whole test split.

    Args:
        predictions: whose gallery holds the query images; a query image that it lacks has no other people.
        max_iou: detections that overlap the query box by this or more are the query itself and left out.

    Returns:
        For each query, in the order of the predictions, its own box with score 1, then the image's
        detections.
    """
    images = rows_of(predictions.query_names, predictions.gallery_names)
    present = np.flatnonzero(images >= 0)
    counts = predictions.gallery_counts
    rows, owners = expand_ranges((np.cumsum(counts) - counts)[images[present]], counts[images[present]])
    queries = present[owners]
    other = paired_iou(predictions.query_boxes[queries], predictions.gallery_boxes[rows]) < max_iou
    rows, queries = rows[other], queries[other]
    num_queries = len(predictions.query_names)
    order = np.argsort(np.concatenate([np.arange(num_queries), queries]), kind="stable")

    def merged(own: np.ndarray, others: np.ndarray) -> np.ndarray:
        return np.concatenate([own, others[rows]])[order]

    return ContextPredictions(
        context_counts=1 + np.bincount(queries, minlength=num_queries),
        context_scores=merged(np.ones(num_queries, dtype=np.float32), predictions.gallery_scores),
        context_embeddings=merged(predictions.query_embeddings, predictions.gallery_embeddings),
    )
