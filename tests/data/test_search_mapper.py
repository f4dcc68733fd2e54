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


def save_boxes(path, name):
    names, counts = np.array([name, "other.png"]), np.array([2, 1])
    boxes = np.array([[10.1, 20, 61, 200], [120, 90, 120, 95], [0, 0, 5, 5]], dtype=np.float32)
    np.savez(path, gallery_names=names, gallery_counts=counts, gallery_boxes=boxes, gallery_scores=[0.3, 0.75, 1])
    return boxes


def test_saved_boxes_take_the_place_of_annotated_ones(cfg, record, tmp_path):
    boxes = save_boxes(tmp_path / "boxes.npz", record["image_id"])
    cfg.INPUT.MIN_SIZE_TEST = 48
    cfg.TEST.SEARCH.BOXES_FROM = str(tmp_path / "boxes.npz")
    mapper = SearchDatasetMapper(cfg)
    output = mapper(record)
    # Half as large, and clipped to the network's frame of 64 x 48; the file's own numbers stay beside.
    torch.testing.assert_close(output["gallery_boxes"], torch.tensor([[5.05, 10, 30.5, 48], [60, 45, 60, 47.5]]))
    assert output["gallery_frame_boxes"].numpy().tobytes() == boxes[:2].tobytes()
    torch.testing.assert_close(output["gallery_scores"], torch.tensor([0.3, 0.75]))
    with pytest.raises(ValueError, match=r"BOXES_FROM: expected boxes of every image, found none of new\.png"):
        mapper({**record, "image_id": "new.png"})


def test_two_sources_of_boxes_are_refused(cfg, tmp_path):
    cfg.TEST.SEARCH.USE_GT_BOXES, cfg.TEST.SEARCH.BOXES_FROM = True, "boxes.npz"
    with pytest.raises(ValueError, match="expected USE_GT_BOXES or BOXES_FROM, found both"):
        SearchDatasetMapper(cfg)
    cfg.TEST.SEARCH.USE_GT_BOXES = False
    with pytest.raises(FileNotFoundError, match=r"BOXES_FROM: boxes\.npz does not exist"):
        SearchDatasetMapper(cfg)


def test_training_is_refused(cfg):
    with pytest.raises(ValueError, match="use PairedDatasetMapper"):
        SearchDatasetMapper(cfg, is_train=True)


def test_missing_image_is_an_error(cfg, record):
    record["file_name"] += ".gone"
    with pytest.raises(FileNotFoundError, match=r"a\.png\.gone is missing"):
        SearchDatasetMapper(cfg)(record)
