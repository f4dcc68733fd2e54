import itertools

import detectron2
import numpy as np
import pytest
import torch
from detectron2.config import get_cfg
from detectron2.data import (
    DatasetCatalog,
    DatasetFromList,
    DatasetMapper,
    MapDataset,
    MetadataCatalog,
    build_detection_test_loader,
    build_detection_train_loader,
    detection_utils,
)
from detectron2.data import transforms as T
from detectron2.data.common import AspectRatioGroupedDataset
from detectron2.data.samplers import InferenceSampler, TrainingSampler
from detectron2.structures import BoxMode
from detectron2.utils import comm
from PIL import Image

LITE = pytest.mark.skipif(not hasattr(detectron2, "__d2lite__"), reason="about the embedded engine only")


def take(iterable, count):
    return list(itertools.islice(iter(iterable), count))


def test_catalogs():
    DatasetCatalog.register("toy", lambda: [{"image_id": 1}])
    MetadataCatalog.get("toy").set(thing_classes=["person"])
    assert DatasetCatalog.get("toy") == [{"image_id": 1}]
    assert MetadataCatalog.get("toy").thing_classes == ["person"]
    assert MetadataCatalog.get("toy").get("nothing", 5) == 5
    with pytest.raises(AssertionError, match="already registered"):
        DatasetCatalog.register("toy", list)
    with pytest.raises(AssertionError):
        MetadataCatalog.get("toy").thing_classes = ["car"]
    with pytest.raises(AttributeError, match="thing_classes"):
        _ = MetadataCatalog.get("toy").evaluator_type
    DatasetCatalog.remove("toy"), MetadataCatalog.remove("toy")
    with pytest.raises(KeyError, match="toy"):
        DatasetCatalog.get("toy")


def test_samplers_golden(monkeypatch):  # G9
    stream = [5, 3, 4, 6, 0, 2, 1, 2, 6, 3, 1, 5, 0, 4, 0, 6, 3, 4, 2, 5, 1]
    assert take(TrainingSampler(7, seed=3), 21) == stream
    assert take(TrainingSampler(7, seed=-1), 7) == [2, 1, 3, 6, 4, 5, 0]
    parts = []
    for world, rank in ((2, 0), (2, 1), (3, 0), (3, 1), (3, 2)):
        monkeypatch.setattr(comm, "get_world_size", lambda world=world: world)
        monkeypatch.setattr(comm, "get_rank", lambda rank=rank: rank)
        parts.append(list(InferenceSampler(7)))
        if world == 2:
            assert take(TrainingSampler(7, seed=3), 8) == stream[rank:16:2]
    assert parts == [[0, 1, 2, 3], [4, 5, 6], [0, 1, 2], [3, 4], [5, 6]]
    with pytest.raises(ValueError, match="positive"):
        TrainingSampler(0)
    with pytest.raises(TypeError):
        TrainingSampler(2.0)


class InOrder(torch.utils.data.Sampler):
    def __init__(self, size):
        self.size = size

    def __iter__(self):
        return iter(range(self.size))


def flatten(items):
    return [x for item in items for x in item]


def twice(x):
    return [x, x + 100]


@pytest.mark.parametrize("workers", [0, 2])
def test_two_inputs_per_item_stay_together(workers):
    loader = build_detection_train_loader(
        list(range(8)), mapper=twice, sampler=InOrder(8), total_batch_size=2, aspect_ratio_grouping=False,
        num_workers=workers, collate_fn=flatten,
    )  # fmt: skip
    assert list(loader) == [[i, i + 100, i + 1, i + 101] for i in (0, 2, 4, 6)]


def test_aspect_grouping_golden():  # G10
    sizes = [(2, 1), (1, 2), (1, 1), (2, 1), (1, 2), (3, 1), (3, 1)]
    items = [{"i": i, "width": w, "height": h} for i, (w, h) in enumerate(sizes)]
    batches = AspectRatioGroupedDataset(items, 2)
    assert [[x["i"] for x in batch] for batch in batches] == [[1, 2], [0, 3], [5, 6]]
    items = [{"i": i, "width": 1, "height": 1} for i in range(8)]
    loader = build_detection_train_loader(items, mapper=dict, sampler=InOrder(8), total_batch_size=2, num_workers=2)
    assert [[x["i"] for x in batch] for batch in take(loader, 4)] == [[0, 2], [1, 3], [4, 6], [5, 7]]


def test_data_sets_and_test_loader():
    data = DatasetFromList([{"a": [1]}, {"a": [2]}])
    data[0]["a"].append(9)
    assert data[0] == {"a": [1]}
    assert len(data) == 2
    assert DatasetFromList([[1]], serialize=False)[0] == [1]
    assert MapDataset(data, lambda x: x if x["a"] == [2] else None)[0] == {"a": [2]}
    loader = build_detection_test_loader([3, 4, 5], mapper=twice, batch_size=2)
    assert len(loader) == 2
    assert list(loader) == [[[3, 103], [4, 104]], [[5, 105]]]
    with pytest.raises(AssertionError):
        build_detection_train_loader([1], mapper=twice, total_batch_size=0)


def test_resize_shapes_golden():  # G7
    for h, w, short, longest, expected in (
        (1080, 1920, 600, 1000, (562, 1000)), (1080, 1920, 800, 1333, (750, 1333)), (480, 640, 800, 1333, (800, 1067)),
        (427, 640, 800, 1333, (800, 1199)), (333, 500, 600, 1000, (600, 901)), (768, 1365, 900, 1500, (844, 1500)),
    ):  # fmt: skip
        assert T.ResizeShortestEdge.get_output_shape(h, w, short, longest) == expected


def test_augmentations_move_boxes_and_images():
    image = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    aug_input = T.AugInput(image, boxes=np.array([[0.0, 0, 1, 2]]))
    augs = T.AugmentationList([T.Resize((4, 12)), T.RandomFlip(prob=1.0)])
    transforms = augs(aug_input)
    assert aug_input.image.shape == (4, 12, 3)
    assert aug_input.boxes.tolist() == [[9.0, 0, 12, 4]]  # x 0..1 of 4 -> 0..3 of 12 -> 9..12
    assert transforms.inverse().apply_box(aug_input.boxes.copy()).tolist() == [[0.0, 0, 1, 2]]
    assert T.ResizeShortestEdge(0, 10, "choice").get_transform(image).__class__ is T.NoOpTransform
    resize = T.ResizeTransform(96, 128, 64, 85)  # 30 * 85 / 128 = 19.92, 20 * 64 / 96 = 13.33; integers truncate
    assert resize.apply_box(np.array([[30, 20, 60, 70]])).tolist() == [[19, 13, 39, 46]]
    near = [[19.921875, 13.333333, 39.84375, 46.666667]]
    np.testing.assert_allclose(resize.apply_box(np.array([[30.0, 20, 60, 70]])), near, rtol=1e-6)
    with pytest.raises(ValueError, match=r"horiz"):
        T.RandomFlip(horizontal=True, vertical=True)


def test_mapper_reads_bgr_and_keeps_the_original_size(tmp_path):
    Image.new("RGB", (8, 4), (10, 20, 30)).save(tmp_path / "a.png")
    anno = {"bbox": [1.0, 1, 9, 3], "bbox_mode": BoxMode.XYXY_ABS, "category_id": 2}
    record = {"file_name": str(tmp_path / "a.png"), "annotations": [anno, {**anno, "iscrowd": 1}]}
    cfg = get_cfg()
    cfg.INPUT.MIN_SIZE_TRAIN, cfg.INPUT.RANDOM_FLIP = (8,), "none"
    out = DatasetMapper(cfg, True)(record)
    assert out["image"].shape == (3, 8, 16)
    assert out["image"][:, 0, 0].tolist() == [30, 20, 10]
    assert (out["width"], out["height"]) == (8, 4)
    assert out["instances"].gt_boxes.tensor.tolist() == [[2.0, 2, 16, 6]]  # doubled and clipped
    assert out["instances"].gt_classes.tolist() == [2]
    assert len(record["annotations"]) == 2
    assert "annotations" not in DatasetMapper(cfg, False)(record)
    with pytest.raises(detection_utils.SizeMismatchError, match=r"a\.png"):
        DatasetMapper(cfg, False)({**record, "width": 9, "height": 4})


@LITE
def test_what_is_missing_names_detectron2():
    with pytest.raises(NotImplementedError, match="full Detectron2"):
        _ = T.RandomCrop
    cfg = get_cfg()
    cfg.INPUT.CROP.ENABLED = True
    with pytest.raises(NotImplementedError, match="full Detectron2"):
        DatasetMapper(cfg, True)
