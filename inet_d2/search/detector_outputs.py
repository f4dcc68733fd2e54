"""What detectors give, as boxes and scores; one function for each common form.

Shapes: A anchors, C classes, n boxes. Boxes are XYXY in pixels of the detector's input.
"""

from collections.abc import Mapping

import numpy as np
import torch
from torchvision.ops import nms

from inet_d2.search.onnx_contract import DetectorContract

Boxes = tuple[np.ndarray, np.ndarray]


def read_detections(outputs: Mapping[str, np.ndarray], contract: DetectorContract, min_score: float) -> Boxes:
    """Boxes and scores of the people.

    Args:
        outputs: by name, for one picture.
        contract: says which form they have.
        min_score: lower ones are dropped before boxes compete.

    Returns:
        (n, 4) float32 and (n,) float32, best first.

    Raises:
        ValueError: the outputs do not have this form.
    """
    if contract.output == "boxes":
        boxes, scores = _named(outputs, contract)
    else:
        read = {"yolov8": _yolov8, "yolov5": _yolov5, "fastestdet": _fastestdet}[contract.output]
        first = next(iter(outputs.values()))
        boxes, scores = read(np.asarray(first, np.float32), contract)
    keep = scores >= min_score
    boxes, scores = np.asarray(boxes[keep], np.float32), np.asarray(scores[keep], np.float32)
    best = nms(torch.from_numpy(boxes), torch.from_numpy(scores), contract.nms_iou).numpy()
    return boxes[best], scores[best]


def _named(outputs: Mapping[str, np.ndarray], contract: DetectorContract) -> Boxes:
    names = [name for name in (contract.boxes, contract.scores, contract.labels) if name]
    missing = [name for name in names if name not in outputs]
    if missing:
        raise ValueError(f"detector: expected an output {missing[0]}, found {', '.join(outputs)}")
    boxes, scores = outputs[contract.boxes].reshape(-1, 4), outputs[contract.scores].reshape(-1)
    if len(boxes) != len(scores):
        raise ValueError(f"detector: expected as many scores as boxes, found {len(scores)} and {len(boxes)}")
    if contract.labels:
        is_person = outputs[contract.labels].reshape(-1) == contract.person_class
        return boxes[is_person], scores[is_person]
    return boxes, scores


def _yolov8(output: np.ndarray, contract: DetectorContract) -> Boxes:
    """(1, 4 + C, A) or (1, A, 4 + C): centre, sides, class scores in [0, 1]."""
    rows = _rows(output, 4 + contract.person_class + 1)
    return _corners(rows[:, :4]), _person_scores(rows[:, 4:], contract)


def _yolov5(output: np.ndarray, contract: DetectorContract) -> Boxes:
    """(1, A, 5 + C): centre, sides, objectness, class scores in [0, 1]."""
    rows = _rows(output, 5 + contract.person_class + 1)
    return _corners(rows[:, :4]), rows[:, 4] * _person_scores(rows[:, 5:], contract)


def _fastestdet(output: np.ndarray, contract: DetectorContract) -> Boxes:
    """(1, 5 + C, h, w): objectness, offsets of the centre (tanh, in cells), sides (logistic), class scores."""
    if output.ndim != 4 or output.shape[1] < 6 + contract.person_class:
        raise ValueError(f"detector: expected an output (1, 5 + classes, h, w), found {output.shape}")
    objectness, across, down, wide, high = output[0, :5]
    rows, columns = np.indices(objectness.shape)
    centre_x = (columns + np.tanh(across)) * contract.width / objectness.shape[1]
    centre_y = (rows + np.tanh(down)) * contract.height / objectness.shape[0]
    wide, high = (size / (1 + np.exp(-side)) for size, side in ((contract.width, wide), (contract.height, high)))
    boxes = _corners(np.stack([centre_x, centre_y, wide, high], axis=-1).reshape(-1, 4))
    classes = output[0, 5:].reshape(output.shape[1] - 5, -1).T
    return boxes, objectness.reshape(-1) ** 0.6 * _person_scores(classes, contract) ** 0.4


def _rows(output: np.ndarray, least: int) -> np.ndarray:
    """(A, values); of two long sides the shorter one holds the values."""
    if output.ndim != 3 or output.shape[0] != 1 or min(output.shape[1:]) < least:
        raise ValueError(f"detector: expected an output (1, anchors, {least} or more values), found {output.shape}")
    return output[0].T if output.shape[1] < output.shape[2] else output[0]


def _person_scores(classes: np.ndarray, contract: DetectorContract) -> np.ndarray:
    """The score of people where they are the best class, else 0."""
    scores = classes[:, contract.person_class]
    return np.where(scores >= classes.max(axis=1), scores, 0.0)


def _corners(boxes: np.ndarray) -> np.ndarray:
    centres, halves = boxes[:, :2], boxes[:, 2:] / 2
    return np.concatenate([centres - halves, centres + halves], axis=1)
