"""Anchors against people: overlaps by hand, and the table of a configuration."""

import numpy as np
import pytest
from detectron2.data import DatasetCatalog, MetadataCatalog
from detectron2.structures import BoxMode

from inet_d2.engine import load_config
from places import config_path

CONFIG = str(config_path("quick_schedules/inet_instant_test.yaml"))


def test_the_table_of_a_configuration(tool, tiny_datasets, capsys):
    assert tool("check_anchors").main(["--config-file", CONFIG, "--frames", "3"]) == 0
    shown = capsys.readouterr().out
    assert "pixels high (5 %, half, 95 %)" in shown
    assert "| height | people | best IoU, median | at least 0.5 | at least 0.7 |" in shown
    assert "| all |" in shown


def test_rows_by_hand(tool):
    heights, overlaps = np.array([10.0, 16.0, 31.9, 300.0]), np.array([0.1, 0.5, 0.7, 0.9])
    rows = tool("check_anchors").fit_table(heights, overlaps).splitlines()[2:]
    assert rows == [
        "| 0 to 16 | 1 | 0.10 | 0% | 0% |",
        "| 16 to 32 | 2 | 0.60 | 100% | 50% |",
        "| 256 and more | 1 | 0.90 | 100% | 100% |",
        "| all | 4 | 0.60 | 75% | 50% |",
    ]


@pytest.fixture
def one_person_set():
    """Register frames of 96 x 128 pixels with one person each: one_person_set([box, ...])."""

    def register(boxes):
        frame = {"height": 128, "width": 96}
        people = [{"bbox": box, "bbox_mode": BoxMode.XYXY_ABS, "category_id": 0, "person_id": 0} for box in boxes]
        records = [{**frame, "file_name": f"{n}", "image_id": n, "annotations": [p]} for n, p in enumerate(people)]
        DatasetCatalog.register("one_person_train", lambda: records)

    yield register
    DatasetCatalog.remove("one_person_train")
    MetadataCatalog.pop("one_person_train", None)


def test_overlaps_by_hand(tool, one_person_set):
    one_person_set([[32, 32, 96, 96], [40, 32, 96, 96], [0, 0, 0, 9]])
    opts = ["MODEL.ANCHOR_GENERATOR.SIZES", "[[32]]", "MODEL.ANCHOR_GENERATOR.ASPECT_RATIOS", "[[1.0]]"]
    opts += ["DATASETS.TRAIN", "('one_person_train',)", "INPUT.MIN_SIZE_TEST", "48"]
    heights, overlaps = tool("check_anchors").best_overlaps(load_config(CONFIG, opts), 5)
    # Halved, the first is [16, 16, 48, 48], an anchor; the second, 28 wide, shares 28 * 32 pixels with that anchor of
    # 32 * 32. The third has no area.
    np.testing.assert_allclose(heights, [32, 32])
    np.testing.assert_allclose(overlaps, [1, 28 / 32], rtol=1e-6)
    heights, _ = tool("check_anchors").best_overlaps(load_config(CONFIG, opts), 1)
    assert len(heights) == 1


def test_nobody_is_an_error(tool, one_person_set, capsys):
    one_person_set([])
    words = ["--config-file", CONFIG, "DATASETS.TRAIN", "('one_person_train',)"]
    assert tool("check_anchors").main(words) == 2
    assert "check_anchors: DATASETS.TRAIN: expected images with people, found none" in capsys.readouterr().err


def test_no_frame_is_refused(tool, capsys):
    with pytest.raises(SystemExit):
        tool("check_anchors").main(["--config-file", CONFIG, "--frames", "0"])
    assert "--frames: expected at least 1, found 0" in capsys.readouterr().err
