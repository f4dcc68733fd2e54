import numpy as np
import pytest

from inet_d2.evaluation.predictions import ContextPredictions, SearchPredictions


def fields(**changes):
    found = {
        "gallery_names": np.array(["a.jpg", "b.jpg"]),
        "gallery_counts": np.array([1, 2]),
        "gallery_boxes": np.arange(12.0).reshape(3, 4),
        "gallery_scores": np.array([0.9, 0.8, 0.7]),
        "gallery_embeddings": np.ones((3, 5)),
        "query_names": np.array(["a.jpg"]),
        "query_boxes": np.zeros((1, 4)),
        "query_embeddings": np.ones((1, 5)),
    }
    return {**found, **changes}


def context(**changes):
    found = {
        "context_counts": np.array([1, 2]),
        "context_scores": np.ones(3),
        "context_embeddings": np.ones((3, 5)),
    }
    return {**found, **changes}


def test_round_trip(tmp_path):
    path = tmp_path / "predictions.npz"
    SearchPredictions(**fields()).save(path)
    loaded = SearchPredictions.load(path)
    assert loaded.gallery_names.tolist() == ["a.jpg", "b.jpg"]
    assert loaded.gallery_boxes.dtype == np.float32
    assert loaded.gallery_boxes.tolist() == fields()["gallery_boxes"].tolist()
    assert [p.name for p in tmp_path.iterdir()] == ["predictions.npz"]


def test_context_round_trip(tmp_path):
    ContextPredictions(**context()).save(tmp_path / "c.npz")
    assert ContextPredictions.load(tmp_path / "c.npz").context_counts.tolist() == [1, 2]


def test_types_are_unified(tmp_path):
    path = tmp_path / "p.npz"
    odd = fields(
        gallery_names=np.array([b"a.jpg", b"b.jpg"]),
        gallery_counts=np.array([1.0, 2.0]),
        gallery_embeddings=np.ones((3, 5), np.float16),
    )
    np.savez(path, **odd)
    loaded = SearchPredictions.load(path)
    assert loaded.gallery_names.tolist() == ["a.jpg", "b.jpg"]
    assert loaded.gallery_counts.dtype == np.int64
    assert loaded.gallery_embeddings.dtype == np.float32


def test_failed_save_keeps_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "p.npz"
    SearchPredictions(**fields()).save(path)
    before = path.read_bytes()

    def interrupted(stream, **arrays):
        stream.write(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(np, "savez", interrupted)
    with pytest.raises(KeyboardInterrupt):
        SearchPredictions(**fields()).save(path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["p.npz"]


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"gallery_counts": np.array([1, 2, 0])}, r"gallery_counts: expected shape \(2\), one per gallery_names"),
        ({"gallery_counts": np.array([4, -1])}, "gallery_counts: expected numbers of detections >= 0, found -1"),
        ({"gallery_counts": np.array([1.5, 1.5])}, "gallery_counts: expected whole numbers"),
        ({"gallery_boxes": np.zeros((2, 4))}, r"gallery_boxes: expected shape \(3, 4\).* found \(2, 4\)"),
        ({"gallery_scores": np.zeros((3, 1))}, r"gallery_scores: expected shape \(3\).* found \(3, 1\)"),
        ({"gallery_embeddings": np.zeros((4, 5))}, r"gallery_embeddings: expected shape \(3, any\)"),
        ({"query_boxes": np.zeros((2, 4))}, r"query_boxes: expected shape \(1, 4\)"),
        ({"query_embeddings": np.zeros((1, 6))}, r"query_embeddings: expected shape \(1, 5\).* found \(1, 6\)"),
        ({"gallery_names": np.array([1, 2])}, "gallery_names: expected strings, found int64"),
        ({"gallery_names": np.array(["a.jpg", "a.jpg"])}, r"expected every image once, found a\.jpg repeated"),
        ({"gallery_boxes": np.full((3, 4), "x")}, "gallery_boxes: expected numbers, found"),
        ({"query_embeddings": np.full((1, 5), np.nan)}, "query_embeddings: expected finite numbers, found 5 NaN"),
    ],
)
def test_what_does_not_fit_is_refused(changes, match):
    with pytest.raises(ValueError, match=match):
        SearchPredictions(**fields(**changes))


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"context_counts": np.array([3, 0])}, "context_counts: expected at least the query box .* row 1"),
        ({"context_scores": np.zeros(2)}, r"context_scores: expected shape \(3\)"),
    ],
)
def test_context_that_does_not_fit_is_refused(changes, match):
    with pytest.raises(ValueError, match=match):
        ContextPredictions(**context(**changes))


def test_files_that_do_not_fit_are_named(tmp_path):
    path = tmp_path / "p.npz"
    with pytest.raises(FileNotFoundError, match=r"p\.npz does not exist"):
        SearchPredictions.load(path)
    path.write_bytes(b"no archive")
    with pytest.raises(ValueError, match=r"p\.npz: .*write the file again"):
        SearchPredictions.load(path)
    path.write_bytes(b"PK\x03\x04 cut short")
    with pytest.raises(ValueError, match=r"p\.npz: .*write the file again"):
        SearchPredictions.load(path)
    np.savez(path, **{name: value for name, value in fields().items() if name != "query_boxes"})
    with pytest.raises(ValueError, match=r"p\.npz: query_boxes: expected the fields gallery_names.* found "):
        SearchPredictions.load(path)
    np.savez(path, **fields(gallery_names=np.array(["a.jpg", None], dtype=object)))
    with pytest.raises(ValueError, match=r"p\.npz: "):
        SearchPredictions.load(path)
    np.save(tmp_path / "single.npy", np.ones(3))
    with pytest.raises(ValueError, match=r"single\.npy: "):
        SearchPredictions.load(tmp_path / "single.npy")
