"""From a dataset record to model inputs: reading frames, moving boxes, identities beside boxes."""

import copy
import logging
from typing import Any

import numpy as np
import torch
from detectron2.config import CfgNode, configurable
from detectron2.data import transforms as T
from detectron2.structures import Boxes, Instances

from inet_d2.data.frame_reader import FrameReader, to_input_tensor
from inet_d2.data.records import annotation_boxes, annotation_pids, people_of
from inet_d2.data.resize import build_augmentations

_logger = logging.getLogger(__name__)

MIN_BOX_SIDE = 1e-5  # pixels; boxes that are narrower or lower count as empty (Detectron2's threshold)


def transform_boxes(boxes: np.ndarray, transforms: T.Transform, image_size: tuple[int, int]) -> np.ndarray:
    """Move boxes into the network frame and clip them to it.

    Args:
        boxes: (n, 4) float64 XYXY in the original frame; n may be 0.
        transforms: what was applied to the image.
        image_size: (height, width) of the transformed image.

    Returns:
        (n, 4) float64 XYXY.
    """
    height, width = image_size
    return transforms.apply_box(boxes).clip(min=0.0, max=[width, height, width, height])


def are_nonempty(boxes: np.ndarray) -> np.ndarray:
    """Tell which of the (n, 4) XYXY boxes have an area; (n,) bool."""
    return (boxes[:, 2:] - boxes[:, :2] > MIN_BOX_SIDE).all(axis=1)


def person_instances(boxes: np.ndarray, pids: np.ndarray, image_size: tuple[int, int]) -> Instances:
    """Pack the people of one training image.

    Args:
        boxes: (n, 4) XYXY in the network frame; n may be 0.
        pids: (n,) integers, encoding of ``inet_d2/data/pids.py``.
        image_size: (height, width) of the network input.

    Returns:
        Instances with ``gt_boxes``, ``gt_classes`` (all 0) and ``gt_pids`` (int64).
    """
    instances = Instances(image_size)
    instances.gt_boxes = Boxes(torch.as_tensor(boxes, dtype=torch.float32).reshape(-1, 4))
    instances.gt_classes = torch.zeros(len(boxes), dtype=torch.int64)
    instances.gt_pids = torch.as_tensor(pids, dtype=torch.int64).reshape(-1)
    return instances


class PersonImageMapper:
    """Map one record to one training input: resize, flip, boxes with identities.

    Random numbers come from numpy's global generator, as in Detectron2's augmentations; its loaders seed it
    per worker.

    Args:
        augmentations: applied in order to image and boxes.
        image_format: value of ``INPUT.FORMAT``, "BGR" or "RGB".
        scaled_decoding: see :class:`FrameReader`.

    Raises:
        ValueError: another format.
    """

    @configurable
    def __init__(
        self, *, augmentations: list[T.Augmentation], image_format: str, scaled_decoding: bool = False
    ) -> None:
        self._read = FrameReader(augmentations, image_format, scaled_decoding=scaled_decoding)
        self._has_warned = False

    @classmethod
    def from_config(cls, cfg: CfgNode, is_train: bool = True) -> dict[str, Any]:
        """Read ``INPUT.{FORMAT, RESIZE, MIN_SIZE_*, MAX_SIZE_*, RANDOM_FLIP, SCALED_DECODING}``.

        Args:
            cfg: configuration.
            is_train: False takes the test sizes and no flip.

        Returns:
            Arguments of ``__init__``.

        Raises:
            ValueError: ``INPUT.CROP.ENABLED`` is set.
        """
        if is_train and cfg.INPUT.CROP.ENABLED:
            raise ValueError(
                "INPUT.CROP.ENABLED is True, but a random crop can cut off the person whom a pair of images "
                "shares; set it to False"
            )
        return {
            "augmentations": build_augmentations(cfg, is_train),
            "image_format": cfg.INPUT.FORMAT,
            "scaled_decoding": is_train and cfg.INPUT.SCALED_DECODING,
        }

    def __call__(self, record: dict[str, Any]) -> dict[str, Any]:
        """Map a record.

        Args:
            record: dataset record with ``annotations``; it is not changed. Crowd annotations are left out,
                and so are boxes without area inside the image; the first time that happens, a warning says so.

        Returns:
            The record's entries without ``annotations``, with ``image`` (3, h, w) and ``instances``
            (see :func:`person_instances`); ``height`` and ``width`` stay those of the original frame.

        Raises:
            FileNotFoundError: the image is missing.
            ValueError: the image cannot be decoded or has another size than the record says.
        """
        record = copy.copy(record)
        people = people_of(record)
        record.pop("annotations", None)
        image, transforms = self._read(record)
        boxes = transform_boxes(annotation_boxes(people), transforms, image.shape[:2])
        pids = annotation_pids(people)

        keep = are_nonempty(boxes)
        self._warn_of_dropped(record, int((~keep).sum()))
        record["image"] = to_input_tensor(image)
        record["instances"] = person_instances(boxes[keep], pids[keep], image.shape[:2])
        return record

    def _warn_of_dropped(self, record: dict[str, Any], num_dropped: int) -> None:
        """Once for each worker process: it has a copy of this mapper."""
        if num_dropped and not self._has_warned:
            _logger.warning(
                "%s: left out %d boxes without area inside the image; later ones are left out without a message",
                record["file_name"],
                num_dropped,
            )
            self._has_warned = True
