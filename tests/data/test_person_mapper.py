"""One image: pixels, boxes and identities move together."""

import copy

import cv2
import numpy as np
import pytest
import torch
from detectron2.data import transforms as T

from inet_d2.data.frame_reader import read_frame
from inet_d2.data.person_mapper import PersonImageMapper


def make_mapper(*augmentations):
    return PersonImageMapper(augmentations=list(augmentations), image_format="BGR")


def test_flip_moves_boxes_exactly_and_pixels_with_them(make_record):
    image = np.zeros((48, 64, 3), dtype=np.uint8)
    image[5:20, 10:30] = (1, 2, 3)  # rows 5-19, columns 10-29: the box [10, 5, 30, 20]
    record = make_record("a.png", [([10, 5, 30, 20], 7)], image=image)
    output = make_mapper(T.RandomFlip(prob=1.0))(record)
    # W - x: 64 - 30 = 34 and 64 - 10 = 54
    assert output["instances"].gt_boxes.tensor.tolist() == [[34.0, 5.0, 54.0, 20.0]]
    marked = (output["image"] == torch.tensor([1, 2, 3])[:, None, None]).all(dim=0)
    assert marked[5:20, 34:54].all()
    assert marked.sum() == 15 * 20


def test_resize_scales_whole_number_boxes_as_floats(make_record):
    record = make_record("a.png", [([30, 20, 60, 70], 0)], size=(96, 128))
    output = make_mapper(T.ResizeShortestEdge(64, 1000, "choice"))(record)
    # 96 x 128 -> 64 x 85: x * 85 / 128, y * 64 / 96; whole-number arithmetic would give [19, 13, 39, 46]
    expected = [30 * 85 / 128, 20 * 64 / 96, 60 * 85 / 128, 70 * 64 / 96]
    assert output["image"].shape == (3, 64, 85)
    assert output["instances"].image_size == (64, 85)
    np.testing.assert_allclose(output["instances"].gt_boxes.tensor[0].numpy(), expected, rtol=1e-6)
    assert (output["height"], output["width"]) == (96, 128)


def test_pids_stay_with_their_boxes_when_an_empty_box_is_dropped(make_record, caplog):
    people = [
        ([1.0, 1.0, 9.0, 9.0], 5),
        ([80.0, 2.0, 90.0, 9.0], 6),
        ([3.0, 3.0, 3.0, 9.0], 8),
        ([2.0, 2.0, 70.0, 50.0], -1),
    ]
    mapper = make_mapper()
    instances = mapper(make_record("a.png", people))["instances"]
    # 80..90 lies outside the 64 columns, 3..3 has no width, 70 x 50 is clipped to 64 x 48
    assert instances.gt_boxes.tensor.tolist() == [[1.0, 1.0, 9.0, 9.0], [2.0, 2.0, 64.0, 48.0]]
    assert instances.gt_pids.tolist() == [5, -1]
    assert instances.gt_pids.dtype == torch.int64
    assert instances.gt_classes.tolist() == [0, 0]
    assert "left out 2 boxes without area" in caplog.text
    caplog.clear()
    mapper(make_record("b.png", people))
    assert caplog.text == ""


def test_an_image_without_boxes_has_all_fields(make_record):
    output = make_mapper(T.RandomFlip(prob=1.0))(make_record("a.png"))
    instances = output["instances"]
    assert instances.gt_boxes.tensor.shape == (0, 4)
    assert instances.gt_boxes.tensor.dtype == torch.float32
    assert instances.gt_classes.shape == instances.gt_pids.shape == (0,)
    assert instances.gt_pids.dtype == torch.int64


def test_crowd_annotations_are_left_out(make_record):
    record = make_record("a.png", [([1, 1, 9, 9], 5), ([2, 2, 9, 9], 6)])
    record["annotations"][0]["iscrowd"] = 1
    assert make_mapper()(record)["instances"].gt_pids.tolist() == [6]


def test_image_is_the_file_in_the_asked_colour_order(make_record):
    record = make_record("a.png")
    bgr = cv2.imread(record["file_name"])
    output = make_mapper()(record)
    assert output["image"].dtype == torch.uint8
    assert output["image"].is_contiguous()
    np.testing.assert_array_equal(output["image"].permute(1, 2, 0).numpy(), bgr)
    rgb = PersonImageMapper(augmentations=[], image_format="RGB")(record)["image"]
    np.testing.assert_array_equal(rgb.permute(1, 2, 0).numpy(), bgr[:, :, ::-1])


def test_the_record_is_not_changed(make_record):
    record = make_record("a.png", [([1, 1, 9, 9], 5)])
    before = copy.deepcopy(record)
    output = make_mapper(T.ResizeShortestEdge(20, 100, "choice"))(record)
    assert record == before
    assert "annotations" not in output
    assert output["image_id"] == "a.png"


def test_settings_come_from_the_config(cfg, make_record):
    cfg.INPUT.MIN_SIZE_TRAIN = (24,)
    cfg.INPUT.MIN_SIZE_TEST = 12
    record = make_record("a.png")
    assert PersonImageMapper(cfg, is_train=True)(record)["image"].shape == (3, 24, 32)
    assert PersonImageMapper(cfg, is_train=False)(record)["image"].shape == (3, 12, 16)
    cfg.INPUT.CROP.ENABLED = True
    with pytest.raises(ValueError, match=r"INPUT\.CROP\.ENABLED is True"):
        PersonImageMapper(cfg, is_train=True)


def test_missing_image_is_an_error(make_record, tmp_path):
    record = make_record("a.png")
    record["file_name"] = str(tmp_path / "none.jpg")
    with pytest.raises(FileNotFoundError, match=r"none\.jpg is missing; complete the copy"):
        make_mapper()(record)


@pytest.mark.parametrize("keep", [0, 200])
def test_undecodable_image_is_an_error(make_record, tmp_path, keep):
    path = tmp_path / "broken.jpg"
    cv2.imwrite(str(path), np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8))
    path.write_bytes(path.read_bytes()[: len(path.read_bytes()) * keep // 400])
    record = {**make_record("a.png"), "file_name": str(path)}
    with pytest.raises(ValueError, match=r"broken\.jpg cannot be decoded .* replace the file"):
        make_mapper()(record)


def test_another_size_than_recorded_is_an_error(make_record):
    record = make_record("a.png")
    record["width"] = 65
    with pytest.raises(ValueError, match=r"a\.png: expected 65 x 48 pixels, .* found 64 x 48"):
        make_mapper()(record)


def test_read_frame_fills_in_a_missing_size(make_record):
    record = make_record("a.png")
    del record["height"], record["width"]
    assert read_frame(record, "BGR").shape == (48, 64, 3)
    assert (record["height"], record["width"]) == (48, 64)
