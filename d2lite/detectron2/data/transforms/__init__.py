# ruff: noqa: F401
from fvcore.transforms.transform import (
    BlendTransform,
    CropTransform,
    GridSampleTransform,
    HFlipTransform,
    NoOpTransform,
    PadTransform,
    ScaleTransform,
    Transform,
    TransformList,
    VFlipTransform,
)

from ..._lite import module_getattr
from .augmentation import AugInput, Augmentation, AugmentationList
from .augmentation_impl import RandomFlip, Resize, ResizeShortestEdge
from .transform import ResizeTransform

__getattr__ = module_getattr(__name__)
