"""PersonSearchEvaluator: collects a model's outputs, saves them and scores them by the data set's protocols."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from detectron2.config import CfgNode, configurable
from detectron2.evaluation import DatasetEvaluator
from detectron2.utils import comm

from inet_d2.data.records import image_name
from inet_d2.evaluation.graph_matching import context_of_queries
from inet_d2.evaluation.predictions import SearchPredictions
from inet_d2.evaluation.scoring import FULL_GALLERY, SearchScores, check_options, load_scoring_data, score_predictions

_logger = logging.getLogger(__name__)


class PersonSearchEvaluator(DatasetEvaluator):
    """Person search and detection figures of a model on a registered test split.

    The model's output for each image holds ``instances`` with ``pred_boxes``, ``scores`` and
    ``pred_embeddings``, and ``query_embeddings`` where the input had ``query_boxes`` (see
    ``SearchProtocol.queries_by_image``).

    Args:
        dataset_name: a registered test split.
        gallery_sizes: published sizes or 0 for the full gallery; the first one gets the plain result
            names.
        score_thresh: detections below it are neither searched nor counted, in [0, 1].
        rules: ``reference`` or ``seqnet``.
        ap: ``step`` or ``trapezoid``.
        cross_camera: leave the query's camera out of its gallery (PRW).
        confidence_weight: multiply similarities by the detection's score.
        output_dir: gets ``predictions.npz`` and ``context.npz``; None saves nothing.
        distributed: gather the outputs of all processes; False scores this process's alone.

    Raises:
        FileNotFoundError: an annotation file is missing.
        ValueError: an argument does not fit the data set.
    """

    @configurable
    def __init__(
        self,
        dataset_name: str,
        *,
        gallery_sizes: Sequence[int] = (100,),
        score_thresh: float = 0.5,
        rules: str = "reference",
        ap: str = "step",
        cross_camera: bool = False,
        confidence_weight: bool = False,
        output_dir: str | None = None,
        distributed: bool = True,
    ) -> None:
        check_options(score_thresh=score_thresh, rules=rules, ap=ap)
        self._options = {
            "score_thresh": score_thresh,
            "rules": rules,
            "ap": ap,
            "confidence_weight": confidence_weight,
        }
        self._output_dir = Path(output_dir) if output_dir else None
        self._distributed = distributed
        self._data = load_scoring_data(dataset_name, gallery_sizes, cross_camera=cross_camera)
        self._protocol = next(iter(self._data.protocols.values()))
        self._queries = self._protocol.queries_by_image()
        self.reset()

    @classmethod
    def from_config(cls, cfg: CfgNode, dataset_name: str) -> dict[str, Any]:
        """Read ``TEST.SEARCH``: ``PersonSearchEvaluator(cfg, dataset_name, output_dir=...)``.

        Args:
            cfg: a configuration with the keys of ``add_inet_config``.
            dataset_name: a registered test split.

        Returns:
            Arguments of the constructor.
        """
        search = cfg.TEST.SEARCH
        return {
            "dataset_name": dataset_name,
            "gallery_sizes": search.GALLERY_SIZES,
            "score_thresh": search.SCORE_THRESH,
            "rules": search.RULES,
            "ap": search.AP,
            "cross_camera": search.CROSS_CAMERA,
            "confidence_weight": search.CONFIDENCE_WEIGHT,
        }

    def reset(self) -> None:
        """Forget the outputs collected so far."""
        self._outputs: dict[str, dict[str, Any]] = {}

    def process(self, inputs: Sequence[Mapping[str, Any]], outputs: Sequence[Mapping[str, Any]]) -> None:
        """Collect the outputs of some images.

        Args:
            inputs: with ``image_id``, ``height`` and ``width``.
            outputs: one per input, as the class describes.

        Raises:
            ValueError: an output lacks embeddings, or a query box lies outside its image.
        """
        for image, output in zip(inputs, outputs, strict=True):
            name = image_name(image)
            found = {field: _instance_field(name, output, field) for field in _FIELDS}
            if name in self._queries:
                found["query_embeddings"] = self._query_embeddings(image, output)
            self._outputs[name] = found

    def _query_embeddings(self, image: Mapping[str, Any], output: Mapping[str, Any]) -> np.ndarray:
        name = image_name(image)
        indices, _ = self._queries[name]
        sizes = np.tile([image["width"], image["height"]], (len(indices), 1))
        self._protocol.check_queries_inside(indices, sizes)
        embeddings = output.get("query_embeddings")
        if embeddings is None or len(embeddings) != len(indices):
            raise ValueError(
                f"output of {name}: expected query_embeddings of its {len(indices)} query boxes, found "
                f"{'none' if embeddings is None else len(embeddings)}; put query_boxes on the test records "
                "(SearchProtocol.queries_by_image) and have the model embed them"
            )
        return embeddings.detach().cpu().numpy().astype(np.float32)

    def evaluate(self) -> dict[str, dict[str, float]]:
        """Gather, save, score, and log the counts.

        Returns:
            On the first process ``{"search": {"mAP", "top1", "top5", "top10"}, "detection": {"AP",
            "recall"}}``, 0-100; further gallery sizes as ``mAP_g500`` or ``mAP_all`` beside the first.
            Elsewhere an empty dictionary.

        Raises:
            ValueError: an image of the data set was never processed.
        """
        outputs = self._outputs
        if self._distributed:
            comm.synchronize()
            gathered = comm.gather(outputs, dst=0)
            if not comm.is_main_process():
                return {}
            outputs = {name: found for part in gathered for name, found in part.items()}
        missing = [name for name in self._protocol.image_names.tolist() if name not in outputs]
        if missing:
            raise ValueError(
                f"{self._data.name}: expected outputs for {len(self._protocol.image_names)} images, found none for "
                f"{len(missing)}, first {missing[0]}; run the model over the whole test loader"
            )
        predictions = self._assemble(outputs)
        self._save(predictions)
        scores = score_predictions(predictions, self._data, **self._options)
        results = evaluator_results(scores)
        self._log(predictions, scores)
        return results

    def _assemble(self, outputs: Mapping[str, Mapping[str, np.ndarray]]) -> SearchPredictions:
        names = self._protocol.image_names.tolist()
        found = [outputs[name] for name in names]
        queried = [name for name in names if name in self._queries]
        size = max((o["pred_embeddings"].shape[1] for o in found if o["pred_embeddings"].ndim == 2), default=0)
        queries = [outputs[name]["query_embeddings"] for name in queried]
        size = queries[0].shape[1] if queries else size
        indices = np.concatenate([np.zeros(0, dtype=np.int64), *(self._queries[name][0] for name in queried)])
        order = np.argsort(indices)
        rows = indices[order]
        return SearchPredictions(
            gallery_names=np.array(names, dtype=str),
            gallery_counts=np.array([len(o["scores"]) for o in found], dtype=np.int64),
            gallery_boxes=_stack([o["pred_boxes"] for o in found], 4),
            gallery_scores=_stack([o["scores"][:, None] for o in found], 1)[:, 0],
            gallery_embeddings=_stack([o["pred_embeddings"] for o in found], size),
            query_names=self._protocol.query_names[rows],
            query_boxes=self._protocol.query_boxes[rows],
            query_embeddings=_stack(queries, size)[order],
        )

    def _save(self, predictions: SearchPredictions) -> None:
        if self._output_dir is None:
            return
        self._output_dir.mkdir(parents=True, exist_ok=True)
        predictions.save(self._output_dir / "predictions.npz")
        context_of_queries(predictions).save(self._output_dir / "context.npz")
        _logger.info("saved predictions to %s", self._output_dir / "predictions.npz")

    def _log(self, predictions: SearchPredictions, scores: SearchScores) -> None:
        kept = int((predictions.gallery_scores >= np.float32(self._options["score_thresh"])).sum())
        _logger.info(
            "%s: %d queries, %d images, %d of %d detections at score >= %g",
            self._data.name,
            min(scores.num_queries.values()),
            len(predictions.gallery_names),
            kept,
            len(predictions.gallery_scores),
            self._options["score_thresh"],
        )


def evaluator_results(scores: SearchScores) -> dict[str, dict[str, float]]:
    """Name the figures as evaluation results.

    Args:
        scores: of one model; the first gallery size is the main one.

    Returns:
        ``search`` with the first size under the plain names and the others as ``mAP_g500`` or ``mAP_all``,
        and ``detection`` with ``AP`` and ``recall``.
    """
    search: dict[str, float] = {}
    for place, (gallery, figures) in enumerate(scores.search.items()):
        suffix = "" if place == 0 else f"_{gallery}" if gallery == FULL_GALLERY else f"_g{gallery}"
        search.update({f"{name}{suffix}": value for name, value in figures.items()})
    return {"search": search, "detection": {name: scores.detection[name] for name in ("AP", "recall")}}


_FIELDS = ("pred_boxes", "scores", "pred_embeddings")


def _instance_field(name: str, output: Mapping[str, Any], field: str) -> np.ndarray:
    if "instances" not in output or not output["instances"].has(field):
        raise ValueError(
            f"output of {name}: expected instances with {', '.join(_FIELDS)}, found no {field}; evaluate a model that "
            "embeds its detections, such as INet"
        )
    value = output["instances"].get(field)
    value = value.tensor if field == "pred_boxes" else value
    return value.detach().cpu().numpy().astype(np.float32)


def _stack(parts: Sequence[np.ndarray], width: int) -> np.ndarray:
    filled = [part for part in parts if len(part)]
    return np.concatenate(filled) if filled else np.zeros((0, width), dtype=np.float32)
