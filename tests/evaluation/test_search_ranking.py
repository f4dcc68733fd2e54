import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inet_d2.boxes import BoxesByImage
from inet_d2.data.datasets.protocol import EVERY, LISTED, LISTED_THEN_REST
from inet_d2.evaluation.exact_similarity import Similarities
from inet_d2.evaluation.search_ranking import rank_queries

NAMES = ["a", "b", "c", "d", "e"]
CAMERAS = {"a": 1, "b": 2, "c": 1, "d": 3, "e": 2}
corner = st.integers(0, 6)
boxes = st.tuples(corner, corner, st.integers(2, 30), st.integers(2, 30)).map(
    lambda b: [float(b[0]), float(b[1]), float(b[0] + b[2]), float(b[1] + b[3])]
)
# Few values make many exact ties; all sums of products are exact in any arithmetic.
vectors = st.lists(st.integers(-2, 2), min_size=3, max_size=3)
galleries = st.fixed_dictionaries({name: st.lists(st.tuples(boxes, vectors), max_size=4) for name in NAMES})
entries = st.lists(st.tuples(st.sampled_from(NAMES), st.none() | boxes), max_size=6)
queries = st.lists(st.tuples(st.sampled_from([*NAMES, "elsewhere"]), vectors, entries), min_size=1, max_size=4)


def lay_out(gallery):
    """Arrays for rank_queries, and images for the slow walk."""
    found = [item for name in NAMES for item in gallery[name]]
    rows = iter(range(len(found)))
    images = {name: [(next(rows), box) for box, _ in gallery[name]] for name in NAMES}
    counts = np.array([len(gallery[name]) for name in NAMES])
    arrays = BoxesByImage(counts, np.array([b for b, _ in found], dtype=np.float64).reshape(-1, 4))
    return arrays, np.array([v for _, v in found], dtype=np.float32).reshape(-1, 3), images


def compare(ranking, expected):
    average, best, num_truths, hits = zip(*expected, strict=True)
    assert ranking.average_precisions == pytest.approx(list(average), abs=1e-12)
    assert ranking.best_ranks.tolist() == list(best)
    assert ranking.num_ground_truths.tolist() == list(num_truths)
    assert ranking.num_hits.tolist() == list(hits)


def same(one, other):
    return all(
        np.array_equal(getattr(one, field), getattr(other, field))
        for field in ("average_precisions", "best_ranks", "num_ground_truths", "num_hits")
    )


@settings(max_examples=250, deadline=None)
@given(
    galleries,
    queries,
    st.sampled_from([LISTED, LISTED_THEN_REST]),
    st.sampled_from(["reference", "seqnet"]),
    st.sampled_from(["step", "trapezoid"]),
)
def test_listed_galleries_against_the_slow_walk(twins, gallery, people, kind, rules, ap):
    arrays, embeddings, images = lay_out(gallery)
    lists = [(own, listed) for own, _, listed in people]
    vectors = np.array([vector for _, vector, _ in people], dtype=np.float32)
    protocol = twins.protocol(lists, NAMES, kind)
    expected = twins.search(
        lists, images, lambda q, row: float(vectors[q] @ embeddings[row]), kind=kind, rules=rules, ap=ap
    )
    ranking = rank_queries(vectors, arrays, embeddings, {"x": protocol}, rules=rules, ap=ap)["x"]
    compare(ranking, expected)


@settings(max_examples=150, deadline=None)
@given(galleries, queries, st.booleans())
def test_every_image_against_the_slow_walk(twins, gallery, people, cross_camera):
    arrays, embeddings, images = lay_out(gallery)
    people = [(own if own in NAMES else "a", vector, listed) for own, vector, listed in people]
    lists = [(own, true_once(own, listed)) for own, _, listed in people]
    vectors = np.array([vector for _, vector, _ in people], dtype=np.float32)
    protocol = twins.protocol(lists, NAMES, EVERY, cameras=CAMERAS)
    if cross_camera:
        protocol = protocol.across_cameras()
    expected = twins.search(
        lists,
        images,
        lambda q, row: float(vectors[q] @ embeddings[row]),
        kind=EVERY,
        excluded=lambda q, name: cross_camera and CAMERAS[name] == CAMERAS[lists[q][0]],
    )
    compare(rank_queries(vectors, arrays, embeddings, {"x": protocol})["x"], expected)


def true_once(own, listed):
    """The entries of a PRW query: other images with the person, each once, in the data set's order."""
    boxes_of = {name: box for name, box in listed if box is not None and name != own}
    return [(name, boxes_of[name]) for name in NAMES if name in boxes_of]


@pytest.fixture
def random_case(twins):
    """40 queries over 60 images with 200 detections, some of them repeated exactly."""
    generator = np.random.default_rng(0)
    names = [f"s{i}" for i in range(60)]
    counts = generator.integers(0, 8, 60)
    total = int(counts.sum())
    corners = generator.uniform(0, 50, (total, 2))
    boxes = np.concatenate([corners, corners + generator.uniform(20, 60, (total, 2))], axis=1)
    embeddings = generator.standard_normal((total, 128)).astype(np.float32)
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    embeddings[generator.integers(total, size=40)] = embeddings[:40]
    queries = embeddings[generator.integers(total, size=40)] + 0.05 * generator.standard_normal((40, 128))
    starts = np.cumsum(counts) - counts
    lists = []
    for _ in range(40):
        listed = generator.choice(60, 20).tolist()
        truth = lambda i: boxes[starts[i]].tolist() if counts[i] and generator.random() < 0.3 else None  # noqa: E731
        lists.append((names[generator.integers(60)], [(names[i], truth(i)) for i in listed]))
    protocols = {kind: twins.protocol(lists, names, kind) for kind in (LISTED, LISTED_THEN_REST)}
    return queries.astype(np.float32), BoxesByImage(counts, boxes), embeddings, protocols


@pytest.mark.parametrize("block_size", [1, 3, 17, 1000])
def test_block_size_changes_nothing(random_case, block_size):
    expected = rank_queries(*random_case)
    found = rank_queries(*random_case, block_size=block_size)
    assert all(same(found[name], expected[name]) for name in expected)


def test_rounding_of_the_matrix_product_changes_nothing(random_case, monkeypatch):
    """Threads, blocks and libraries only change how the 32-bit product rounds, which stays inside its margin."""
    expected = rank_queries(*random_case)
    approximate = Similarities.approximate
    generator = np.random.default_rng(1)

    def disturbed(self, first, last):
        block = approximate(self, first, last)
        return block + (generator.uniform(-0.4, 0.4, block.shape) * self.margin).astype(np.float32)

    monkeypatch.setattr(Similarities, "approximate", disturbed)
    found = rank_queries(*random_case)
    assert all(same(found[name], expected[name]) for name in expected)


def test_exact_and_approximate_paths_agree(random_case):
    expected = rank_queries(*random_case)
    found = rank_queries(*random_case, revise=lambda walk, first: None)
    # Queries are put on a common grid there, so allow the AP of near ties to move; ranks of this case do not.
    for name in expected:
        assert found[name].best_ranks.tolist() == expected[name].best_ranks.tolist()
        assert found[name].num_hits.tolist() == expected[name].num_hits.tolist()


def test_several_protocols_at_once_equal_each_alone(random_case):
    together = rank_queries(*random_case)
    for name, protocol in random_case[3].items():
        assert same(rank_queries(*random_case[:3], {name: protocol})[name], together[name])


def test_all_detections_equal(twins):
    """Every detection ties with the hit: precision is 1 / all, the rank is the place in the walk."""
    lists = [("q", [("a", None), ("b", [0, 0, 40, 40])])]
    arrays = BoxesByImage(np.array([3, 2]), np.array([[0, 0, 40, 40.0]] * 5))
    same_vector = np.ones((5, 4), dtype=np.float32)
    ranking = rank_queries(same_vector[:1], arrays, same_vector, {"x": twins.protocol(lists, ["a", "b"])})["x"]
    assert ranking.average_precisions.tolist() == [1 / 5]
    assert ranking.best_ranks.tolist() == [3]


@pytest.mark.parametrize("kind", [LISTED, LISTED_THEN_REST, EVERY])
def test_undefined_cases_give_zero(twins, kind):
    """No detection at all; an empty gallery; a query without ground truth."""
    lists = [("a", [("b", [0, 0, 40, 40])]), ("a", []), ("b", [])]
    protocol = twins.protocol(lists, ["a", "b"], kind)
    vectors = np.eye(3, 4, dtype=np.float32)
    for counts in ([0, 0], [1, 0]):
        arrays = BoxesByImage(np.array(counts), np.zeros((sum(counts), 4)))
        found = rank_queries(vectors, arrays, np.ones((sum(counts), 4), np.float32), {"x": protocol})["x"]
        assert found.average_precisions.tolist() == [0, 0, 0]
        assert found.best_ranks.tolist() == [-1, -1, -1]
        assert found.figures() == {"mAP": 0.0, "top1": 0.0, "top5": 0.0, "top10": 0.0}


def test_queries_without_ground_truth_do_not_lower_the_mean(twins):
    box = [0, 0, 40, 40]
    lists = [("q", [("a", box)]), ("q", [("a", None)])]
    arrays = BoxesByImage(np.array([1]), np.array([box], dtype=np.float64))
    vectors = np.ones((2, 2), dtype=np.float32)
    figures = rank_queries(vectors, arrays, vectors[:1], {"x": twins.protocol(lists, ["a"])})["x"].figures()
    assert figures == {"mAP": 100.0, "top1": 100.0, "top5": 100.0, "top10": 100.0}


def test_no_queries_at_all(twins):
    arrays = BoxesByImage(np.array([1]), np.zeros((1, 4)))
    vectors = np.ones((1, 2), dtype=np.float32)
    ranking = rank_queries(vectors[:0], arrays, vectors, {"x": twins.protocol([], ["a"])})["x"]
    assert ranking.figures()["mAP"] == 0.0


def test_ground_truth_without_area_is_never_found(twins):
    lists = [("q", [("a", [5, 5, 5, 9])])]
    arrays = BoxesByImage(np.array([1]), np.array([[50.0, 50, 90, 90]]))
    vectors = np.ones((1, 2), dtype=np.float32)
    ranking = rank_queries(vectors, arrays, vectors, {"x": twins.protocol(lists, ["a"])})["x"]
    assert (ranking.num_ground_truths.tolist(), ranking.num_hits.tolist()) == ([1], [0])


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"rules": "official"}, "rules: expected one of .* found 'official'"),
        ({"ap": "voc"}, "ap: expected one of .* found 'voc'"),
        ({"block_size": 0}, "block_size: expected at least 1, found 0"),
    ],
)
def test_options_are_checked(random_case, options, match):
    with pytest.raises(ValueError, match=match):
        rank_queries(*random_case, **options)
