import numpy as np
import pytest
import torch

from crop_copies import write_market
from inet_d2.data import PersonCropMapper
from inet_d2.data.crop_test_mapper import CropTestMapper
from inet_d2.data.datasets import load_market1501
from inet_d2.data.reid_loader import build_reid_test_loader
from inet_d2.engine import load_config
from places import config_path


@pytest.fixture
def cfg():
    return load_config(config_path("quick_schedules/reid_instant_test.yaml"))


def test_the_crop_is_the_training_crop_without_chance(cfg, tmp_path):
    record = load_market1501(write_market(tmp_path), "query")[0]
    mapped = CropTestMapper(cfg)(record)
    appearance = {**record, "bbox": record["annotations"][0]["bbox"], "number": 0}
    expected = PersonCropMapper(cfg, is_train=False)({"pid": 0, "appearances": [appearance]})[0]
    assert torch.equal(mapped["image"], expected["image"])
    assert torch.equal(mapped["gallery_boxes"], expected["instances"].gt_boxes.tensor)
    assert (mapped["height"], mapped["width"]) == tuple(mapped["image"].shape[1:]) == (64, 40)
    assert mapped["camera_id"] == 1
    assert "annotations" in record
    # The context is the border of the crop, again and again.
    assert np.ptp(mapped["image"][:, 30, :8].numpy(), axis=1).max() == 0


def test_queries_come_before_their_gallery(cfg, tmp_path, monkeypatch):
    monkeypatch.setenv("DETECTRON2_DATASETS", str(tmp_path))
    write_market(tmp_path)
    inputs = [x for batch in build_reid_test_loader(cfg, "market1501_query") for x in batch]
    assert [x["reid_row"] for x in inputs] == list(range(22))
    assert [x["image_id"].split("/")[0] for x in inputs] == ["query"] * 5 + ["bounding_box_test"] * 17
