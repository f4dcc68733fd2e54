"""A detector and an embedder as ONNX files, in the place of a model of this project."""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from inet_d2.search.crop_embedder import CropEmbedder
from inet_d2.search.exported_model import ExportedDetector, ExportedEmbedder
from inet_d2.search.onnx_contract import is_export
from inet_d2.search.onnx_detector import OnnxDetector
from inet_d2.search.store import People


class OnnxInput(NamedTuple):
    """A picture, (H, W, 3) uint8 RGB, and the detector's input made of it."""

    picture: np.ndarray
    detector_input: np.ndarray


class OnnxEmbedder:
    """A detector and an embedder run by ONNX Runtime; see :class:`inet_d2.search.embedder.Embedder`.

    Each is a model of others, or one that this project has exported; an exported detector embeds whom it finds.

    Args:
        detector: ``.onnx`` file with its yaml beside it.
        embedder: the same.
        fingerprint: what the files must be.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: a file is no such model, the two do not belong together, or the fingerprint is another.
    """

    def __init__(self, detector: str, embedder: str, *, fingerprint: str | None = None) -> None:
        self._detector = ExportedDetector(detector) if is_export(detector) else OnnxDetector(detector)
        self._embedder = ExportedEmbedder(embedder) if is_export(embedder) else CropEmbedder(embedder)
        if isinstance(self._detector, ExportedDetector):
            mate = getattr(self._embedder, "contract", None)
            if mate is None or mate.fingerprint != self._detector.contract.fingerprint:
                raise ValueError(
                    f"--embedder: {detector} embeds whom it finds, and {embedder} is another model, whose embeddings "
                    "cannot be compared with these; take the embedder.onnx that was exported with the detector"
                )
        found = files_fingerprint([detector, embedder])
        if fingerprint is not None and found != fingerprint:
            raise ValueError(
                f"{detector}, {embedder}: the index was made with other files (fingerprint {fingerprint}, found "
                f"{found}); embeddings of two models cannot be compared. Put the files of the index back, or make the "
                "index anew"
            )
        self.description = {
            "kind": "onnx",
            "detector": os.path.abspath(detector),
            "embedder": os.path.abspath(embedder),
            "fingerprint": found,
        }

    def prepare(self, picture: np.ndarray) -> OnnxInput:  # noqa: D102
        return OnnxInput(picture, self._detector.make_input(picture))

    def shape(self, prepared: OnnxInput) -> tuple[int, ...]:  # noqa: D102
        return prepared.detector_input.shape

    def detect(self, prepared: Sequence[OnnxInput]) -> list[People]:  # noqa: D102
        return [self._detect(one) for one in prepared]

    def _detect(self, prepared: OnnxInput) -> People:
        boxes, scores, embeddings = self._detector.find(prepared.picture.shape[:2], prepared.detector_input)
        return People(boxes, scores, self.embed(prepared.picture, boxes) if embeddings is None else embeddings)

    def embed(self, picture: np.ndarray, boxes: np.ndarray) -> np.ndarray:  # noqa: D102
        return self._embedder.embed(picture, boxes)


def files_fingerprint(models: Sequence[str]) -> str:
    """16 hexadecimal digits of models and the yaml files beside them."""
    digest = hashlib.blake2b(digest_size=8)
    for model in models:
        for path in (Path(model), Path(model).with_suffix(".yaml")):
            digest.update(path.read_bytes())
    return digest.hexdigest()
