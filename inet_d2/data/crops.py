"""Person crops for the first training stage: one item per identity, several crops of it.

A crop is the person's box, resized to a fixed size, inside a margin of real image: the inner box plays the
role of a detection, the margin that of the surrounding frame. Flip, jitter and resizing are one affine map
from the frame.
"""

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import torch
from detectron2.config import CfgNode, configurable
from detectron2.data import DatasetFromList

from inet_d2.data.cutouts import CutoutStore
from inet_d2.data.frame_reader import read_frame, to_input_tensor
from inet_d2.data.person_mapper import are_nonempty, person_instances
from inet_d2.data.pids import is_labelled
from inet_d2.data.records import annotation_boxes, people_of, person_id
from inet_d2.image_file import check_image_format

Record = dict[str, Any]


class CropDataset(torch.utils.data.Dataset):
    """One item per labelled identity: ``{"pid": int, "appearances": [appearance, ...]}``, sorted by pid.

    An appearance is ``{"file_name", "image_id", "height", "width", "bbox", "number"}``, ``bbox`` 4 floats XYXY in the
    frame, ``number`` its place among all appearances in the order of the records.

    Args:
        records: dataset records with ``annotations``. Boxes without area are left out and counted in
            ``num_dropped_boxes``.

    Attributes:
        boxes: (n, 4) float64 XYXY of all appearances, by number.
        frames: (n,) int64, their places in ``records``.
        frame_sizes: (n, 2) int64, height and width; 0 where a record does not say them.

    Raises:
        ValueError: no labelled person has a box with an area.
    """

    def __init__(self, records: Sequence[Record]) -> None:
        self.num_dropped_boxes = 0
        appearances: dict[int, list[Record]] = {}
        rows: list[tuple[list[float], int, tuple[int, int]]] = []
        for place, record in enumerate(records):
            people = [person for person in people_of(record) if is_labelled(person_id(person))]
            boxes = annotation_boxes(people)
            keep = are_nonempty(boxes)
            self.num_dropped_boxes += int((~keep).sum())
            frame = {key: record[key] for key in ("file_name", "image_id", "height", "width") if key in record}
            for index in np.flatnonzero(keep):
                appearance = {**frame, "bbox": boxes[index].tolist(), "number": len(rows)}
                appearances.setdefault(int(person_id(people[index])), []).append(appearance)
                rows.append((appearance["bbox"], place, (frame.get("height", 0), frame.get("width", 0))))
        if not appearances:
            raise ValueError(
                f"CropDataset: expected labelled people with boxes, found none among {len(records)} images; "
                "the first stage learns identities, so use a data set that has some"
            )
        boxes, places, sizes = zip(*rows, strict=True)
        self.boxes, self.frames, self.frame_sizes = np.array(boxes), np.array(places), np.array(sizes)
        items = [{"pid": pid, "appearances": appearances[pid]} for pid in sorted(appearances)]
        self._items = DatasetFromList(items, copy=False)

    def __len__(self) -> int:
        return len(self._items)

    @property
    def num_appearances(self) -> int:
        """Boxes with an area of labelled people."""
        return len(self.boxes)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return self._items[index]


def crop_transform(box: np.ndarray, size: tuple[int, int], context: int, is_flipped: bool) -> np.ndarray:
    """Give the affine map from a frame to a crop, in pixel indices as cv2 wants them.

    In continuous coordinates the left edge of the box goes to ``context`` and the right edge to ``context +
    w``; pixel i covers [i, i + 1], so its centre i + 0.5 is what the map moves.

    Args:
        box: (4,) XYXY in the frame, with an area.
        size: (h, w) that the box is resized to.
        context: pixels around the resized box.
        is_flipped: mirror the crop.

    Returns:
        (2, 3) float64.
    """
    height, width = size
    scale_x, scale_y = width / (box[2] - box[0]), height / (box[3] - box[1])
    shift_x = (0.5 - box[0]) * scale_x + context - 0.5
    shift_y = (0.5 - box[1]) * scale_y + context - 0.5
    if is_flipped:
        last_column = width + 2 * context - 1
        scale_x, shift_x = -scale_x, last_column - shift_x
    return np.array([[scale_x, 0.0, shift_x], [0.0, scale_y, shift_y]])


def draw_appearances(num_appearances: int, num_crops: int) -> np.ndarray:
    """Draw which appearances to crop, all different where there are enough.

    Where there are too few, every appearance comes before any is repeated.

    Args:
        num_appearances: >= 1.
        num_crops: >= 1.

    Returns:
        (num_crops,) int64, values below ``num_appearances``, from numpy's global generator.
    """
    num_rounds = -(-num_crops // num_appearances)
    rounds = [np.random.permutation(num_appearances) for _ in range(num_rounds)]  # noqa: NPY002
    return np.concatenate(rounds)[:num_crops]


class PersonCropMapper:
    """Map an item of :class:`CropDataset` to crops of that identity, each a training input with one box.

    Random numbers come from numpy's global generator, which Detectron2's loaders seed per worker.

    Args:
        size: (h, w) in pixels that a person's box is resized to.
        context: pixels of real image around it, on each side.
        jitter: largest shift and largest scale change, along x and y, as a share of the box.
        gain: brightness is multiplied by a number from [1 - gain, 1 + gain].
        num_crops: crops per item.
        flip_prob: chance of a mirrored crop, in [0, 1].
        image_format: value of ``INPUT.FORMAT``.

    Raises:
        ValueError: a setting is out of its range.
    """

    @configurable
    def __init__(
        self,
        *,
        size: tuple[int, int],
        context: int,
        jitter: tuple[float, float],
        gain: float,
        num_crops: int,
        flip_prob: float,
        image_format: str,
    ) -> None:
        if min(size) < 1 or context < 0 or num_crops < 1:
            raise ValueError(
                "INPUT.PERSON_CROP: expected SIZE >= 1, CONTEXT >= 0 and PER_IDENTITY >= 1, "
                f"found {tuple(size)}, {context} and {num_crops}"
            )
        if not (min(jitter) >= 0 and max(jitter) < 0.5 and 0 <= gain < 1):
            raise ValueError(
                f"INPUT.PERSON_CROP: expected JITTER in [0, 0.5) and GAIN in [0, 1), found {tuple(jitter)} and {gain}"
            )
        self.size = (int(size[0]), int(size[1]))
        self.context = context
        self.jitter = np.array(jitter, dtype=np.float64)
        self.gain = gain
        self.num_crops = num_crops
        self.flip_prob = flip_prob
        check_image_format(image_format)
        self.image_format = image_format
        self.cutouts: CutoutStore | None = None

    def keep_cutouts(self, dataset: CropDataset, limit: int) -> CutoutStore:
        """Decode a frame once for all of its crops, as far as memory allows; the crops stay as they are, bit for bit.

        Args:
            dataset: whose items are mapped from now on.
            limit: bytes for what crops can show of their frames.

        Returns:
            What is kept.
        """
        # The outermost pixels of the largest crop, and two more for the interpolation between them.
        sides = dataset.boxes[:, 2:] - dataset.boxes[:, :2]
        context = self.context / np.array(self.size[::-1])
        reach = ((0.5 + context) * (1 + self.jitter) + self.jitter) * sides + 2
        centres = (dataset.boxes[:, :2] + dataset.boxes[:, 2:]) / 2
        limits = np.maximum(dataset.frame_sizes[:, ::-1], 1)
        first = np.clip(np.floor(centres - reach), 0, limits - 1)
        last = np.clip(np.ceil(centres + reach), first + 1, limits)
        regions = np.concatenate([first, last], axis=1).astype(np.int64)
        self.cutouts = CutoutStore(regions, dataset.frames, dataset.frame_sizes, limit=limit)
        return self.cutouts

    @classmethod
    def from_config(cls, cfg: CfgNode, is_train: bool = True) -> dict[str, Any]:
        """Read ``INPUT.{FORMAT, RANDOM_FLIP, PERSON_CROP}``.

        Args:
            cfg: configuration.
            is_train: False crops without jitter, gain and flip.

        Returns:
            Arguments of ``__init__``.
        """
        crop = cfg.INPUT.PERSON_CROP
        is_flipping = is_train and cfg.INPUT.RANDOM_FLIP == "horizontal"
        return {
            "size": crop.SIZE,
            "context": crop.CONTEXT,
            "jitter": crop.JITTER if is_train else (0.0, 0.0),
            "gain": crop.GAIN if is_train else 0.0,
            "num_crops": crop.PER_IDENTITY,
            "flip_prob": 0.5 if is_flipping else 0.0,
            "image_format": cfg.INPUT.FORMAT,
        }

    def __call__(self, item: dict[str, Any]) -> list[dict[str, Any]]:
        """Map an identity.

        Args:
            item: see :class:`CropDataset`; it is not changed.

        Returns:
            ``num_crops`` model inputs: ``image`` ((3, h + 2c, w + 2c) uint8), ``instances`` with the inner
            box, class 0 and the pid, ``height`` and ``width`` of the crop, ``file_name`` and ``image_id`` of
            its frame.

        Raises:
            FileNotFoundError: an image is missing.
            ValueError: an image cannot be decoded or has another size than its record says.
        """
        appearances = [item["appearances"][i] for i in draw_appearances(len(item["appearances"]), self.num_crops)]
        decoded: dict[str, np.ndarray] = {}
        return [self._crop(self._frame(appearance, decoded), appearance, item["pid"]) for appearance in appearances]

    def _frame(self, appearance: Record, decoded: dict[str, np.ndarray]) -> np.ndarray:
        """The frame, or as much of it as crops of this appearance show; ``decoded`` are those of the item so far."""
        path = appearance["file_name"]
        if path not in decoded:
            kept = self.cutouts.find(appearance["number"]) if self.cutouts else None
            if kept is not None:
                return kept
            decoded[path] = read_frame(dict(appearance), self.image_format)
            if self.cutouts:
                self.cutouts.keep(decoded[path], appearance["number"])
        return decoded[path]

    def _crop(self, frame: np.ndarray, appearance: Record, pid: int) -> dict[str, Any]:
        height, width = self.size
        margin = self.context
        box = self._jitter(np.array(appearance["bbox"], dtype=np.float64))
        is_flipped = np.random.random() < self.flip_prob  # noqa: NPY002
        crop = cv2.warpAffine(
            frame,
            crop_transform(box, self.size, margin, is_flipped),
            (width + 2 * margin, height + 2 * margin),
            flags=cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )
        gain = 1.0 + np.random.uniform(-self.gain, self.gain)  # noqa: NPY002
        crop = cv2.convertScaleAbs(crop, alpha=gain)  # rounds and saturates at 255
        inner_box = np.array([[margin, margin, margin + width, margin + height]])
        return {
            "file_name": appearance["file_name"],
            "image_id": appearance["image_id"],
            "height": crop.shape[0],
            "width": crop.shape[1],
            "image": to_input_tensor(crop),
            "instances": person_instances(inner_box, np.array([pid]), crop.shape[:2]),
        }

    def _jitter(self, box: np.ndarray) -> np.ndarray:
        sides = box[2:] - box[:2]
        shift = np.random.uniform(-self.jitter, self.jitter)  # noqa: NPY002
        scale = 1.0 + np.random.uniform(-self.jitter, self.jitter)  # noqa: NPY002
        centre = (box[:2] + box[2:]) / 2 + shift * sides
        return np.concatenate([centre - scale * sides / 2, centre + scale * sides / 2])
