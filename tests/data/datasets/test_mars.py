import numpy as np
import pytest
from scipy.io import savemat

from inet_d2.data.datasets import load_mars
from inet_d2.data.datasets.reid_split import load_reid_split
from inet_d2.data.pids import UNLABELLED

TRAIN = [(1, 2, 5, 1), (3, 3, 9, 2), (4, 6, 5, 2)]
# Junk, distractor, then three people; 12 is only in the gallery.
TEST = [(1, 1, -1, 1), (2, 2, 0, 3), (3, 4, 12, 1), (5, 5, 30, 1), (6, 7, 30, 2), (8, 8, 40, 6)]


@pytest.fixture
def mars(tmp_path, monkeypatch):
    monkeypatch.setenv("DETECTRON2_DATASETS", str(tmp_path))
    info = tmp_path / "MARS" / "info"
    info.mkdir(parents=True)
    for split, tracks, count in (("train", TRAIN, 6), ("test", TEST, 8)):
        names = [f"{number:04d}C1T0001F001.jpg" for number in range(1, count + 1)]
        (info / f"{split}_name.txt").write_text("\r\n".join(names) + "\r\n", newline="")
        savemat(info / f"tracks_{split}_info.mat", {f"track_{split}_info": np.array(tracks, dtype=np.int32)})
    savemat(info / "query_IDX.mat", {"query_IDX": np.array([[4, 6]], dtype=np.uint16)})
    return tmp_path / "MARS"


def shown(records):
    return [(r["person_id"], r["camera_id"], [path.split("/")[-1][:4] for path in r["file_names"]]) for r in records]


def test_rows_count_from_one_and_include_their_last_crop(mars):
    assert shown(load_mars(mars, "train")) == [
        (0, 1, ["0001", "0002"]),
        (1, 2, ["0003"]),
        (0, 2, ["0004", "0005", "0006"]),
    ]
    assert load_mars(mars, "train")[1]["file_names"] == [str(mars / "bbox_train/0003/0003C1T0001F001.jpg")]


def test_queries_stay_in_the_gallery_and_junk_does_not(mars):
    assert shown(load_mars(mars, "query")) == [(0, 1, ["0005"]), (1, 6, ["0008"])]
    assert shown(load_mars(mars, "gallery")) == [
        (UNLABELLED, 3, ["0002"]),
        (2, 1, ["0003", "0004"]),
        (0, 1, ["0005"]),
        (0, 2, ["0006", "0007"]),
        (1, 6, ["0008"]),
    ]
    split = load_reid_split("mars_query")
    assert split.is_query.tolist() == [False, False, True, False, True]


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (
            lambda info: (info / "test_name.txt").write_text("0001C1T0001F001.jpg\n"),
            "row 2: expected first and last between 1 and 1, found",
        ),
        (
            lambda info: savemat(info / "query_IDX.mat", {"query_IDX": np.array([[9]])}),
            "expected rows of tracks_test_info, 1 to 6",
        ),
        (lambda info: savemat(info / "query_IDX.mat", {"query_IDX": np.array([[2]])}), "of people with an id"),
        (
            lambda info: savemat(info / "tracks_test_info.mat", {"track_test_info": np.ones((2, 3))}),
            "expected rows of first, last, id, camera",
        ),
        (lambda info: (info / "test_name.txt").write_text(""), "expected names of crops, found none"),
    ],
)
def test_damaged_lists_are_named(mars, damage, problem):
    damage(mars / "info")
    with pytest.raises(ValueError, match=problem):
        load_mars(mars, "query")


def test_what_is_missing_is_named(mars):
    with pytest.raises(ValueError, match="split: expected one of train, query, gallery, found 'test'"):
        load_mars(mars, "test")
    (mars / "info" / "test_name.txt").unlink()
    with pytest.raises(FileNotFoundError, match=r"test_name.txt is missing"):
        load_mars(mars, "gallery")
    with pytest.raises(FileNotFoundError, match="does not exist"):
        load_mars(mars / "none", "gallery")
