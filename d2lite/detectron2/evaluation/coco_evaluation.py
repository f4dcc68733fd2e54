import contextlib
import io
import itertools
import json
import logging
import os

import numpy as np

from .._lite import unsupported
from ..data import DatasetCatalog, MetadataCatalog
from ..structures import BoxMode
from ..utils import comm
from ..utils.file_io import PathManager
from ..utils.logger import create_small_table
from .evaluator import DatasetEvaluator

logger = logging.getLogger(__name__)


class COCOEvaluator(DatasetEvaluator):
    """COCO's average precision of boxes in percent: AP, AP50, AP75, APs, APm, APl and AP-name of several classes.

    Ground truth is the metadata's `json_file`, or else the records of the data set. Inputs have "image_id";
    outputs are {"instances": Instances with pred_boxes, scores, pred_classes} in the original frame.
    """

    def __init__(
        self, dataset_name: str, tasks=None, distributed: bool = True, output_dir: str | None = None, *,
        max_dets_per_image: int | None = None, use_fast_impl: bool = True, kpt_oks_sigmas=(),
        allow_cached_coco: bool = True) -> None:  # fmt: skip
        from pycocotools.coco import COCO

        if set(tasks or ()) - {"bbox"}:
            unsupported(f"COCOEvaluator with the tasks {tasks}")
        metadata = MetadataCatalog.get(dataset_name)
        if output_dir is None and not hasattr(metadata, "json_file"):
            raise ValueError("output_dir must be given: the data set has no json_file in its metadata.")
        self._distributed, self._output_dir, self._predictions = distributed, output_dir, []
        self._max_dets = [1, 10, max_dets_per_image or 100]
        self._classes = list(metadata.get("thing_classes", None) or ())
        known = metadata.get("thing_dataset_id_to_contiguous_id", None)
        self._category_ids = {v: k for k, v in known.items()} if known else {i: i for i in range(len(self._classes))}
        with contextlib.redirect_stdout(io.StringIO()):
            if hasattr(metadata, "json_file"):
                self._coco = COCO(PathManager.get_local_path(metadata.json_file))
            else:
                self._coco = COCO()
                self._coco.dataset = self._to_coco(DatasetCatalog.get(dataset_name))
                self._coco.createIndex()

    def _to_coco(self, records: list[dict]) -> dict:
        annotations = []
        for record, annotation in ((r, a) for r in records for a in r.get("annotations", ())):
            box = BoxMode.convert(annotation["bbox"], annotation["bbox_mode"], BoxMode.XYWH_ABS)
            box = [round(float(value), 3) for value in box]
            ids = {"id": len(annotations) + 1, "image_id": record["image_id"]}
            ids["category_id"] = self._category_ids[annotation["category_id"]]
            crowd = int(annotation.get("iscrowd", 0))
            annotations.append({**ids, "bbox": box, "area": box[2] * box[3], "iscrowd": crowd})
        images = [{"id": r["image_id"], "width": r["width"], "height": r["height"]} for r in records]
        categories = [{"id": self._category_ids[i], "name": name} for i, name in enumerate(self._classes)]
        return {"images": images, "annotations": annotations, "categories": categories}

    def reset(self) -> None:
        self._predictions = []

    def process(self, inputs: list[dict], outputs: list[dict]) -> None:
        for one_input, output in zip(inputs, outputs, strict=True):
            instances = output["instances"].to("cpu")
            boxes = BoxMode.convert(instances.pred_boxes.tensor, BoxMode.XYXY_ABS, BoxMode.XYWH_ABS).tolist()
            rows = zip(instances.pred_classes.tolist(), boxes, instances.scores.tolist(), strict=True)
            found = [
                {"image_id": one_input["image_id"], "category_id": self._category_ids[c], "bbox": b, "score": s}
                for c, b, s in rows
            ]
            self._predictions.append(found)

    def evaluate(self, img_ids=None) -> dict:
        predictions = self._predictions
        if self._distributed:
            predictions = list(itertools.chain(*comm.gather(predictions)))
            if not comm.is_main_process():
                return {}
        if not predictions:
            logger.warning("[COCOEvaluator] Did not receive valid predictions.")
            return {}
        results = list(itertools.chain(*predictions))
        if self._output_dir:
            PathManager.mkdirs(self._output_dir)
            with PathManager.open(os.path.join(self._output_dir, "coco_instances_results.json"), "w") as f:
                json.dump(results, f)
        if not self._coco.dataset.get("annotations"):
            logger.info("Annotations are not available for evaluation.")
            return {}
        scores = self._average_precisions(results, img_ids)
        logger.info("Evaluation results for bbox:\n%s", create_small_table(scores))
        return {"bbox": scores}

    def _average_precisions(self, results: list[dict], img_ids) -> dict[str, float]:
        from pycocotools.cocoeval import COCOeval

        precision = np.full((10, 101, len(self._category_ids), 4, 1), -1.0)  # IoU, recall, class, area, limit
        if results:
            with contextlib.redirect_stdout(io.StringIO()):
                evaluation = COCOeval(self._coco, self._coco.loadRes(results), "bbox")
                evaluation.params.maxDets = self._max_dets
                evaluation.params.imgIds = img_ids or evaluation.params.imgIds
                evaluation.evaluate()
                evaluation.accumulate()
            precision = evaluation.eval["precision"]

        def mean(part: np.ndarray) -> float:
            part = part[part > -1]
            return float(part.mean() * 100) if part.size else float("nan")

        every, small, medium, large = np.moveaxis(precision[..., -1], 3, 0)
        scores = {"AP": mean(every), "AP50": mean(every[0]), "AP75": mean(every[5])}  # IoU 0.5, 0.55 ... 0.95
        scores |= {"APs": mean(small), "APm": mean(medium), "APl": mean(large)}
        if len(self._classes) > 1 and results:
            scores |= {f"AP-{name}": mean(every[:, :, k]) for k, name in enumerate(self._classes)}
        return scores
