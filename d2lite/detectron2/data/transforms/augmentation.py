import inspect

import numpy as np
from fvcore.transforms.transform import Transform, TransformList


class AugInput:
    """What augmentations read and change in place: image (H, W[, C]), boxes (N, 4) XYXY, sem_seg (H, W)."""

    def __init__(self, image: np.ndarray, *, boxes=None, sem_seg=None) -> None:
        self.image = image
        self.boxes = boxes
        self.sem_seg = sem_seg

    def transform(self, tfm: Transform) -> None:
        self.image = tfm.apply_image(self.image)
        if self.boxes is not None:
            self.boxes = tfm.apply_box(self.boxes)
        if self.sem_seg is not None:
            self.sem_seg = tfm.apply_segmentation(self.sem_seg)

    def apply_augmentations(self, augmentations: list) -> TransformList:
        return AugmentationList(augmentations)(self)


class Augmentation:
    """A policy: `get_transform` looks at the input and may draw random numbers. Called, it also applies the result.

    The parameters of `get_transform` are the names of the attributes of the input that it gets.
    """

    def get_transform(self, *args) -> Transform:
        raise NotImplementedError

    def __call__(self, aug_input: AugInput) -> Transform:
        names = list(inspect.signature(self.get_transform).parameters)
        names = ["image"] if len(names) == 1 else names
        tfm = self.get_transform(*(getattr(aug_input, name) for name in names))
        aug_input.transform(tfm)
        return tfm

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in vars(self).items())})"


class _Fixed(Augmentation):
    def __init__(self, tfm: Transform) -> None:
        self.tfm = tfm

    def get_transform(self, image: np.ndarray) -> Transform:
        return self.tfm


class AugmentationList(Augmentation):
    """Augmentations (or transforms) one after the other, each on the result of the one before."""

    def __init__(self, augs: list) -> None:
        self.augs = [_Fixed(aug) if isinstance(aug, Transform) else aug for aug in augs]

    def __call__(self, aug_input: AugInput) -> TransformList:
        return TransformList([aug(aug_input) for aug in self.augs])
