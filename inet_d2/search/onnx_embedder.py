"""Any detector and any re-identification model as ONNX files, in the place of a model of this project."""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from inet_d2.search.detector_outputs import read_detections
from inet_d2.search.onnx_contract import DetectorContract, EmbedderContract, read_contract
from inet_d2.search.store import People

MIN_SCORE = 0.05  # lower detections are never asked for
CROPS_AT_ONCE = 16


class OnnxInput(NamedTuple):
    """A picture, (H, W, 3) uint8 RGB, and the detector's input made of it."""

    picture: np.ndarray
    detector_input: np.ndarray


class OnnxEmbedder:
    """A detector and an embedder run by ONNX Runtime; see :class:`inet_d2.search.embedder.Embedder`.

    Args:
        detector: ``.onnx`` file with its yaml beside it.
        embedder: the same.
        fingerprint: what the files must be.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: a file is no such model, or the fingerprint is another.
    """

    def __init__(self, detector: str, embedder: str, *, fingerprint: str | None = None) -> None:
        self._detector_contract = read_contract(detector, DetectorContract)
        self._embedder_contract = read_contract(embedder, EmbedderContract)
        found = files_fingerprint([detector, embedder])
        if fingerprint is not None and found != fingerprint:
            raise ValueError(
                f"{detector}, {embedder}: the index was made with other files (fingerprint {fingerprint}, found "
                f"{found}); embeddings of two models cannot be compared. Put the files of the index back, or make the "
                "index anew"
            )
        self._detector, self._embedder = _session(detector), _session(embedder)
        self.description = {
            "kind": "onnx",
            "detector": os.path.abspath(detector),
            "embedder": os.path.abspath(embedder),
            "fingerprint": found,
        }

    def prepare(self, picture: np.ndarray) -> OnnxInput:  # noqa: D102
        return OnnxInput(picture, self._detector_contract.make_input(picture))

    def shape(self, prepared: OnnxInput) -> tuple[int, ...]:  # noqa: D102
        return prepared.detector_input.shape

    def detect(self, prepared: Sequence[OnnxInput]) -> list[People]:  # noqa: D102
        return [self._detect(one) for one in prepared]

    def _detect(self, prepared: OnnxInput) -> People:
        height, width = prepared.picture.shape[:2]
        names = [output.name for output in self._detector.get_outputs()]
        values = _run(self._detector, prepared.detector_input)
        outputs = dict(zip(names, values, strict=True))
        boxes, scores = read_detections(outputs, self._detector_contract, MIN_SCORE)
        across, down = self._detector_contract.scales(width, height)
        boxes = (boxes / [across, down, across, down]).clip(0, [width, height, width, height]).astype(np.float32)
        keep = (boxes[:, 2:] - boxes[:, :2] >= 1).all(axis=1)
        return People(boxes[keep], scores[keep], self.embed(prepared.picture, boxes[keep]))

    def embed(self, picture: np.ndarray, boxes: np.ndarray) -> np.ndarray:  # noqa: D102
        inputs = [self._embedder_contract.make_input(_crop(picture, box)) for box in boxes]
        parts = [inputs[i : i + CROPS_AT_ONCE] for i in range(0, len(inputs), CROPS_AT_ONCE)]
        if not parts:
            return np.zeros((0, self._size()), np.float32)
        rows = np.concatenate([self._rows(part) for part in parts]).astype(np.float32)
        return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)

    def _rows(self, inputs: Sequence[np.ndarray]) -> np.ndarray:
        """(n, D), also of a model whose batch is fixed to one crop."""
        is_fixed = self._embedder.get_inputs()[0].shape[0] == 1
        batches = inputs if is_fixed else [np.concatenate(inputs)]
        return np.concatenate([_run(self._embedder, batch)[0].reshape(len(batch), -1) for batch in batches])

    def _size(self) -> int:
        blank = np.zeros((self._embedder_contract.height, self._embedder_contract.width, 3), np.uint8)
        return self._rows([self._embedder_contract.make_input(blank)]).shape[1]


def files_fingerprint(models: Sequence[str]) -> str:
    """16 hexadecimal digits of models and the yaml files beside them."""
    digest = hashlib.blake2b(digest_size=8)
    for model in models:
        for path in (Path(model), Path(model).with_suffix(".yaml")):
            digest.update(path.read_bytes())
    return digest.hexdigest()


def _session(path: str) -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise ValueError("ONNX models need ONNX Runtime, and there is none: pip install onnxruntime") from error
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(path, options, providers=onnxruntime.get_available_providers())
    except Exception as error:
        raise ValueError(f"{path} is no ONNX model that this ONNX Runtime can run ({error})") from error


def _run(session: Any, values: np.ndarray) -> list[np.ndarray]:
    try:
        return session.run(None, {session.get_inputs()[0].name: values})
    except Exception as error:
        raise ValueError(f"the ONNX model does not take an input {values.shape}; mend width and height in its yaml "
                         f"({error})") from error  # fmt: skip


def _crop(picture: np.ndarray, box: np.ndarray) -> np.ndarray:
    height, width = picture.shape[:2]
    x1, y1 = (int(np.clip(np.floor(v), 0, m - 1)) for v, m in ((box[0], width), (box[1], height)))
    x2, y2 = int(np.clip(np.ceil(box[2]), x1 + 1, width)), int(np.clip(np.ceil(box[3]), y1 + 1, height))
    return picture[y1:y2, x1:x2]
