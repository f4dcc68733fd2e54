"""From a picture to a model's input of any size, as the evaluator makes it."""

from collections.abc import Sequence

import numpy as np
import torch
from detectron2.data import transforms as T

from inet_d2.data.frame_reader import to_input_tensor
from inet_d2.data.person_mapper import transform_boxes


class PictureInput:
    """Resizes pictures, and moves boxes along.

    Args:
        augmentations: resizing, without randomness.
        order: of the model's colours, "BGR" or "RGB".
    """

    def __init__(self, augmentations: Sequence[T.Augmentation], order: str) -> None:
        self._augmentations = T.AugmentationList(list(augmentations))
        self._order = order

    def make(self, picture: np.ndarray) -> tuple[torch.Tensor, T.Transform]:
        """An (H, W, 3) uint8 RGB picture as (3, h, w), and what was done to it."""
        if self._order == "BGR":
            picture = picture[:, :, ::-1]
        aug_input = T.AugInput(np.ascontiguousarray(picture))
        transforms = self._augmentations(aug_input)
        return to_input_tensor(aug_input.image), transforms

    def make_with_boxes(self, picture: np.ndarray, boxes: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        """The same, and (n, 4) boxes XYXY of the picture in the input's pixels, float32."""
        image, transforms = self.make(picture)
        boxes = np.array(boxes, dtype=np.float64).reshape(-1, 4)
        return image, torch.from_numpy(transform_boxes(boxes, transforms, image.shape[1:])).float()
