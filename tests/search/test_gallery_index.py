"""The gallery index: order of matches against a slow twin, file round trip, clear errors."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inet_d2.search.gallery_index import GalleryIndex


def boxes_of(n, start=0):
    return np.arange(start, start + 4 * n, dtype=np.float32).reshape(n, 4)


@pytest.fixture
def index():
    """Three images with 2, 0 and 1 boxes; embeddings in the plane."""
    index = GalleryIndex(source="weights 1")
    index.add("a.jpg", boxes_of(2), np.array([0.9, 0.4]), np.array([[1.0, 0.0], [0.0, 1.0]]))
    index.add("empty.jpg", np.zeros((0, 4)), np.zeros(0), np.zeros((0, 2)))
    index.add("b.jpg", boxes_of(1, 8), np.array([0.7]), np.array([[0.6, 0.8]]))
    return index


def test_hand_worked_ranking(index):
    matches = index.rank(np.array([0.8, 0.6]))
    # b: 0.6 * 0.8 + 0.8 * 0.6 = 0.96; a, first box: 0.8; a, second box: 0.6
    assert matches.names.tolist() == ["b.jpg", "a.jpg", "a.jpg"]
    np.testing.assert_allclose(matches.similarities, [0.96, 0.8, 0.6], rtol=1e-6)
    np.testing.assert_allclose(matches.scores, [0.7, 0.9, 0.4], rtol=1e-6)
    assert matches.boxes.tolist() == [[8, 9, 10, 11], [0, 1, 2, 3], [4, 5, 6, 7]]
    assert (index.num_images, index.num_boxes) == (3, 3)


def test_topk_score_and_excluded_images(index):
    query = np.array([0.8, 0.6])
    assert len(index.rank(query, topk=1)) == 1
    assert index.rank(query, min_score=0.7).names.tolist() == ["b.jpg", "a.jpg"]
    assert index.rank(query, excluded_images=["b.jpg"]).names.tolist() == ["a.jpg", "a.jpg"]
    nothing = index.rank(query, min_score=0.95)
    assert len(nothing) == 0
    assert nothing.boxes.shape == (0, 4)


def test_empty_index_ranks_nothing():
    assert len(GalleryIndex().rank(np.ones(8))) == 0


@settings(max_examples=50, deadline=None)
@given(st.lists(st.lists(st.integers(-2, 2), max_size=4), max_size=5), st.integers(1, 8))
def test_equals_the_slow_twin_with_ties(values_per_image, topk):
    index = GalleryIndex()
    everything = []
    for image, values in enumerate(values_per_image):
        embeddings = np.array([[value, 1.0] for value in values]).reshape(-1, 2)
        index.add(f"{image}", boxes_of(len(values)), np.ones(len(values)), embeddings)
        everything += [(f"{image}", row, float(value)) for row, value in enumerate(values)]
    expected = sorted(everything, key=lambda entry: -entry[2])[:topk]  # stable: ties stay in their order
    matches = index.rank(np.array([1.0, 0.0]), topk=topk)
    found = list(
        zip(
            matches.names.tolist(),
            (matches.boxes[:, 0] // 4).tolist(),
            matches.similarities.tolist(),
            strict=True,
        )
    )
    assert found == expected


def test_save_and_load_keep_everything(index, tmp_path):
    path = tmp_path / "index.npz"
    index.save(path)
    loaded = GalleryIndex.load(path)
    assert loaded.source == "weights 1"
    assert (loaded.num_images, loaded.num_boxes) == (3, 3)
    query = np.array([0.8, 0.6])
    before, after = index.rank(query), loaded.rank(query)
    for field in ("names", "boxes", "scores", "similarities"):
        np.testing.assert_array_equal(getattr(after, field), getattr(before, field))
    assert [file.name for file in tmp_path.iterdir()] == ["index.npz"]  # nothing left aside


def test_an_empty_index_survives_the_file(tmp_path):
    GalleryIndex("x").save(tmp_path / "index.npz")
    assert GalleryIndex.load(tmp_path / "index.npz").num_images == 0


def test_the_index_keeps_its_own_copy(index):
    boxes = boxes_of(1)
    index.add("c.jpg", boxes, np.ones(1), np.array([[0.0, -1.0]]))
    boxes += 100
    assert index.rank(np.array([0.0, -1.0]), topk=1).boxes.tolist() == [[0, 1, 2, 3]]


def test_a_failed_write_leaves_the_old_file(index, tmp_path, monkeypatch):
    path = tmp_path / "index.npz"
    index.save(path)
    before = path.read_bytes()

    def fail(file, **arrays):
        file.write(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(np, "savez", fail)
    with pytest.raises(OSError, match="disk full"):
        index.save(path)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["index.npz"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("a.jpg", boxes_of(1), np.ones(1), np.ones((1, 2))), r"every image once, found a\.jpg again"),
        (
            ("c.jpg", boxes_of(2), np.ones(1), np.ones((2, 2))),
            r"c\.jpg: expected boxes .* found \(2, 4\), \(1,\)",
        ),
        (
            ("c.jpg", boxes_of(1), np.ones(1), np.ones((1, 3))),
            r"c\.jpg: expected embeddings \(n, 2\), found \(1, 3\)",
        ),
    ],
)
def test_what_does_not_fit_is_refused(index, arguments, message):
    with pytest.raises(ValueError, match=message):
        index.add(*arguments)
    assert index.num_images == 3


def test_wrong_queries_are_refused(index):
    with pytest.raises(ValueError, match=r"query embedding: expected embeddings \(n, 2\), found \(1, 3\)"):
        index.rank(np.ones(3))
    with pytest.raises(ValueError, match=r"expected shape \(D,\), found \(1, 2\)"):
        index.rank(np.ones((1, 2)))
    with pytest.raises(ValueError, match="topk: expected at least 1, found 0"):
        index.rank(np.ones(2), topk=0)


def test_broken_files_are_refused(index, tmp_path):
    path = tmp_path / "index.npz"
    with pytest.raises(FileNotFoundError):
        GalleryIndex.load(path)
    path.write_bytes(b"no archive")
    with pytest.raises(ValueError, match="expected a gallery index"):
        GalleryIndex.load(path)
    np.savez(path, gallery_names=np.array(["a"]))
    with pytest.raises(ValueError, match="field gallery_counts is missing"):
        GalleryIndex.load(path)
    index.save(path)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(ValueError, match="expected a gallery index"):
        GalleryIndex.load(path)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("gallery_counts", np.array([1, 1]), r"gallery_counts: expected shape \(3,\), found \(2,\)"),
        ("gallery_counts", np.array([2, 0, 2]), "add up to 3 boxes, found 4"),
        ("gallery_scores", np.ones(2), r"gallery_scores: expected shape \(3,\), found \(2,\)"),
        (
            "gallery_embeddings",
            np.ones((2, 2)),
            r"gallery_embeddings: expected shape \(3, 2\), found \(2, 2\)",
        ),
    ],
)
def test_fields_that_do_not_fit_together_are_refused(index, tmp_path, field, value, message):
    path = tmp_path / "index.npz"
    index.save(path)
    with np.load(path) as file:
        arrays = dict(file)
    np.savez(path, **{**arrays, field: value})
    with pytest.raises(ValueError, match=message):
        GalleryIndex.load(path)
