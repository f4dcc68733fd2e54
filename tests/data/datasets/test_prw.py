import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from inet_d2.data.datasets import load_prw, load_prw_protocol

FRAMES = {
    "c1s1_000001": [[932, 10.5, 20.25, 30, 80], [-2, 100, 20, 30, 80]],
    "c2s1_000002": [[3, -4.5, 5, 20, 60], [3, 50, 5, 20, 60], [932, 90, 5, 20, 60]],
    "c1s1_000011": [[7, 10, 20, 30, 80]],
    "c2s1_000012": [[7, -1.7, 20.6, 30.9, 80], [3, 60, 20, 30, 80], [7, 100, 20, 30, 80]],
    "c2s1_000013": [[-2, 1, 2, 0, 80], [7, 200, 20, 30, 80]],
    "c6s1_000014": [[-2, 1, 2, 30, 80]],
}
TRAIN, TEST = list(FRAMES)[:2], list(FRAMES)[2:]


@pytest.fixture
def prw_root(tmp_path):
    root = tmp_path / "PRW"
    (root / "annotations").mkdir(parents=True)
    keys = ["box_new", "anno_file", "anno_previous"]
    for number, (name, rows) in enumerate(FRAMES.items()):
        savemat(root / "annotations" / f"{name}.jpg.mat", {keys[number % 3]: np.array(rows, dtype=np.float64)})
    for split, names in (("train", TRAIN), ("test", TEST)):
        cells = np.empty((len(names), 1), dtype=object)
        cells[:, 0] = names
        savemat(root / f"frame_{split}.mat", {f"img_index_{split}": cells})
    write_queries(root)
    return root


def write_queries(root, end="\n"):
    lines = ["7 10.0 20.0 30.0 80.0 c1s1_000011", "7 -1.7000 20.6 30.9 80 c2s1_000012"]
    (root / "query_info.txt").write_bytes("".join(line + end for line in lines).encode())


def test_train_ids_become_contiguous(prw_root):
    records = load_prw(prw_root, "train", image_sizes=False)
    # Ids 3 and 932 -> 0 and 1; -2 -> -1; an id twice in a frame keeps both boxes.
    assert [[a["person_id"] for a in r["annotations"]] for r in records] == [[1, -1], [0, 0, 1]]
    assert [r["camera_id"] for r in records] == [1, 2]
    assert records[0]["image_id"] == "c1s1_000001.jpg"
    assert records[0]["annotations"][0]["bbox"] == [10.5, 20.25, 40.5, 100.25]
    assert records[1]["annotations"][0]["bbox"] == [-4.5, 5, 15.5, 65]


def test_test_split_drops_boxes_of_no_width(prw_root):
    records = load_prw(prw_root, "test", image_sizes=False)
    assert [len(r["annotations"]) for r in records] == [1, 3, 1, 1]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_query_file_with_either_line_end(prw_root, end):
    write_queries(prw_root, end)
    protocol = load_prw_protocol(prw_root)
    assert protocol.query_names.tolist() == ["c1s1_000011.jpg", "c2s1_000012.jpg"]
    np.testing.assert_allclose(protocol.query_boxes[1], [-1.7, 20.6, 29.2, 100.6])


def test_ground_truth_is_the_first_box_in_every_other_frame(prw_root):
    protocol = load_prw_protocol(prw_root)
    assert protocol.gallery == "every"
    assert protocol.entry_offsets.tolist() == [0, 2, 4]
    assert protocol.entry_images.tolist() == [1, 2, 0, 2]
    np.testing.assert_allclose(protocol.truth_boxes[0], [-1.7, 20.6, 29.2, 100.6])
    assert protocol.image_cameras.tolist() == [1, 2, 2, 6]


def test_across_cameras(prw_root):
    protocol = load_prw_protocol(prw_root).across_cameras()
    assert protocol.entry_offsets.tolist() == [0, 2, 3]
    assert protocol.entry_images.tolist() == [1, 2, 0]


def test_query_of_an_unseen_id_has_no_ground_truth(prw_root):
    (prw_root / "query_info.txt").write_text("5 1 1 9 9 c1s1_000011\n\n3 60 20 30 80 c2s1_000012\n")
    assert load_prw_protocol(prw_root).num_ground_truths.tolist() == [0, 0]


def test_frame_sizes(prw_root):
    (prw_root / "frames").mkdir()
    for name in TRAIN:
        Image.new("RGB", (192, 108)).save(prw_root / "frames" / f"{name}.jpg")
    assert [(r["width"], r["height"]) for r in load_prw(prw_root, "train")] == [(192, 108)] * 2
    with pytest.raises(FileNotFoundError, match=r"prw: expected 4 readable frames, found 4"):
        load_prw(prw_root, "test")


def test_missing_files_are_named(prw_root, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"prw: the folder .*absent does not exist"):
        load_prw(tmp_path / "absent", "train")
    (prw_root / "annotations" / "c6s1_000014.jpg.mat").unlink()
    with pytest.raises(FileNotFoundError, match=r"1 of 4 annotation files are missing, first: .*c6s1_000014"):
        load_prw(prw_root, "test", image_sizes=False)
    (prw_root / "frame_train.mat").unlink()
    with pytest.raises(FileNotFoundError, match=r"frame_train\.mat is missing"):
        load_prw(prw_root, "train", image_sizes=False)


def test_missing_query_file(prw_root):
    (prw_root / "query_info.txt").unlink()
    with pytest.raises(FileNotFoundError, match=r"query_info\.txt is missing"):
        load_prw_protocol(prw_root)


@pytest.mark.parametrize("line", ["7 1 2 3 c1s1_000011", "7 1 2 3 x c1s1_000011", "7 1 2 3 4 5 c1s1_000011"])
def test_bad_query_line_is_named(prw_root, line):
    (prw_root / "query_info.txt").write_text(f"7 1 1 9 9 c1s1_000011\n{line}\n")
    with pytest.raises(ValueError, match=r"line 2: expected id x y width height frame, found '7 1"):
        load_prw_protocol(prw_root)


def test_annotation_of_another_shape(prw_root):
    savemat(prw_root / "annotations" / "c1s1_000011.jpg.mat", {"box_new": np.zeros((3, 4))})
    with pytest.raises(ValueError, match=r"c1s1_000011\.jpg\.mat: expected rows of id, x, y, width, height"):
        load_prw(prw_root, "test", image_sizes=False)


def test_an_unknown_split_is_refused(prw_root):
    with pytest.raises(ValueError, match="split: expected train or test, found 'val'"):
        load_prw(prw_root, "val")


def test_numbers_that_are_not_finite(prw_root):
    path = prw_root / "annotations" / "c1s1_000001.jpg.mat"
    savemat(path, {"box_new": np.array([[932, 10, 20, np.nan, 80]])})
    with pytest.raises(ValueError, match=r"c1s1_000001\.jpg\.mat: expected finite numbers .*, found NaN or infinity"):
        load_prw(prw_root, "train", image_sizes=False)
