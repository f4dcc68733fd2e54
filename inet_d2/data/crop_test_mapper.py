"""From a record with one person to the crop that a model embeds, without any chance."""

from typing import Any

import cv2
import numpy as np
import torch
from detectron2.config import CfgNode, configurable

from inet_d2.data.crops import crop_transform
from inet_d2.data.frame_reader import read_frame, to_input_tensor
from inet_d2.data.records import annotation_boxes
from inet_d2.image_file import check_image_format


class CropTestMapper:
    """Map one record to one test input: the crop that :class:`PersonCropMapper` would make, as it is.

    Args:
        size: (h, w) in pixels that the person's box is resized to.
        context: pixels around it.
        image_format: value of ``INPUT.FORMAT``.
    """

    @configurable
    def __init__(self, *, size: tuple[int, int], context: int, image_format: str) -> None:
        check_image_format(image_format)
        self.size, self.context, self.image_format = (int(size[0]), int(size[1])), context, image_format

    @classmethod
    def from_config(cls, cfg: CfgNode) -> dict[str, Any]:
        """Read ``INPUT.{FORMAT, PERSON_CROP.SIZE, PERSON_CROP.CONTEXT}``."""
        crop = cfg.INPUT.PERSON_CROP
        return {"size": crop.SIZE, "context": crop.CONTEXT, "image_format": cfg.INPUT.FORMAT}

    def __call__(self, record: dict[str, Any]) -> dict[str, Any]:
        """Map a record.

        Args:
            record: with one annotation; it is not changed.

        Returns:
            Its entries without ``annotations``, with ``image`` (3, h + 2c, w + 2c) uint8 and ``gallery_boxes`` (1, 4),
            the box inside of the context; ``height`` and ``width`` are those of the crop.

        Raises:
            FileNotFoundError: the image is missing.
            ValueError: the image cannot be decoded or has another size than the record says.
        """
        (height, width), margin = self.size, self.context
        mapped = {key: value for key, value in record.items() if key != "annotations"}
        (box,) = annotation_boxes(record["annotations"])
        crop = cv2.warpAffine(
            np.ascontiguousarray(read_frame(dict(record), self.image_format)),
            crop_transform(box, self.size, margin, is_flipped=False),
            (width + 2 * margin, height + 2 * margin),
            flags=cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )
        mapped["image"] = to_input_tensor(crop)
        mapped["height"], mapped["width"] = crop.shape[:2]
        mapped["gallery_boxes"] = torch.tensor([[margin, margin, margin + width, margin + height]]).float()
        return mapped
