import json
import shutil

import pytest
from PIL import Image

KEYS = [
    "train_images",
    "train_ids",
    "train_labelled_boxes",
    "train_pairs",
    "test_images",
    "test_labelled_boxes",
    "queries",
]


@pytest.fixture
def check(tool):
    module = tool("check_dataset")
    return lambda *arguments: module.main(["--dataset", "cuhk_sysu", *map(str, arguments)])


@pytest.fixture
def own_copy(tiny_scenes, tmp_path, monkeypatch):
    shutil.copytree(tiny_scenes / "CUHK-SYSU", tmp_path / "CUHK-SYSU")
    monkeypatch.setenv("DETECTRON2_DATASETS", str(tmp_path))
    return tmp_path / "CUHK-SYSU"


def test_counts(tool):
    def record(*pids):
        return {"annotations": [{"person_id": pid} for pid in pids]}

    counts = tool("check_dataset").count_split([record(0, 1, -1), record(0, 0), record(0), record(-1), record(1)])
    # Identity 0 in three images (twice in one): 3 pairs; identity 1 in two: 1 pair.
    assert counts["pairs"] == 3 + 1
    assert (counts["images"], counts["boxes"], counts["ids"]) == (5, 8, 2)
    assert (counts["labelled_boxes"], counts["unlabelled_boxes"], counts["images_without_label"]) == (6, 2, 1)
    assert tool("check_dataset").count_split([])["pairs"] == 0


def test_whole_copy(check, tiny_datasets, tmp_path, capsys):
    assert check("--json", tmp_path / "out.json", "--decode") == 0
    counts = json.loads((tmp_path / "out.json").read_text())
    assert list(counts) == KEYS
    assert counts["test_images"] == 10
    assert counts["queries"] == 6
    shown = capsys.readouterr().out
    assert "| test  | queries              |         6 |        2900 |" in shown
    assert "frames: 22 of 22 are readable" in shown
    assert "TestG4000.mat absent" in shown


def test_missing_and_damaged_frames_are_listed(check, own_copy, capsys):
    frames = sorted((own_copy / "Image" / "SSM").iterdir())
    frames[0].unlink()
    frames[1].write_bytes(b"nothing")
    assert check() == 1
    shown = capsys.readouterr().out
    assert f"{frames[0]} is missing" in shown
    assert f"{frames[1]} cannot be read" in shown
    assert "frames: 20 of 22 are readable" in shown


def test_cut_frame_is_found_by_decoding(check, own_copy, capsys):
    frame = next((own_copy / "Image" / "SSM").iterdir())
    frame.write_bytes(frame.read_bytes()[:1500])
    assert check() == 0
    assert check("--decode") == 1
    assert f"{frame} cannot be decoded" in capsys.readouterr().out


def test_annotation_only_copy(check, own_copy, tmp_path, capsys):
    shutil.rmtree(own_copy / "Image")
    assert check("--json", tmp_path / "out.json") == 0
    assert "annotation-only copy" in capsys.readouterr().out
    assert list(json.loads((tmp_path / "out.json").read_text())) == KEYS


def test_missing_annotation(check, own_copy, capsys):
    (own_copy / "annotation" / "pool.mat").unlink()
    assert check() == 2
    assert "pool.mat is missing" in capsys.readouterr().err


def test_missing_data_set(tool, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("DETECTRON2_DATASETS", str(tmp_path))
    assert tool("check_dataset").main(["--dataset", "prw"]) == 2
    assert "PRW does not exist" in capsys.readouterr().err


def test_help_shows_examples(check, capsys):
    with pytest.raises(SystemExit) as stop:
        check("--help")
    assert stop.value.code == 0
    assert "Examples:" in capsys.readouterr().out


def test_crops_beside_the_published_counts(tool, tmp_path, monkeypatch, capsys):
    crops = ("bounding_box_train/0002_c1_1.jpg", "query/0003_c2_1.jpg", "bounding_box_test/0003_c1_1.jpg")
    for name in (*crops, "bounding_box_test/0000_c3_1.jpg", "bounding_box_test/-1_c3_1.jpg"):
        path = tmp_path / "Market-1501-v15.09.15" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 8)).save(path)
    monkeypatch.setenv("DETECTRON2_DATASETS", str(tmp_path))
    arguments = ["--dataset", "market1501", "--json", str(tmp_path / "out.json"), "--decode"]
    assert tool("check_dataset").main(arguments) == 0
    shown = capsys.readouterr().out
    assert "| train   | images               |         1 |       12936 |" in shown
    assert "| gallery | images               |         2 |       15913 |" in shown
    assert "| gallery | distractors          |         1 |        2798 |" in shown
    assert "frames: 4 of 4 are readable" in shown
    assert json.loads((tmp_path / "out.json").read_text())["gallery_cameras"] == 2


def test_published_crops_add_up(tool):
    published = tool("check_dataset").PUBLISHED_REID
    # The folder of Market-1501 holds 19,732 files: 13,115 of people, 2,798 distractors and 3,819 of junk.
    assert 13115 + published["market1501"]["gallery"]["distractors"] == published["market1501"]["gallery"]["images"]
    assert sum(split["images"] for split in published["cuhk03_labelled"].values()) == 14096
    assert sum(split["images"] for split in published["cuhk03_detected"].values()) == 14097
    # MARS has 12,180 test tracklets, 870 of junk.
    assert published["mars"]["gallery"]["tracklets"] == 11310
    assert set(published) == set(filter(tool("check_dataset").reid_split_names, published))


def test_tracklets_beside_the_published_counts(tool, tmp_path, monkeypatch, capsys):
    for split, person in (("train", 1), ("query", 3), ("gallery", 3), ("gallery", 4)):
        for frame in (1, 2):
            path = (
                tmp_path
                / "DukeMTMC-VideoReID"
                / split
                / f"{person:04d}"
                / "0001"
                / f"{person:04d}_C2_F{frame:04d}_X1.jpg"
            )
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (4, 8)).save(path)
    monkeypatch.setenv("DETECTRON2_DATASETS", str(tmp_path))
    assert tool("check_dataset").main(["--dataset", "dukemtmc_video"]) == 0
    shown = capsys.readouterr().out
    assert "| gallery | tracklets            |         2 |        2636 |" in shown
    assert "| gallery | images               |         4 |           - |" in shown
    assert "| gallery | ids                  |         2 |        1110 |" in shown
    assert "frames: 8 of 8 are readable" in shown
