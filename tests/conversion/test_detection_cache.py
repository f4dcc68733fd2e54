import os
import pickle

import numpy as np
import pytest
import torch

from inet_d2.conversion.detection_cache import read_detection_cache

ROWS = np.arange(10, dtype=np.float32).reshape(2, 5)


def content(**changes):
    """Two images, the second without people; one query with two people around."""
    return {
        "gallery_dets": [ROWS, np.empty((0, 5), np.float32)],
        "gallery_feats": [np.ones((2, 3), np.float32), np.empty((0,), np.float32)],
        "query_dets": [ROWS],
        "query_feats": [np.full((2, 3), 2.0)],
        "query_box_feats": [np.array([[1.0, 0, 0]])],
        **changes,
    }


@pytest.fixture
def read(tmp_path):
    def call(saved, **options):
        torch.save(saved, tmp_path / "eval_cache.pth", **options)
        return read_detection_cache(tmp_path / "eval_cache.pth")

    return call


@pytest.mark.parametrize("options", [{}, {"_use_new_zipfile_serialization": False}])
def test_lists_become_arrays(read, options):
    cache = read(content(), **options)
    assert cache.gallery_counts.tolist() == [2, 0]
    assert cache.gallery_detections.tolist() == ROWS.tolist()
    assert cache.gallery_embeddings.tolist() == [[1, 1, 1]] * 2
    assert cache.query_embeddings.tolist() == [[1, 0, 0]]
    assert (cache.context_counts.tolist(), cache.context_embeddings.tolist()) == ([2], [[2, 2, 2]] * 2)
    assert {array.dtype for array in vars(cache).values()} == {np.dtype(np.float32), np.dtype(np.int64)}


def test_nothing_saved_is_nothing_read(read):
    cache = read({name: [] for name in content()})
    assert (cache.gallery_detections.shape, cache.query_embeddings.shape) == ((0, 5), (0, 0))


@pytest.mark.parametrize(
    ("saved", "message"),
    [
        ([1], "expected the fields gallery_dets, .*query_box_feats, found a list"),
        ({"model": {}}, "expected the fields .*, found model"),
        (content(gallery_dets=ROWS), "gallery_dets: expected a list, .* found ndarray"),
        (content(gallery_dets=[ROWS]), "gallery_feats: expected 1 items as in gallery_dets, found 2"),
        (
            content(gallery_dets=[ROWS[:1], []]),
            "gallery_feats: item 0: expected 1 rows as in gallery_dets, found 2",
        ),
        (
            content(gallery_dets=[ROWS.T, ROWS]),
            r"gallery_dets: item 0: expected an array \(n, 5\), found \(5, 2\)",
        ),
        (content(query_feats=[np.ones((2, 4))]), r"query_feats: item 0: expected an array \(n, 3\), found \(2, 4\)"),
        (content(query_dets=[], query_feats=[]), "query_dets: expected 1 items as in query_box_feats, found 0"),
        (content(query_box_feats=[np.array(["a"])]), "query_box_feats: item 0: expected numbers, found <U1"),
    ],
)
def test_what_does_not_fit_is_named(read, saved, message):
    with pytest.raises(ValueError, match=rf"eval_cache\.pth: {message}"):
        read(saved)


class Evil:
    def __init__(self, place):
        self.place = place

    def __reduce__(self):
        return os.mkdir, (str(self.place),)


@pytest.mark.parametrize("options", [{}, {"_use_new_zipfile_serialization": False}])
def test_nothing_in_a_file_is_run(read, tmp_path, options):
    for hidden in (Evil(tmp_path / "made"), np.array([Evil(tmp_path / "made")], dtype=object)):
        with pytest.raises(ValueError, match=r"cannot be read \(it contains posix\.mkdir\)"):
            read(content(gallery_dets=[hidden]), **options)
    assert not (tmp_path / "made").exists()


def test_files_that_are_none(tmp_path):
    with pytest.raises(FileNotFoundError, match="expected saved detections, found no file"):
        read_detection_cache(tmp_path / "none.pth")
    for number, data in enumerate((b"", b"text", pickle.dumps(content())[:50])):
        path = tmp_path / f"{number}.pth"
        path.write_bytes(data)
        with pytest.raises(ValueError, match="expected saved detections, found a file that cannot be read"):
            read_detection_cache(path)
