"""What an ONNX detector or embedder expects and gives, in a yaml beside its file (`person.onnx`, `person.yaml`)."""

from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

import cv2
import numpy as np
import yaml

from inet_d2.data.resize import RESIZERS

FITS, ORDERS = ("letterbox", "stretch"), ("RGB", "BGR")
KINDS = ("whole_picture", "given_boxes")
OUTPUTS = ("boxes", "yolov8", "yolov5", "fastestdet")
METADATA_KEY = "inet_d2"  # under which an exported file holds the text of the yaml beside it
Contract = TypeVar("Contract", "DetectorContract", "EmbedderContract", "ExportContract")


def _expect(contract: Any, name: str, holds: bool, expected: str) -> None:
    if not holds:
        raise ValueError(f"{name}: expected {expected}, found {getattr(contract, name)!r}")


@dataclass(frozen=True)
class InputContract:
    """How a picture becomes an input of (1, 3, height, width) float32.

    Attributes:
        width: pixels of the input.
        height: pixels of the input.
        fit: "letterbox" keeps the picture's proportions and pads right and below; "stretch" does not.
        order: of the colours, "RGB" or "BGR".
        mean: subtracted from values 0-255, one for each colour in ``order``.
        std: divides what is left.
        pad: value 0-255 of the padding.
    """

    width: int
    height: int
    fit: str = "stretch"
    order: str = "RGB"
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (255.0, 255.0, 255.0)
    pad: float = 114.0

    def __post_init__(self) -> None:
        _expect(self, "width", isinstance(self.width, int) and self.width > 0, "a whole number above 0")
        _expect(self, "height", isinstance(self.height, int) and self.height > 0, "a whole number above 0")
        _expect(self, "fit", self.fit in FITS, " or ".join(FITS))
        _expect(self, "order", self.order in ORDERS, " or ".join(ORDERS))
        for name in ("mean", "std"):
            values = getattr(self, name)
            is_triple = isinstance(values, (list, tuple)) and len(values) == 3
            _expect(self, name, is_triple and all(isinstance(x, (int, float)) for x in values), "three numbers")
        _expect(self, "std", all(self.std), "three numbers other than 0")

    def scales(self, width: int, height: int) -> tuple[float, float]:
        """Input pixels for each pixel of a picture, across and down."""
        across, down = self.width / width, self.height / height
        return (min(across, down),) * 2 if self.fit == "letterbox" else (across, down)

    def make_input(self, picture: np.ndarray) -> np.ndarray:
        """(1, 3, height, width) float32 of an (H, W, 3) uint8 RGB picture."""
        across, down = self.scales(picture.shape[1], picture.shape[0])
        size = (max(1, round(picture.shape[1] * across)), max(1, round(picture.shape[0] * down)))
        shrinks = min(across, down) < 1
        resized = cv2.resize(picture, size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
        whole = np.full((self.height, self.width, 3), self.pad, np.float32)
        whole[: size[1], : size[0]] = resized[: self.height, : self.width]
        if self.order == "BGR":
            whole = whole[:, :, ::-1]
        values = (whole - np.asarray(self.mean, np.float32)) / np.asarray(self.std, np.float32)
        return np.ascontiguousarray(values.transpose(2, 0, 1)[None], dtype=np.float32)


@dataclass(frozen=True)
class DetectorContract(InputContract):
    """A detector: its input, and how its output is read.

    Attributes:
        output: one of ``OUTPUTS``; see :mod:`inet_d2.search.detector_outputs`.
        person_class: number of the class of people.
        boxes: name of the output with (n, 4) boxes XYXY in input pixels (``output: boxes``).
        scores: name of the output with (n,) scores.
        labels: name of the output with (n,) classes; "" if it finds people alone.
        nms_iou: boxes that overlap a better one by more than this are dropped; 1 keeps all.
    """

    output: str = "boxes"
    person_class: int = 0
    boxes: str = "boxes"
    scores: str = "scores"
    labels: str = ""
    nms_iou: float = 0.6

    def __post_init__(self) -> None:
        super().__post_init__()
        _expect(self, "output", self.output in OUTPUTS, " or ".join(OUTPUTS))
        _expect(self, "person_class", isinstance(self.person_class, int) and self.person_class >= 0, "a class number")
        _expect(self, "nms_iou", isinstance(self.nms_iou, (int, float)) and 0 < self.nms_iou <= 1, "a number in (0, 1]")


@dataclass(frozen=True)
class EmbedderContract(InputContract):
    """An embedder: crops go in, its first output is (n, D)."""

    width: int = 128
    height: int = 256
    mean: tuple[float, float, float] = field(default=(123.675, 116.28, 103.53))
    std: tuple[float, float, float] = field(default=(58.395, 57.12, 57.375))


@dataclass(frozen=True)
class ExportContract:
    """A model that ``tools/export_model.py`` wrote: it takes (1, 3, H, W) float32 of any size, values 0-255.

    Attributes:
        kind: "whole_picture" (image -> boxes, scores, embeddings) or "given_boxes" (image, boxes -> embeddings).
        order: of the colours, "BGR" or "RGB".
        resize: how pictures come to the model's size, see INPUT.RESIZE.
        min_size: of the shorter side, pixels; 0 leaves pictures as they are.
        max_size: of the longer side, pixels, if ``min_size`` would make it longer.
        confidence_weight: whether embeddings of detections are multiplied by their scores (NAE, SeqNet).
        fingerprint: of the weights and the configuration that it was made of.
    """

    kind: str
    order: str
    resize: str
    min_size: int
    max_size: int
    confidence_weight: bool
    fingerprint: str

    def __post_init__(self) -> None:
        _expect(self, "kind", self.kind in KINDS, " or ".join(KINDS))
        _expect(self, "order", self.order in ORDERS, " or ".join(ORDERS))
        _expect(self, "resize", self.resize in RESIZERS, " or ".join(RESIZERS))
        _expect(self, "min_size", isinstance(self.min_size, int) and self.min_size >= 0, "0 or more pixels")
        _expect(self, "max_size", isinstance(self.max_size, int) and self.max_size > 0, "pixels")
        _expect(self, "confidence_weight", isinstance(self.confidence_weight, bool), "true or false")


def read_contract(model: str | Path, kind: type[Contract]) -> Contract:
    """Read the yaml beside a model.

    Args:
        model: the ``.onnx`` file.
        kind: what it is to be.

    Returns:
        Its contract.

    Raises:
        FileNotFoundError: one of the files is missing.
        ValueError: the yaml has another key, or a value that does not fit.
    """
    path = _contract_path(model)
    try:
        given: Any = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
        names = {entry.name for entry in fields(kind)}
        if not isinstance(given, dict) or set(given) - names:
            wrong = sorted(map(str, set(given) - names)) if isinstance(given, dict) else ["no mapping"]
            raise ValueError(f"{wrong[0]}: expected one of {', '.join(sorted(names))}")
        return kind(**given)
    except (TypeError, ValueError, yaml.YAMLError) as error:
        raise ValueError(f"{path}: {error}") from error


def is_export(model: str | Path) -> bool:
    """Whether the yaml beside a model is that of an exported one, which has a ``kind``.

    Raises:
        FileNotFoundError: one of the files is missing.
    """
    try:
        given = yaml.safe_load(_contract_path(model).read_text(encoding="utf-8"))
    except (UnicodeError, yaml.YAMLError):
        return False  # read_contract will say what is wrong with it
    return isinstance(given, dict) and "kind" in given


def _contract_path(model: str | Path) -> Path:
    path = Path(model).with_suffix(".yaml")
    for file in (Path(model), path):
        if not file.is_file():
            raise FileNotFoundError(
                f"{file}: no such file; a model is two files, NAME.onnx and NAME.yaml, which says what it expects "
                "(docs/search.md)"
            )
    return path
