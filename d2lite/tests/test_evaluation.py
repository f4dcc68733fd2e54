import logging
import math

import pytest
import torch
from detectron2.config import get_cfg
from detectron2.data import DatasetCatalog, MetadataCatalog
from detectron2.evaluation import (
    COCOEvaluator,
    DatasetEvaluator,
    DatasetEvaluators,
    inference_on_dataset,
    print_csv_format,
    verify_results,
)
from detectron2.evaluation.testing import flatten_results_dict
from detectron2.structures import Boxes, BoxMode, Instances


@pytest.fixture
def dataset(request):
    """Two images with a person each, the second with a car, too."""
    name = request.node.name
    boxes = {"s1.jpg": [[10.0, 10, 50, 90]], "s2.jpg": [[20.0, 20, 80, 80], [100.0, 100, 140, 130]]}
    records = [{"file_name": k, "image_id": k, "height": 200, "width": 200} for k in boxes]
    for record, found in zip(records, boxes.values(), strict=True):
        kind = {"bbox_mode": BoxMode.XYXY_ABS}
        record["annotations"] = [{"bbox": box, "category_id": c, **kind} for c, box in enumerate(found)]
    DatasetCatalog.register(name, lambda: records)
    MetadataCatalog.get(name).thing_classes = ["person", "car"]
    return name


def outputs(boxes, scores, classes):
    instances = Instances((200, 200))
    instances.pred_boxes, instances.scores = Boxes(torch.tensor(boxes).reshape(-1, 4)), torch.tensor(scores)
    instances.pred_classes = torch.tensor(classes, dtype=torch.int64)
    return [{"instances": instances}]


def test_coco_box_ap(dataset, tmp_path):
    evaluator = COCOEvaluator(dataset, output_dir=str(tmp_path))
    evaluator.reset()
    assert evaluator.evaluate() == {}
    # s1: a false alarm above the hit; s2: the person exactly, the car missed
    first = outputs([[10.0, 10, 50, 90], [150.0, 150, 190, 190]], [0.8, 0.9], [0, 0])
    evaluator.process([{"image_id": "s1.jpg"}], first)
    evaluator.process([{"image_id": "s2.jpg"}], outputs([[20.0, 20, 80, 80]], [0.7], [0]))
    bbox = evaluator.evaluate()["bbox"]
    assert list(bbox) == ["AP", "AP50", "AP75", "APs", "APm", "APl", "AP-person", "AP-car"]
    # person: recall 1/2 at precision 1/2, recall 1 at precision 2/3, so the envelope is 2/3 everywhere
    assert bbox["AP-person"] == pytest.approx(200 / 3)
    assert bbox["AP-car"] == 0.0
    assert bbox["AP"] == bbox["AP50"] == pytest.approx(100 / 3)
    assert math.isnan(bbox["APl"])  # nothing is larger than 96 x 96 pixels


def test_coco_without_detections(dataset, tmp_path):
    evaluator = COCOEvaluator(dataset, output_dir=str(tmp_path))
    evaluator.reset()
    evaluator.process([{"image_id": "s1.jpg"}], outputs([], [], []))
    bbox = evaluator.evaluate()["bbox"]
    assert len(bbox) == 6
    assert all(math.isnan(value) for value in bbox.values())


class Count(DatasetEvaluator):
    def __init__(self, task):
        self.task = task

    def reset(self):
        self.count = 0

    def process(self, inputs, outputs):
        self.count += len(inputs) + outputs

    def evaluate(self):
        return {self.task: {"n": self.count}}


def test_inference_on_dataset():
    class Model(torch.nn.Module):
        def forward(self, inputs):
            assert not self.training
            assert not torch.is_grad_enabled()
            return 10

    model = Model().train()
    results = inference_on_dataset(model, [[1, 2], [3]], [Count("a"), Count("b")])
    assert results == {"a": {"n": 23}, "b": {"n": 23}}  # 2 + 10 + 1 + 10
    assert model.training
    assert inference_on_dataset(model, [[1]], None) == {}
    twins = DatasetEvaluators([Count("a"), Count("a")])
    twins.reset()
    with pytest.raises(AssertionError, match="same key a"):
        twins.evaluate()


def test_results(monkeypatch):
    lines = []
    logger = logging.getLogger("detectron2.evaluation.testing")
    monkeypatch.setattr(logger, "info", lambda text, *args: lines.append(text % args if args else text))
    print_csv_format({"bbox": {"AP": 1.0, "AP-person": 2.0, "APl": float("nan")}})
    assert lines == ["copypaste: Task: bbox", "copypaste: AP,APl", "copypaste: 1.0000,nan"]
    assert flatten_results_dict({"a": {"b": 1, "c": {"d": 2}}, "e": 3}) == {"a/b": 1, "a/c/d": 2, "e": 3}
    cfg = get_cfg()
    cfg.TEST.EXPECTED_RESULTS = [["bbox", "AP", 40.0, 0.5]]
    assert verify_results(cfg, {"bbox": {"AP": 40.4}})
    for results in ({"bbox": {"AP": 41.0}}, {"bbox": {"AP": float("nan")}}):
        with pytest.raises(SystemExit):
            verify_results(cfg, results)
