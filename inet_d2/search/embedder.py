"""What finds and embeds people in pictures: the interface, and any model of this project behind it."""

import hashlib
import json
import logging
import os
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any, Protocol

import numpy as np
import torch
from detectron2.config import CfgNode
from detectron2.data import transforms as T
from detectron2.modeling import build_model
from detectron2.utils.file_io import PathManager
from torch import nn

from inet_d2.data.resize import build_augmentations
from inet_d2.engine import RunCheckpointer, explained_parts, find_weights
from inet_d2.search.picture_input import PictureInput
from inet_d2.search.store import People

_logger = logging.getLogger(__name__)

PRECISIONS = ("fp32", "bf16")


class Embedder(Protocol):
    """Finds people in pictures and turns them into embeddings.

    Attributes:
        description: JSON types; enough to make it again (see ``build_embedder.py``), with ``fingerprint``.
    """

    description: dict[str, Any]

    def prepare(self, picture: np.ndarray) -> Any:
        """Make a model input of an (H, W, 3) uint8 RGB picture; runs in reading threads."""

    def shape(self, prepared: Any) -> tuple[int, ...]:
        """Inputs of one shape may share a batch."""

    def detect(self, prepared: Sequence[Any]) -> list[People]:
        """Find and embed everybody; boxes are pixels of the picture."""

    def embed(self, picture: np.ndarray, boxes: np.ndarray) -> np.ndarray:
        """Embed (n, 4) boxes XYXY of one picture; (n, D) float32, unit length."""


class ModelEmbedder:
    """A model with the inputs and outputs of :class:`inet_d2.modeling.INet`.

    Args:
        model: in evaluation mode.
        augmentations: resizing, without randomness.
        image_format: value of ``INPUT.FORMAT``.
        precision: "fp32", or "bf16" for autocast.
        confidence_weight: multiply the embeddings of people who are found by their scores (NAE, SeqNet), so that
            similarities to a query are multiplied by them.
        description: see :class:`Embedder`.
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        augmentations: Sequence[T.Augmentation],
        image_format: str,
        precision: str = "fp32",
        confidence_weight: bool = False,
        description: dict[str, Any] | None = None,
    ) -> None:
        self.model = model
        self.description = description or {"fingerprint": ""}
        self._input = PictureInput(augmentations, image_format)
        self._precision = precision
        self._confidence_weight = confidence_weight

    def prepare(self, picture: np.ndarray) -> dict[str, Any]:  # noqa: D102
        return _model_input(self._input.make(picture)[0], picture)

    def shape(self, prepared: dict[str, Any]) -> tuple[int, ...]:  # noqa: D102
        return tuple(prepared["image"].shape)

    @torch.no_grad()
    def detect(self, prepared: Sequence[dict[str, Any]]) -> list[People]:  # noqa: D102
        with self._autocast():
            outputs = self.model(list(prepared))
        people = [_people(output["instances"]) for output in outputs]
        if not self._confidence_weight:
            return people
        return [found._replace(embeddings=found.embeddings * found.scores[:, None]) for found in people]

    @torch.no_grad()
    def embed(self, picture: np.ndarray, boxes: np.ndarray) -> np.ndarray:  # noqa: D102
        image, moved = self._input.make_with_boxes(picture, boxes)
        model_input = {**_model_input(image, picture), "query_boxes": moved}
        with self._autocast():
            return self.model([model_input])[0]["query_embeddings"].float().cpu().numpy()

    def _autocast(self) -> Any:
        if self._precision == "fp32":
            return nullcontext()
        device = next(self.model.parameters()).device.type
        return torch.autocast(device, torch.bfloat16)


def _model_input(image: torch.Tensor, picture: np.ndarray) -> dict[str, Any]:
    return {"image": image, "height": picture.shape[0], "width": picture.shape[1]}


def _people(instances: Any) -> People:
    found = instances.to("cpu")
    return People(
        found.pred_boxes.tensor.float().numpy(), found.scores.float().numpy(), found.pred_embeddings.float().numpy()
    )


def build_model_embedder(
    cfg: CfgNode, *, weights: str | None = None, precision: str = "fp32", fingerprint: str | None = None
) -> ModelEmbedder:
    """Build the model of a configuration with trained weights.

    Args:
        cfg: configuration.
        weights: checkpoint; default the last one in OUTPUT_DIR, or else MODEL.WEIGHTS.
        precision: one of ``PRECISIONS``.
        fingerprint: what the model must be.

    Returns:
        The embedder.

    Raises:
        FileNotFoundError: there are no weights.
        ValueError: the configuration names parts that there are not, the weights do not fit the model, or the
            fingerprint is another.
    """
    with explained_parts(cfg):
        model = build_model(cfg).eval()
    checkpointer = RunCheckpointer(model, save_dir=cfg.OUTPUT_DIR)
    weights = find_weights(checkpointer, weights or cfg.MODEL.WEIGHTS, resume=not weights, complete=True)
    if not weights:
        raise FileNotFoundError(
            f"no weights: {cfg.OUTPUT_DIR} has no checkpoint and MODEL.WEIGHTS is empty; train the model first "
            "(train_net.py), or name a checkpoint with --weights"
        )
    found = model_fingerprint(cfg, weights, precision)
    if fingerprint is not None and found != fingerprint:
        raise ValueError(
            f"model {weights}: the index was made with other weights, configuration or precision (fingerprint "
            f"{fingerprint}, found {found}); embeddings of two models cannot be compared. Give the weights of the "
            "index with --weights, or make the index anew"
        )
    checkpointer.load(weights)
    if cfg.TEST.SEARCH.DRAWN_TRAINING_SET:
        _logger.warning("these weights were trained on drawn scenes; on photographs they find next to nothing")
    path = os.path.abspath(PathManager.get_local_path(weights))
    description = {"kind": "model", "config": cfg.dump(), "weights": path, "precision": precision, "fingerprint": found}
    return ModelEmbedder(
        model,
        augmentations=build_augmentations(cfg, is_train=False),
        image_format=cfg.INPUT.FORMAT,
        precision=precision,
        confidence_weight=cfg.TEST.SEARCH.CONFIDENCE_WEIGHT,
        description=description,
    )


def model_fingerprint(cfg: CfgNode, weights: str, precision: str) -> str:
    """16 hexadecimal digits of all that the embeddings depend on: weights, configuration, precision."""
    model = _plain(cfg.MODEL)
    # Where it runs, where the file lies and what trains change nothing.
    del model["DEVICE"], model["WEIGHTS"], model["LIVE_BATCH_NORM"]
    given = cfg.INPUT
    settings = [model, given.FORMAT, given.MIN_SIZE_TEST, given.MAX_SIZE_TEST, cfg.TEST.DETECTIONS_PER_IMAGE, precision]
    if cfg.TEST.SEARCH.CONFIDENCE_WEIGHT:
        settings.append("confidence_weight")
    if given.RESIZE != "detectron2":
        settings.append(given.RESIZE)
    digest = hashlib.blake2b(json.dumps(settings, sort_keys=True).encode(), digest_size=8)
    with PathManager.open(weights, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _plain(value: Any) -> Any:
    """Dictionaries and lists alone; a configuration that was written and read again has some tuples as lists."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, (list, tuple)) else value
