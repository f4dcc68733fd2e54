"""PersonReIDEvaluator: collects the embeddings of queries and gallery, saves them and scores them."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from detectron2.config import CfgNode, configurable
from detectron2.evaluation import DatasetEvaluator
from detectron2.utils import comm

from inet_d2.data.datasets.reid_split import load_reid_split
from inet_d2.evaluation.reid_scoring import ReidOptions, score_split
from inet_d2.files import written_aside

_logger = logging.getLogger(__name__)


class PersonReIDEvaluator(DatasetEvaluator):
    """Re-identification figures of a model on the queries and the gallery of a data set.

    Inputs have ``reid_row`` (see ``build_reid_test_loader``); the output for each has ``instances`` with one row of
    ``pred_embeddings``, or ``embedding`` (D,).

    Args:
        dataset_name: registered name of the queries.
        options: how they are scored.
        output_dir: gets ``embeddings.npz``; None saves nothing.
        distributed: gather the outputs of all processes; False scores this process's alone.

    Raises:
        FileNotFoundError, ValueError: the data set cannot be read.
    """

    @configurable
    def __init__(
        self, dataset_name: str, *, options: ReidOptions, output_dir: str | None = None, distributed: bool = True
    ) -> None:
        self._split = load_reid_split(dataset_name)
        self._options = options
        self._output_dir = Path(output_dir) if output_dir else None
        self._distributed = distributed
        self.reset()

    @classmethod
    def from_config(cls, cfg: CfgNode, dataset_name: str) -> dict[str, Any]:
        """Read ``TEST.REID``: ``PersonReIDEvaluator(cfg, dataset_name, output_dir=...)``."""
        return {"dataset_name": dataset_name, "options": ReidOptions.from_config(cfg)}

    def reset(self) -> None:
        """Forget the outputs collected so far."""
        self._rows: dict[int, np.ndarray] = {}

    def process(self, inputs: Sequence[Mapping[str, Any]], outputs: Sequence[Mapping[str, Any]]) -> None:
        """Collect the embeddings of some crops or tracklets.

        Raises:
            ValueError: an output has no embedding.
        """
        for given, output in zip(inputs, outputs, strict=True):
            self._rows[given["reid_row"]] = _embedding(given["image_id"], output)

    def evaluate(self) -> dict[str, dict[str, float]]:
        """Gather, save and score.

        Returns:
            On the first process what :func:`score_split` gives, elsewhere an empty dictionary.

        Raises:
            ValueError: a query or a row of the gallery was never processed.
        """
        rows = self._rows
        if self._distributed:
            comm.synchronize()
            gathered = comm.gather(rows, dst=0)
            if not comm.is_main_process():
                return {}
            rows = {row: found for part in gathered for row, found in part.items()}
        total, num_queries = len(self._split.queries) + len(self._split.gallery), len(self._split.queries)
        missing = [row for row in range(total) if row not in rows]
        if missing:
            raise ValueError(
                f"{self._split.name}: expected embeddings of {total} queries and gallery rows, found none for "
                f"{len(missing)}, first row {missing[0]}; run the model over the whole test loader"
            )
        embeddings = np.stack([rows[row] for row in range(total)])
        queries, gallery = embeddings[:num_queries], embeddings[num_queries:]
        self._save(queries, gallery)
        results = score_split(queries, gallery, self._split, self._options)
        _logger.info(
            "%s: %d queries, %d skipped without a match, gallery of %d",
            self._split.name,
            num_queries,
            results["reid"]["skipped"],
            len(gallery),
        )
        return results

    def _save(self, queries: np.ndarray, gallery: np.ndarray) -> None:
        if self._output_dir is None:
            return
        self._output_dir.mkdir(parents=True, exist_ok=True)
        names = {
            f"{side}_names": np.array([record["image_id"] for record in records], dtype=str)
            for side, records in (("query", self._split.queries), ("gallery", self._split.gallery))
        }
        path = self._output_dir / "embeddings.npz"
        with written_aside(path) as aside, aside.open("wb") as stream:
            np.savez(stream, query_embeddings=queries, gallery_embeddings=gallery, **names, **self._split.people())
        _logger.info("saved embeddings to %s", path)


def _embedding(name: str, output: Mapping[str, Any]) -> np.ndarray:
    if "embedding" in output:
        embedding = output["embedding"]
    elif "instances" in output and output["instances"].has("pred_embeddings") and len(output["instances"]) == 1:
        embedding = output["instances"].pred_embeddings[0]
    else:
        raise ValueError(
            f"output of {name}: expected embedding, or instances with one row of pred_embeddings, found neither; "
            "evaluate a model that embeds given boxes, such as CropReID or INet"
        )
    return embedding.detach().float().cpu().numpy()
