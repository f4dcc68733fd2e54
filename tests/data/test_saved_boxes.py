import numpy as np
import pytest

from inet_d2.data.saved_boxes import load_saved_boxes


def save(path, **changes):
    content = {
        "gallery_names": np.array(["a", "b", "c"]),
        "gallery_counts": np.array([2, 0, 1]),
        "gallery_boxes": np.arange(12.0).reshape(3, 4),
        "gallery_scores": np.array([0.1, 0.2, 0.3]),
    }
    np.savez(path, **{name: value for name, value in {**content, **changes}.items() if value is not None})
    return path


def test_boxes_by_image(tmp_path):
    found = load_saved_boxes(save(tmp_path / "p.npz"))
    assert list(found) == ["a", "b", "c"]
    assert [len(scores) for _, scores in found.values()] == [2, 0, 1]
    np.testing.assert_array_equal(found["c"][0], [[8, 9, 10, 11]])
    assert found["b"][0].shape == (0, 4)
    assert found["a"][1].dtype == np.float32


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"gallery_scores": None}, "expected the fields gallery_names"),
        ({"gallery_counts": np.array([2, 0, 2])}, "expected as many boxes and scores as gallery_counts say, 4"),
        ({"gallery_names": np.array(["a"])}, "expected as many boxes"),
    ],
)
def test_other_files(tmp_path, changes, message):
    with pytest.raises(ValueError, match=message):
        load_saved_boxes(save(tmp_path / "p.npz", **changes))
    (tmp_path / "q.npz").write_text("text")
    with pytest.raises(ValueError, match=r"q\.npz: expected an \.npz file"):
        load_saved_boxes(tmp_path / "q.npz")
