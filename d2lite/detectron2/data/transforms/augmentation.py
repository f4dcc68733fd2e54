import inspect

import numpy as np
from fvcore.transforms.transform import Transform, TransformList


class AugInput:
    """What augmentations read and change in place: image (H, W[, C]) and boxes (N, 4) XYXY."""

    def __init__(self, image: np.ndarray, *, boxes=None) -> None:
        self.image, self.boxes = image, boxes

    def transform(self, tfm: Transform) -> None:
        self.image = tfm.apply_image(self.image)
        if self.boxes is not None:
            self.boxes = tfm.apply_box(self.boxes)


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


class AugmentationList(Augmentation):
    """Augmentations one after the other, each on the result of the one before."""

    def __init__(self, augs: list[Augmentation]) -> None:
        self.augs = augs

    def __call__(self, aug_input: AugInput) -> TransformList:
        return TransformList([aug(aug_input) for aug in self.augs])
