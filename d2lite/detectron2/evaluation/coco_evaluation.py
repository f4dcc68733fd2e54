import contextlib
import io
import itertools
import json
import logging
import os

from .._lite import unsupported
from ..data import DatasetCatalog, MetadataCatalog
from ..structures import BoxMode
from ..utils import comm
from ..utils.file_io import PathManager
from ..utils.logger import create_small_table
from .evaluator import DatasetEvaluator

logger = logging.getLogger(__name__)
_METRICS = ("AP", "AP50", "AP75", "APs", "APm", "APl")


class COCOEvaluator(DatasetEvaluator):
    """COCO's average precision of boxes in percent: AP, AP50, AP75, APs, APm, APl and AP-name of several classes.

    Ground truth are the records of the data set. Inputs have "image_id"; outputs are {"instances": Instances with
    pred_boxes, scores, pred_classes} in the original frame.
    """

    def __init__(self, dataset_name: str, tasks=None, *, output_dir: str, allow_cached_coco: bool = True) -> None:
        from pycocotools.coco import COCO

        metadata = MetadataCatalog.get(dataset_name)
        if set(tasks or ()) - {"bbox"} or hasattr(metadata, "json_file"):
            unsupported("COCOEvaluator of masks or keypoints, or with a json_file,")
        self._output_dir, self._predictions = output_dir, []
        self._classes = list(metadata.get("thing_classes", None) or ())
        with contextlib.redirect_stdout(io.StringIO()):
            self._coco = COCO()
            self._coco.dataset = self._to_coco(DatasetCatalog.get(dataset_name))
            self._coco.createIndex()

    def _to_coco(self, records: list[dict]) -> dict:
        annotations = []
        for record, annotation in ((r, a) for r in records for a in r.get("annotations", ())):
            box = BoxMode.convert(annotation["bbox"], annotation["bbox_mode"], BoxMode.XYWH_ABS)
            box = [round(float(value), 3) for value in box]
            ids = {"id": len(annotations) + 1, "image_id": record["image_id"], "category_id": annotation["category_id"]}
            crowd = int(annotation.get("iscrowd", 0))
            annotations.append({**ids, "bbox": box, "area": box[2] * box[3], "iscrowd": crowd})
        images = [{"id": r["image_id"], "width": r["width"], "height": r["height"]} for r in records]
        categories = [{"id": i, "name": name} for i, name in enumerate(self._classes)]
        return {"images": images, "annotations": annotations, "categories": categories}

    def reset(self) -> None:
        self._predictions = []

    def process(self, inputs: list[dict], outputs: list[dict]) -> None:
        for one_input, output in zip(inputs, outputs, strict=True):
            instances, image = output["instances"].to("cpu"), {"image_id": one_input["image_id"]}
            boxes = BoxMode.convert(instances.pred_boxes.tensor, BoxMode.XYXY_ABS, BoxMode.XYWH_ABS).tolist()
            rows = zip(instances.pred_classes.tolist(), boxes, instances.scores.tolist(), strict=True)
            self._predictions.append([{**image, "category_id": c, "bbox": b, "score": s} for c, b, s in rows])

    def evaluate(self) -> dict:
        predictions = list(itertools.chain(*comm.gather(self._predictions)))
        if not predictions or not comm.is_main_process():
            return {}
        results = list(itertools.chain(*predictions))
        PathManager.mkdirs(self._output_dir)
        with PathManager.open(os.path.join(self._output_dir, "coco_instances_results.json"), "w") as f:
            json.dump(results, f)
        scores = self._average_precisions(results)
        logger.info("Box AP:\n%s", create_small_table(scores))
        return {"bbox": scores}

    def _average_precisions(self, results: list[dict]) -> dict[str, float]:
        from pycocotools.cocoeval import COCOeval

        if not results:
            return dict.fromkeys(_METRICS, float("nan"))
        with contextlib.redirect_stdout(io.StringIO()):
            evaluation = COCOeval(self._coco, self._coco.loadRes(results), "bbox")
            evaluation.evaluate()
            evaluation.accumulate()
            evaluation.summarize()
        scores = dict(zip(_METRICS, evaluation.stats, strict=False))
        if len(self._classes) > 1:
            every = evaluation.eval["precision"][:, :, :, 0, -1]  # IoU, recall, class (of all sizes)
            parts = [part[part > -1] for part in every.transpose(2, 0, 1)]
            means = [part.mean() if part.size else -1 for part in parts]
            scores |= {f"AP-{name}": mean for name, mean in zip(self._classes, means, strict=True)}
        return {name: float(score * 100) if score > -1 else float("nan") for name, score in scores.items()}
