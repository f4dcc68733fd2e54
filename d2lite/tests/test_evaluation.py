import logging
import math

import pytest
import torch
from detectron2.config import get_cfg
from detectron2.data import DatasetCatalog, MetadataCatalog
from detectron2.evaluation import COCOEvaluator, DatasetEvaluators, print_csv_format, verify_results
from detectron2.evaluation.testing import flatten_results_dict
from detectron2.structures import Boxes, BoxMode, Instances


def outputs(boxes, scores):
    boxes, scores = Boxes(torch.tensor(boxes).reshape(-1, 4)), torch.tensor(scores)
    fields = {"pred_boxes": boxes, "scores": scores, "pred_classes": torch.zeros(len(boxes), dtype=torch.int64)}
    return [{"instances": Instances((200, 200), **fields)}]


def test_coco_box_ap(tmp_path):
    # two images with a person each, the second with a car, too
    people = {"s1.jpg": [[10.0, 10, 50, 90]], "s2.jpg": [[20.0, 20, 80, 80], [100.0, 100, 140, 130]]}
    records = [{"file_name": k, "image_id": k, "height": 200, "width": 200, "annotations": []} for k in people]
    for record, (number, box) in ((r, item) for r in records for item in enumerate(people[r["image_id"]])):
        record["annotations"].append({"bbox": box, "category_id": number, "bbox_mode": BoxMode.XYXY_ABS})
    DatasetCatalog.register("streets", lambda: records)
    MetadataCatalog.get("streets").thing_classes = ["person", "car"]
    evaluator = DatasetEvaluators([COCOEvaluator("streets", output_dir=str(tmp_path))])
    evaluator.reset()
    assert evaluator.evaluate() == {}
    # s1: a false alarm above the hit; s2: the person exactly, the car missed
    evaluator.process([{"image_id": "s1.jpg"}], outputs([[10.0, 10, 50, 90], [150.0, 150, 190, 190]], [0.8, 0.9]))
    evaluator.process([{"image_id": "s2.jpg"}], outputs([[20.0, 20, 80, 80]], [0.7]))
    bbox = evaluator.evaluate()["bbox"]
    assert list(bbox) == ["AP", "AP50", "AP75", "APs", "APm", "APl", "AP-person", "AP-car"]
    # person: recall 1/2 at precision 1/2, recall 1 at precision 2/3, so the envelope is 2/3 everywhere
    assert [bbox[name] for name in ("AP-person", "AP-car", "AP", "AP50")] == pytest.approx(
        [200 / 3, 0, 100 / 3, 100 / 3]
    )
    assert math.isnan(bbox["APl"])  # nothing is larger than 96 x 96 pixels
    evaluator.reset()
    evaluator.process([{"image_id": "s1.jpg"}], outputs([], []))
    bbox = evaluator.evaluate()["bbox"]
    assert (len(bbox), all(math.isnan(value) for value in bbox.values())) == (6, True)


def test_results(monkeypatch):
    lines = []
    logger = logging.getLogger("detectron2.evaluation.testing")
    monkeypatch.setattr(logger, "info", lambda text, *args: lines.append(text % args if args else text))
    print_csv_format({"bbox": {"AP": 1.0, "AP-person": 2.0, "APl": float("nan")}})  # F3
    assert lines == ["copypaste: Task: bbox", "copypaste: AP,APl", "copypaste: 1.0000,nan"]
    assert flatten_results_dict({"a": {"b": 1, "c": {"d": 2}}, "e": 3}) == {"a/b": 1, "a/c/d": 2, "e": 3}
    cfg = get_cfg()
    cfg.TEST.EXPECTED_RESULTS = [["bbox", "AP", 40.0, 0.5]]
    assert verify_results(cfg, {"bbox": {"AP": 40.4}})
    for results in ({"bbox": {"AP": 41.0}}, {"bbox": {"AP": float("nan")}}):
        with pytest.raises(SystemExit):
            verify_results(cfg, results)
