"""From a test record to a model input, with query and gallery boxes in the network frame."""

import copy
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from detectron2.config import CfgNode, configurable
from detectron2.data import transforms as T

from inet_d2.data.frame_reader import FrameReader, to_input_tensor
from inet_d2.data.person_mapper import transform_boxes
from inet_d2.data.records import annotation_boxes, image_name, people_of
from inet_d2.data.resize import build_augmentations
from inet_d2.data.saved_boxes import load_saved_boxes


class SearchDatasetMapper:
    """Map one record to one test input; also what the search demo feeds the model with.

    Args:
        augmentations: resizing, without randomness.
        image_format: value of ``INPUT.FORMAT``.
        use_gt_boxes: hand the annotated boxes to the model as ``gallery_boxes``.
        saved_boxes: boxes and scores by ``image_id`` to hand to the model instead; see ``load_saved_boxes``.

    Raises:
        ValueError: ``image_format`` is neither "BGR" nor "RGB".
    """

    @configurable
    def __init__(
        self,
        *,
        augmentations: list[T.Augmentation],
        image_format: str,
        use_gt_boxes: bool = False,
        saved_boxes: Mapping[str, tuple[np.ndarray, np.ndarray]] | None = None,
    ) -> None:
        self._read = FrameReader(augmentations, image_format)
        self.use_gt_boxes = use_gt_boxes
        self.saved_boxes = saved_boxes

    @classmethod
    def from_config(cls, cfg: CfgNode, is_train: bool = False) -> dict[str, Any]:
        """Read ``INPUT.{FORMAT, RESIZE, MIN_SIZE_TEST, MAX_SIZE_TEST}`` and ``TEST.SEARCH.{USE_GT_BOXES, BOXES_FROM}``.

        Args:
            cfg: configuration.
            is_train: must be False; it is there because Detectron2's mappers have it.

        Returns:
            Arguments of ``__init__``.

        Raises:
            ValueError: ``is_train`` is True, or both keys ask for boxes.
        """
        if is_train:
            raise ValueError("SearchDatasetMapper maps test images; use PairedDatasetMapper for training")
        search = cfg.TEST.SEARCH
        if search.USE_GT_BOXES and search.BOXES_FROM:
            raise ValueError(
                "TEST.SEARCH: expected USE_GT_BOXES or BOXES_FROM, found both; leave one of the two as it is by default"
            )
        return {
            "augmentations": build_augmentations(cfg, is_train=False),
            "image_format": cfg.INPUT.FORMAT,
            "use_gt_boxes": search.USE_GT_BOXES,
            "saved_boxes": load_saved_boxes(search.BOXES_FROM) if search.BOXES_FROM else None,
        }

    def __call__(self, record: dict[str, Any]) -> dict[str, Any]:
        """Map a record.

        Args:
            record: dataset record; it is not changed. ``query_boxes``, if there, is (q, 4) XYXY in the
                original frame.

        Returns:
            The record's entries without ``annotations``, with ``image`` ((3, h, w) uint8), and, where they
            apply, ``query_boxes`` (q, 4) and ``gallery_boxes`` (g, 4): float32 XYXY in the network frame,
            clipped to it, in the order of the record. With saved boxes also ``gallery_scores`` (g,) and
            ``gallery_frame_boxes`` (g, 4), both as in their file. ``height`` and ``width`` stay those of the
            original frame.

        Raises:
            FileNotFoundError: the image is missing.
            ValueError: the image cannot be decoded or has another size than the record says, or the saved
                boxes lack it.
        """
        record = copy.copy(record)
        people = people_of(record)
        record.pop("annotations", None)
        image, transforms = self._read(record)
        image_size = image.shape[:2]

        record["image"] = to_input_tensor(image)
        if "query_boxes" in record:
            boxes = np.array(record["query_boxes"], dtype=np.float64).reshape(-1, 4)
            record["query_boxes"] = _network_boxes(boxes, transforms, image_size)
        if self.use_gt_boxes:
            boxes = annotation_boxes(people)
            record["gallery_boxes"] = _network_boxes(boxes, transforms, image_size)
        elif self.saved_boxes is not None:
            boxes, scores = self._saved(image_name(record))
            record["gallery_boxes"] = _network_boxes(boxes.astype(np.float64), transforms, image_size)
            record["gallery_scores"] = torch.from_numpy(scores)
            record["gallery_frame_boxes"] = torch.from_numpy(boxes)
        return record

    def _saved(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        if name not in self.saved_boxes:
            raise ValueError(
                f"TEST.SEARCH.BOXES_FROM: expected boxes of every image, found none of {name}; give predictions on "
                "this data set"
            )
        return self.saved_boxes[name]


def _network_boxes(boxes: np.ndarray, transforms: T.Transform, image_size: tuple[int, int]) -> torch.Tensor:
    return torch.from_numpy(transform_boxes(boxes, transforms, image_size)).float()
