import numpy as np
import pytest

from inet_d2.data.datasets.protocol import LISTED, LISTED_THEN_REST
from inet_d2.evaluation.graph_matching import (
    GraphMatching,
    GraphMatchingSize,
    _best_columns,
    context_of_queries,
)
from inet_d2.evaluation.predictions import ContextPredictions, SearchPredictions
from inet_d2.evaluation.search_ranking import rank_queries

BOX = [0.0, 0, 40, 40]
FAR = [100.0, 0, 140, 40]


@pytest.fixture
def scene(twins):
    """Image a shows the person (0.6 to the query) beside the query's companion; image b a look-alike (0.8).

    Axes: the query, its companion, the rest. Matching image a: query-person 0.6, companion-companion 1.0, largest
    total 1.6, so the person's similarity becomes 1.0. In image b, the query and its companion compete for one
    detection: 0.8 for the query against 0 for the companion; the look-alike keeps 0.8.
    """
    queries = np.float32([[1, 0, 0]])
    gallery = twins.boxes_by_image([[BOX, FAR], [BOX], []])
    embeddings = np.float32([[0.6, 0, 0.8], [0, 1, 0], [0.8, 0, 0.6]])
    context = ContextPredictions(
        context_counts=[1, 3],
        context_scores=[1.0, 0.1, 0.2, 0.9],
        context_embeddings=np.float32([[0, 0, 1], [1, 0, 0], [0, 0, -1], [0, 1, 0]]),
    )
    lists = [("q", [("b", None), ("a", BOX), ("c", None)])]
    return lists, queries, gallery, embeddings, context


@pytest.mark.parametrize("kind", [LISTED, LISTED_THEN_REST])
def test_companion_lifts_the_person_above_the_look_alike(twins, scene, kind):
    lists, queries, gallery, embeddings, context = scene
    protocols = {"x": twins.protocol(lists, ["a", "b", "c"], kind)}
    plain = rank_queries(queries, gallery, embeddings, protocols)["x"]
    assert plain.best_ranks.tolist() == [1]
    assert plain.average_precisions.tolist() == [0.5]
    # The query is row 1 of the predictions; of its two companions the one of score 0.9 comes first.
    matching = GraphMatching(context, queries, np.array([1]), gallery, embeddings, GraphMatchingSize(10, 2))
    matched = rank_queries(queries, gallery, embeddings, protocols, revise=matching)["x"]
    assert matched.best_ranks.tolist() == [0]
    assert matched.average_precisions.tolist() == [1.0]


def test_only_images_of_the_most_similar_detections_are_matched(twins, scene):
    lists, queries, gallery, embeddings, context = scene
    protocols = {"x": twins.protocol(lists, ["a", "b", "c"])}
    matching = GraphMatching(context, queries, np.array([1]), gallery, embeddings, GraphMatchingSize(1, 2))
    matched = rank_queries(queries, gallery, embeddings, protocols, revise=matching)["x"]
    assert matched.best_ranks.tolist() == [1]


def test_query_alone_changes_nothing(twins, scene):
    lists, queries, gallery, embeddings, context = scene
    protocols = {"x": twins.protocol(lists, ["a", "b", "c"])}
    matching = GraphMatching(context, queries, np.array([1]), gallery, embeddings, GraphMatchingSize(10, 1))
    matched = rank_queries(queries, gallery, embeddings, protocols, revise=matching)["x"]
    assert matched.best_ranks.tolist() == [1]


def test_context_and_queries_share_one_scale(twins, scene):
    """With a context of half length, the only revised detection, the look-alike, falls from 0.8 to 0.4, below 0.6."""
    lists, queries, gallery, embeddings, context = scene
    protocols = {"x": twins.protocol(lists, ["a", "b", "c"])}
    halved = ContextPredictions(context.context_counts, context.context_scores, context.context_embeddings / 2)
    matching = GraphMatching(halved, queries, np.array([1]), gallery, embeddings, GraphMatchingSize(1, 1))
    matched = rank_queries(queries, gallery, embeddings, protocols, revise=matching)["x"]
    assert matched.best_ranks.tolist() == [0]


def test_empty_gallery(twins, scene):
    _, queries, gallery, embeddings, context = scene
    protocols = {"x": twins.protocol([("q", [("c", BOX)])], ["a", "b", "c"])}
    matching = GraphMatching(context, queries, np.array([1]), gallery, embeddings)
    matched = rank_queries(queries, gallery, embeddings, protocols, revise=matching)["x"]
    assert matched.figures()["mAP"] == 0.0


def test_best_columns_breaks_ties_by_position():
    row = np.array([0.5, -np.inf, 0.9, 0.5, 0.5, 0.1])
    assert _best_columns(row, 3).tolist() == [2, 0, 3]
    assert _best_columns(row, 10).tolist() == [2, 0, 3, 4, 5]
    assert _best_columns(np.full(3, -np.inf), 2).tolist() == []


def test_context_from_predictions():
    predictions = SearchPredictions(
        gallery_names=np.array(["a", "b"]),
        gallery_counts=[2, 1],
        gallery_boxes=np.array([[0, 0, 40, 38], FAR, BOX]),
        gallery_scores=[0.9, 0.8, 0.7],
        gallery_embeddings=np.eye(3),
        query_names=np.array(["elsewhere", "a"]),
        query_boxes=np.array([BOX, BOX]),
        query_embeddings=np.ones((2, 3)),
    )
    context = context_of_queries(predictions)
    # The first detection of image a is the query itself (IoU 0.95); the second stays.
    assert context.context_counts.tolist() == [1, 2]
    assert context.context_scores.tolist() == np.float32([1, 1, 0.8]).tolist()
    assert context.context_embeddings.tolist() == [[1, 1, 1], [1, 1, 1], [0, 1, 0]]
