"""From a test record to a model input, with query and gallery boxes in the network frame."""

import copy
from typing import Any

import numpy as np
import torch
from detectron2.config import CfgNode, configurable
from detectron2.data import detection_utils
from detectron2.data import transforms as T

from inet_d2.data.person_mapper import annotation_boxes, read_frame, to_input_tensor, transform_boxes


class SearchDatasetMapper:
    """Map one record to one test input; also what the search demo feeds the model with."""

    @configurable
    def __init__(self, *, augmentations: list[T.Augmentation], image_format: str, use_gt_boxes: bool = False) -> None:
        """Keep the settings.

        Args:
            augmentations: resizing, without randomness.
            image_format: value of ``INPUT.FORMAT``.
            use_gt_boxes: hand the annotated boxes to the model as ``gallery_boxes``.
        """
        self.augmentations = T.AugmentationList(augmentations)
        self.image_format = image_format
        self.use_gt_boxes = use_gt_boxes

    @classmethod
    def from_config(cls, cfg: CfgNode, is_train: bool = False) -> dict[str, Any]:
        """Read ``INPUT.{FORMAT, MIN_SIZE_TEST, MAX_SIZE_TEST}`` and ``TEST.SEARCH.USE_GT_BOXES``.

        Args:
            cfg: configuration.
            is_train: must be False; it is there because Detectron2's mappers have it.

        Returns:
            Arguments of ``__init__``.

        Raises:
            ValueError: ``is_train`` is True.
        """
        if is_train:
            raise ValueError("SearchDatasetMapper maps test images; use PairedDatasetMapper for training")
        return {
            "augmentations": detection_utils.build_augmentation(cfg, is_train=False),
            "image_format": cfg.INPUT.FORMAT,
            "use_gt_boxes": cfg.TEST.SEARCH.USE_GT_BOXES,
        }

    def __call__(self, record: dict[str, Any]) -> dict[str, Any]:
        """Map a record.

        Args:
            record: dataset record; it is not changed. ``query_boxes``, if there, is (q, 4) XYXY in the
                original frame.

        Returns:
            The record's entries without ``annotations``, with ``image`` ((3, h, w) uint8), and, where they
            apply, ``query_boxes`` (q, 4) and ``gallery_boxes`` (g, 4): float32 XYXY in the network frame,
            clipped to it, in the order of the record. ``height`` and ``width`` stay those of the original
            frame.

        Raises:
            FileNotFoundError: the image is missing.
            ValueError: the image cannot be decoded or has another size than the record says.
        """
        record = copy.copy(record)
        annotations = record.pop("annotations", [])
        aug_input = T.AugInput(read_frame(record, self.image_format))
        transforms = self.augmentations(aug_input)
        image_size = aug_input.image.shape[:2]

        record["image"] = to_input_tensor(aug_input.image)
        if "query_boxes" in record:
            boxes = np.array(record["query_boxes"], dtype=np.float64).reshape(-1, 4)
            record["query_boxes"] = torch.from_numpy(transform_boxes(boxes, transforms, image_size)).float()
        if self.use_gt_boxes:
            boxes = annotation_boxes([anno for anno in annotations if not anno.get("iscrowd", 0)])
            record["gallery_boxes"] = torch.from_numpy(transform_boxes(boxes, transforms, image_size)).float()
        return record
