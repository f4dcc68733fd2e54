"""Test inputs: the original size is kept, boxes are in the network frame."""

import numpy as np
import pytest
import torch

from inet_d2.data.search_mapper import SearchDatasetMapper


@pytest.fixture
def record(make_record):
    return make_record("a.png", [([30, 20, 60, 70], 4), ([-5, 3, 20, 30], -1)], size=(96, 128))


def test_resize_keeps_the_original_size_beside_it(cfg, record):
    cfg.INPUT.MIN_SIZE_TEST = 64
    output = SearchDatasetMapper(cfg)(record)
    assert output["image"].shape == (3, 64, 85)
    assert (output["height"], output["width"]) == (96, 128)
    assert output["image_id"] == "a.png"
    assert not {"annotations", "query_boxes", "gallery_boxes"} & set(output)
    assert "annotations" in record


def test_max_size_limits_the_longer_side(cfg, record):
    cfg.INPUT.MIN_SIZE_TEST, cfg.INPUT.MAX_SIZE_TEST = 96, 64
    assert SearchDatasetMapper(cfg)(record)["image"].shape == (3, 48, 64)


def test_query_boxes_move_to_the_network_frame_and_are_clipped(cfg, record):
    cfg.INPUT.MIN_SIZE_TEST = 48  # half size: 48 x 64
    record["query_boxes"] = np.array([[30, 20, 61, 70], [-5, 3, 20, 300]])  # whole numbers on purpose
    boxes = SearchDatasetMapper(cfg)(record)["query_boxes"]
    assert boxes.dtype == torch.float32
    assert boxes.tolist() == [[15.0, 10.0, 30.5, 35.0], [0.0, 1.5, 10.0, 48.0]]
    assert record["query_boxes"][0, 0] == 30


def test_no_resize_at_zero(cfg, record):
    cfg.INPUT.MIN_SIZE_TEST = 0
    record["query_boxes"] = [[30.0, 20.0, 60.0, 70.0]]
    output = SearchDatasetMapper(cfg)(record)
    assert output["image"].shape == (3, 96, 128)
    assert output["query_boxes"].tolist() == [[30.0, 20.0, 60.0, 70.0]]


def test_annotated_boxes_become_gallery_boxes_in_their_order(cfg, record, make_record):
    cfg.INPUT.MIN_SIZE_TEST = 48
    cfg.TEST.SEARCH.USE_GT_BOXES = True
    mapper = SearchDatasetMapper(cfg)
    assert mapper(record)["gallery_boxes"].tolist() == [[15.0, 10.0, 30.0, 35.0], [0.0, 1.5, 10.0, 15.0]]
    assert mapper(make_record("b.png"))["gallery_boxes"].shape == (0, 4)


def test_training_is_refused(cfg):
    with pytest.raises(ValueError, match="use PairedDatasetMapper"):
        SearchDatasetMapper(cfg, is_train=True)


def test_missing_image_is_an_error(cfg, record):
    record["file_name"] += ".gone"
    with pytest.raises(FileNotFoundError, match=r"a\.png\.gone is missing"):
        SearchDatasetMapper(cfg)(record)
