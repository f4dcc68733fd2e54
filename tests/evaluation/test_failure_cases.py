import numpy as np
import pytest

from inet_d2.data.datasets.protocol import EVERY, LISTED, LISTED_THEN_REST
from inet_d2.evaluation import SearchPredictions
from inet_d2.evaluation.failure_cases import failure_cases, worst_queries
from inet_d2.evaluation.prediction_matching import find_queries, order_gallery
from inet_d2.evaluation.search_ranking import SearchRanking, rank_queries

BOX, FAR = [0, 0, 40, 40], [500, 0, 540, 40]


def test_the_worst_come_first_and_perfect_ones_not_at_all():
    found = SearchRanking(
        np.array([0.5, 1.0, 0.2, 0.2, 0.0]), np.zeros(5, int), np.array([1, 1, 1, 1, 0]), np.ones(5, int)
    )
    assert worst_queries(found, 10).tolist() == [2, 3, 0]
    assert worst_queries(found, 1).tolist() == [2]


def test_an_answer_shows_its_first_and_the_person(twins):
    names = ["a", "b", "c", "q"]
    predictions = SearchPredictions(
        gallery_names=names,
        gallery_counts=[2, 1, 1, 1],
        gallery_boxes=[FAR, BOX, FAR, FAR, BOX],
        gallery_scores=[0.9, 0.9, 0.9, 0.4, 0.9],
        gallery_embeddings=[[0.9, 0.1], [0.1, 0.9], [0.5, 0.5], [1.0, 0.0], [1.0, 0.0]],
        query_names=["q"],
        query_boxes=[BOX],
        query_embeddings=[[1.0, 0.0]],
    )
    protocol = twins.protocol([("q", [("a", BOX), ("b", None), ("c", None)])], names, query_boxes=[BOX])
    gallery, _, embeddings = order_gallery(predictions, protocol.image_names, 0.5)
    ranking = rank_queries(predictions.query_embeddings, gallery, embeddings, {"x": protocol})["x"]
    (case,) = failure_cases(predictions, protocol, ranking, length=1)
    # 0.9 in "a" stands elsewhere, 0.5 in "b"; the person has 0.1. "c" is below the score threshold.
    assert (case.query, case.image, case.reason) == (0, "q", "embedding")
    assert (case.num_ground_truths, case.num_boxed) == (1, 1)
    assert case.average_precision == pytest.approx(1 / 3)
    assert [(found.rank, found.image, found.box, found.is_person) for found in case.answer] == [
        (1, "a", FAR, False),
        (3, "a", BOX, True),
    ]
    assert case.answer[0].similarity == pytest.approx(0.9, abs=1e-6)


@pytest.mark.parametrize("kind", [LISTED, LISTED_THEN_REST, EVERY])
@pytest.mark.parametrize("cross_camera", [False, True])
def test_answers_are_those_of_the_ranking(twins, kind, cross_camera):
    generator = np.random.default_rng(2)
    names = [f"s{i}" for i in range(12)]
    counts = generator.integers(1, 4, 12)
    total = int(counts.sum())
    rounded = generator.integers(-2, 3, (total + 8, 4)).astype(np.float32) + np.float32(0.5)  # many ties
    lists = [
        (names[i], [(name, BOX if generator.random() < 0.5 else None) for name in names if name != names[i]])
        for i in range(8)
    ]
    if kind == EVERY:
        lists = [(own, [entry for entry in entries if entry[1]]) for own, entries in lists]
    cameras = {name: i % 3 for i, name in enumerate(names)}
    protocol = twins.protocol(lists, names, kind, cameras=cameras, query_boxes=[BOX] * 8)
    protocol = protocol.across_cameras() if cross_camera else protocol
    predictions = SearchPredictions(
        gallery_names=names,
        gallery_counts=counts,
        gallery_boxes=[BOX if generator.random() < 0.7 else FAR for _ in range(total)],
        gallery_scores=np.ones(total),
        gallery_embeddings=rounded[:total],
        query_names=protocol.query_names,
        query_boxes=protocol.query_boxes,
        query_embeddings=rounded[total:],
    )
    gallery, _, embeddings = order_gallery(predictions, protocol.image_names, 0.5)
    rows = find_queries(predictions, protocol)
    ranking = rank_queries(predictions.query_embeddings[rows], gallery, embeddings, {"x": protocol})["x"]
    cases = failure_cases(predictions, protocol, ranking, length=2)
    assert len(cases) > 3
    for case in cases:
        best = [found.rank for found in case.answer if found.is_person][:1]
        expected = ranking.best_ranks[case.query] + 1
        assert best == ([expected] if expected else [])
