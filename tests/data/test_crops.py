"""Person crops: geometry against hand-worked values, choice of appearances, what the loss gets to see."""

import numpy as np
import pytest
import torch

from inet_d2.data import crops
from inet_d2.data.crops import CropDataset, PersonCropMapper, crop_transform, draw_appearances


def make_mapper(**changes):
    settings = {
        "size": (8, 4),
        "context": 2,
        "jitter": (0.0, 0.0),
        "gain": 0.0,
        "num_crops": 1,
        "flip_prob": 0.0,
        "image_format": "BGR",
    }
    return PersonCropMapper(**{**settings, **changes})


def test_crop_without_scaling_is_the_frame_around_the_box(make_record):
    frame = np.random.default_rng(0).integers(0, 256, (30, 40, 3), dtype=np.uint8)
    dataset = CropDataset([make_record("a.png", [([10, 12, 14, 20], 0)], image=frame)])  # a box of 4 x 8
    (output,) = make_mapper()(dataset[0])
    # the box with 2 pixels around it: rows 10-21, columns 8-15
    np.testing.assert_array_equal(output["image"].permute(1, 2, 0).numpy(), frame[10:22, 8:16])
    assert (output["height"], output["width"]) == (12, 8)
    assert output["image_id"] == "a.png"

    (mirrored,) = make_mapper(flip_prob=1.0)(dataset[0])
    np.testing.assert_array_equal(mirrored["image"].permute(1, 2, 0).numpy(), frame[10:22, 15:7:-1])


def test_the_frame_is_repeated_outside_its_border(make_record):
    frame = np.random.default_rng(1).integers(0, 256, (30, 40, 3), dtype=np.uint8)
    dataset = CropDataset([make_record("a.png", [([0, 0, 4, 8], 0)], image=frame)])
    (output,) = make_mapper()(dataset[0])
    image = output["image"].permute(1, 2, 0).numpy()
    np.testing.assert_array_equal(image[2:, 2:], frame[:10, :6])
    assert (image[:2, :2] == frame[0, 0]).all()


@pytest.mark.parametrize("is_flipped", [False, True])
def test_transform_moves_box_edges_to_the_inner_box(is_flipped):
    box = np.array([10.5, 20.25, 40.5, 110.25])
    matrix = crop_transform(box, (96, 48), 16, is_flipped)
    # cv2 works on pixel indices; the continuous coordinate x has the index x - 0.5
    corners = np.array([[box[0] - 0.5, box[1] - 0.5, 1.0], [box[2] - 0.5, box[3] - 0.5, 1.0]])
    moved = corners @ matrix.T + 0.5
    left, right = (64.0, 16.0) if is_flipped else (16.0, 64.0)
    np.testing.assert_allclose(moved, [[left, 16.0], [right, 112.0]], atol=1e-9)


def test_instances_hold_the_inner_box_and_the_pid(make_record):
    dataset = CropDataset([make_record("a.png", [([10, 12, 20, 40], 0), ([1, 1, 6, 6], 1)])])
    (output,) = make_mapper()(dataset[1])
    instances = output["instances"]
    assert instances.image_size == (12, 8)
    assert instances.gt_boxes.tensor.tolist() == [[2.0, 2.0, 6.0, 10.0]]
    assert instances.gt_classes.tolist() == [0]
    assert instances.gt_pids.tolist() == [1]
    assert output["image"].dtype == torch.uint8
    assert output["image"].is_contiguous()


def test_gain_multiplies_and_saturates(make_record, monkeypatch):
    frame = np.full((30, 40, 3), (100, 150, 250), dtype=np.uint8)
    dataset = CropDataset([make_record("a.png", [([10, 12, 14, 20], 0)], image=frame)])
    monkeypatch.setattr(crops.np.random, "uniform", lambda low, high: np.asarray(high))  # the largest draw
    (output,) = make_mapper(gain=0.2)(dataset[0])
    # 100 * 1.2 = 120, 150 * 1.2 = 180, 250 * 1.2 = 300 -> 255
    assert output["image"][:, 0, 0].tolist() == [120, 180, 255]


def test_jitter_stays_in_its_range():
    np.random.seed(0)  # noqa: NPY002
    mapper = make_mapper(jitter=(0.08, 0.05))
    box = np.array([100.0, 100.0, 200.0, 300.0])  # 100 x 200
    boxes = np.stack([mapper._jitter(box) for _ in range(500)])
    shifts = (boxes[:, :2] + boxes[:, 2:]) / 2 - [150.0, 200.0]
    scales = (boxes[:, 2:] - boxes[:, :2]) / [100.0, 200.0] - 1
    # at most 0.08 * 100 = 8 px along x and 0.05 * 200 = 10 px along y; scales 1 +- 0.08 and 1 +- 0.05
    assert 7.5 < np.abs(shifts[:, 0]).max() <= 8.0
    assert 9.5 < np.abs(shifts[:, 1]).max() <= 10.0
    assert 0.075 < np.abs(scales[:, 0]).max() <= 0.08
    assert 0.047 < np.abs(scales[:, 1]).max() <= 0.05


@pytest.mark.parametrize(("num_appearances", "num_crops"), [(5, 3), (3, 3), (2, 5), (1, 3)])
def test_appearances_repeat_only_when_there_are_too_few(num_appearances, num_crops):
    for _ in range(20):
        chosen = draw_appearances(num_appearances, num_crops)
        counts = np.bincount(chosen, minlength=num_appearances)
        assert len(chosen) == num_crops
        assert counts.max() - counts.min() <= 1


def test_each_frame_is_decoded_once(make_record, monkeypatch):
    record = make_record("a.png", [([10, 12, 20, 40], 0)])
    decoded = []
    read_frame = crops.read_frame
    monkeypatch.setattr(crops, "read_frame", lambda *args: decoded.append(args) or read_frame(*args))
    assert len(make_mapper(num_crops=4)(CropDataset([record])[0])) == 4
    assert len(decoded) == 1


def test_dataset_groups_boxes_by_identity(make_record):
    records = [
        make_record("a.png", [([1, 1, 9, 9], 2), ([5, 5, 9, 9], -1), ([2, 2, 2, 9], 0)]),
        make_record("b.png", [([3, 3, 9, 9], 0), ([4, 4, 9, 9], 2)]),
    ]
    dataset = CropDataset(records)
    assert [dataset[index]["pid"] for index in range(len(dataset))] == [0, 2]
    assert [a["image_id"] for a in dataset[1]["appearances"]] == ["a.png", "b.png"]
    assert dataset[0]["appearances"][0]["bbox"] == [3.0, 3.0, 9.0, 9.0]
    assert (dataset.num_appearances, dataset.num_dropped_boxes) == (3, 1)


def test_settings_come_from_the_config(cfg, make_record):
    dataset = CropDataset([make_record("a.png", [([10, 12, 20, 40], 0)])])
    outputs = PersonCropMapper(cfg)(dataset[0])
    assert len(outputs) == cfg.INPUT.PERSON_CROP.PER_IDENTITY == 3
    assert all(output["image"].shape == (3, 160 + 32, 80 + 32) for output in outputs)


def test_no_labelled_person_is_an_error(make_record):
    with pytest.raises(ValueError, match="found none among 1 images"):
        CropDataset([make_record("a.png", [([1, 1, 9, 9], -1)])])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"size": (0, 4)}, r"SIZE >= 1.*found \(0, 4\), 2 and 1"),
        ({"num_crops": 0}, "PER_IDENTITY >= 1"),
        ({"jitter": (0.5, 0.0)}, r"JITTER in \[0, 0\.5\)"),
        ({"gain": 1.0}, r"GAIN in \[0, 1\)"),
    ],
)
def test_settings_out_of_range_are_errors(change, message):
    with pytest.raises(ValueError, match=message):
        make_mapper(**change)


def test_missing_image_is_an_error(make_record, tmp_path):
    dataset = CropDataset([make_record("a.png", [([10, 12, 20, 40], 0)])])
    (tmp_path / "a.png").unlink()
    with pytest.raises(FileNotFoundError, match=r"a\.png is missing"):
        make_mapper()(dataset[0])
