"""Frames and people of sizes that nobody planned for go through every loader, mapper and stage."""

import cv2
import numpy as np
import pytest
import torch
from detectron2.data import DatasetCatalog, MetadataCatalog
from detectron2.structures import BoxMode
from detectron2.utils.events import EventStorage

from inet_d2.data import SearchDatasetMapper, build_train_loader
from inet_d2.engine import INetTrainer, load_config
from places import config_path

# (height, width): primes, portrait, landscape, narrow, below the backbone's stride, a thread.
SIZES = [(97, 61), (61, 97), (127, 31), (8, 8), (8, 131), (131, 8), (113, 199), (1, 7), (1, 997)]
SCALES = {
    "as they are": ["INPUT.MIN_SIZE_TRAIN", "(0,)", "INPUT.MIN_SIZE_TEST", 0],
    "one": ["INPUT.MIN_SIZE_TRAIN", "(67,)", "INPUT.MIN_SIZE_TEST", 67, "INPUT.MAX_SIZE_TEST", 131],
    "a choice": ["INPUT.MIN_SIZE_TRAIN", "(31, 61, 89)", "INPUT.MAX_SIZE_TRAIN", 151],
    "a range": ["INPUT.MIN_SIZE_TRAIN", "(31, 97)", "INPUT.MIN_SIZE_TRAIN_SAMPLING", "range"],
    "a choice, floored": ["INPUT.MIN_SIZE_TRAIN", "(31, 61, 89)", "INPUT.RESIZE", "torchvision"],
    "a range, floored": [
        "INPUT.MIN_SIZE_TRAIN", "(31, 97)", "INPUT.MIN_SIZE_TRAIN_SAMPLING", "range", "INPUT.RESIZE", "torchvision"
    ],
}  # fmt: skip
STAGES = {"crops": "crops", "single images": "initialized", "pairs": "inet"}


def people_of(height, width):
    """XYXY boxes in and over a frame: all of it, one pixel in each corner, half outside, a sliver, one outside."""
    yield [0, 0, width, height]
    for x in (0, width - 1):
        for y in (0, height - 1):
            yield [x, y, x + 1, y + 1]
    yield [width / 2, height / 3, 1.5 * width, 2 * height]
    yield [width / 3, 0, width / 3 + 0.01, height]
    yield [width + 5, 0, width + 9, height]


@pytest.fixture
def odd_set(tmp_path):
    """The registered data set "odd_train": every person is in every frame, the last one without an identity."""
    records, generator = [], np.random.default_rng(0)
    for number, size in enumerate(SIZES):
        path = str(tmp_path / f"{number}.png")
        cv2.imwrite(path, generator.integers(0, 256, (*size, 3), dtype=np.uint8))
        people = [
            {"bbox": box, "bbox_mode": BoxMode.XYXY_ABS, "category_id": 0, "person_id": pid if pid < 6 else -1}
            for pid, box in enumerate(people_of(*size))
        ]
        frame = {"file_name": path, "image_id": f"{number}.png", "height": size[0], "width": size[1]}
        records.append({**frame, "annotations": people})
    DatasetCatalog.register("odd_train", lambda: records)
    yield records
    DatasetCatalog.remove("odd_train")
    MetadataCatalog.pop("odd_train", None)


def configuration(stage, options, *more):
    words = ["MODEL.WEIGHTS", "", "DATASETS.TRAIN", "('odd_train',)", "DATASETS.TEST", "()", *options, *more]
    words += ["MODEL.ROI_REID_HEAD.NUM_PIDS", 6, "DATALOADER.NUM_WORKERS", 0]
    return load_config(config_path(f"quick_schedules/{stage}_instant_test.yaml"), [str(word) for word in words])


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("kind", STAGES)
def test_every_loader_gives_boxes_inside_of_its_images(odd_set, kind, scale):
    cfg = configuration(STAGES[kind], SCALES[scale], "SOLVER.IMS_PER_BATCH", 6)
    batches, seen = iter(build_train_loader(cfg)), set()
    for _ in range(40):
        for x in next(batches):
            seen.add(x["image_id"])
            height, width = x["image"].shape[1:]
            assert x["image"].dtype in (torch.uint8, torch.float32)
            assert min(height, width) >= 1
            boxes = x["instances"].gt_boxes.tensor
            assert x["instances"].image_size == (height, width)
            assert len(boxes) == len(x["instances"].gt_pids) >= 1
            assert (boxes[:, :2] >= 0).all()
            assert (boxes[:, 2:] <= torch.tensor([width, height])).all()
            assert (boxes[:, 2:] > boxes[:, :2]).all()
            assert x["instances"].gt_pids.max() < 6
    assert seen == {record["image_id"] for record in odd_set}


@pytest.mark.parametrize("scale", ["as they are", "a choice"])
@pytest.mark.parametrize("kind", STAGES)
def test_a_step_on_every_frame_is_finite(odd_set, kind, scale):
    cfg = configuration(STAGES[kind], SCALES[scale], "SOLVER.IMS_PER_BATCH", 6)
    model = INetTrainer.build_model(cfg).train()
    batches, seen = iter(build_train_loader(cfg)), set()
    with EventStorage():
        while len(seen) < len(odd_set):
            batch = next(batches)
            seen.update(x["image_id"] for x in batch)
            losses = model(batch)
            sum(losses.values()).backward()
            assert all(torch.isfinite(loss) for loss in losses.values())
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)


@pytest.mark.parametrize("scale", ["as they are", "one"])
def test_every_frame_and_person_can_be_searched(odd_set, scale):
    cfg = configuration("inet", SCALES[scale])
    model, mapper = INetTrainer.build_model(cfg).eval(), SearchDatasetMapper(cfg)
    for record in odd_set:
        boxes = [person["bbox"] for person in record["annotations"][:6]]
        with torch.no_grad():
            (output,) = model([mapper({**record, "query_boxes": boxes})])
        embeddings = output["query_embeddings"]
        assert embeddings.shape == (6, cfg.MODEL.ROI_REID_HEAD.EMBED_DIM)
        assert torch.isfinite(embeddings).all()
        found = output["instances"].pred_boxes.tensor
        assert (found >= 0).all()
        assert (found <= torch.tensor([record["width"], record["height"]]).repeat(2)).all()
