"""COCO's habits, XYWH boxes, whole numbers for images, crowds, change nothing: the same data set in two writings."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from detectron2.config import get_cfg
from detectron2.data import DatasetCatalog, MetadataCatalog
from detectron2.structures import Boxes, BoxMode, Instances

from inet_d2 import add_inet_config
from inet_d2.data import CropDataset, PersonImageMapper, build_search_test_loader, same_identity_pairs
from inet_d2.data.datasets import load_annotations, load_protocol, load_records
from inet_d2.evaluation import PersonSearchEvaluator, load_scoring_data

CROWD = {"bbox": [0, 0, 30, 40], "bbox_mode": BoxMode.XYWH_ABS, "category_id": 0, "iscrowd": 1, "person_id": 0}


def habits(records):
    """The same records; the number of an image is that in its name."""
    found = []
    for record in records:
        people = [{**a, "bbox_mode": BoxMode.XYWH_ABS, "bbox": to_xywh(a["bbox"])} for a in record["annotations"]]
        for person in people:
            if person["person_id"] < 0:
                del person["person_id"]
        found.append({**record, "image_id": number(record["image_id"]), "annotations": [CROWD, *people]})
    return found


def to_xywh(box):
    return [box[0], box[1], box[2] - box[0], box[3] - box[1]]


def number(name):
    return int(name.removeprefix("s").removesuffix(".jpg"))


def numbered_protocol(size):
    protocol = load_protocol("cuhk_sysu_test", size)
    names = [np.array([number(name) for name in found]) for found in (protocol.image_names, protocol.query_names)]
    return replace(protocol, image_names=names[0], query_names=names[1])


@pytest.fixture
def coco_habits(tiny_datasets):
    """The registered splits "habits_train" and "habits_test"."""
    for split in ("train", "test"):
        DatasetCatalog.register(f"habits_{split}", lambda split=split: habits(DatasetCatalog.get(f"cuhk_sysu_{split}")))
        MetadataCatalog.get(f"habits_{split}").set(thing_classes=["person"], protocol_loader=numbered_protocol)
    yield
    for split in ("train", "test"):
        DatasetCatalog.remove(f"habits_{split}")
        MetadataCatalog.remove(f"habits_{split}")


@pytest.mark.parametrize("load", [load_records, load_annotations])
def test_pairs_and_crops_and_training_images(coco_habits, load):
    ours, theirs = load("cuhk_sysu_train"), load("habits_train")
    raw = DatasetCatalog.get("habits_train")
    assert (
        same_identity_pairs(ours).tolist() == same_identity_pairs(theirs).tolist() == same_identity_pairs(raw).tolist()
    )
    items = [CropDataset(records) for records in (ours, theirs, raw)]
    boxes = [[[a["bbox"] for a in item["appearances"]] for item in found] for found in items]
    assert boxes[0] == boxes[1] == boxes[2]
    mapper = PersonImageMapper(augmentations=[], image_format="BGR")
    outputs = [mapper(records[0])["instances"] for records in (ours, theirs, raw)]
    for output in outputs[1:]:
        assert output.gt_boxes.tensor.tolist() == outputs[0].gt_boxes.tensor.tolist()
        assert output.gt_pids.tolist() == outputs[0].gt_pids.tolist()


def test_evaluation(coco_habits):
    """Perfect boxes give detection AP 100 by our rule, whatever the boxes are written as."""
    cfg = get_cfg()
    add_inet_config(cfg)
    cfg.DATALOADER.NUM_WORKERS = 0
    cfg.TEST.SEARCH.GALLERY_SIZES = (50,)
    cfg.TEST.SEARCH.USE_GT_BOXES = True
    cfg.INPUT.MIN_SIZE_TEST = 0
    results = {}
    for name in ("cuhk_sysu_test", "habits_test"):
        evaluator = PersonSearchEvaluator(cfg, name)
        for (image,) in build_search_test_loader(cfg, name):
            boxes = image["gallery_boxes"]
            seen = Instances((image["height"], image["width"]), pred_boxes=Boxes(boxes), scores=torch.ones(len(boxes)))
            seen.pred_embeddings = rows(boxes)
            evaluator.process(
                [image], [{"instances": seen, "query_embeddings": rows(image.get("query_boxes", boxes[:0]))}]
            )
        results[name] = evaluator.evaluate()
    assert results["habits_test"] == results["cuhk_sysu_test"]
    assert results["habits_test"]["detection"] == {"AP": 100.0, "recall": 100.0}
    ours, theirs = (load_scoring_data(name, [50]) for name in results)
    assert ours.truths.boxes.tolist() == theirs.truths.boxes.tolist()


def rows(boxes):
    """Something of unit length that tells boxes apart."""
    return torch.nn.functional.normalize(boxes * torch.tensor([1.0, 2.0, -1.0, 3.0]) + 1, dim=1)
