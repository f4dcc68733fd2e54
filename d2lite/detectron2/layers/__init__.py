# ruff: noqa: F401
from .._lite import module_getattr
from .batch_norm import FrozenBatchNorm2d, get_norm
from .nms import batched_nms, nms
from .roi_align import ROIAlign
from .shape_spec import ShapeSpec
from .wrappers import BatchNorm2d, Conv2d, Linear, cat, cross_entropy, interpolate, nonzero_tuple

__getattr__ = module_getattr(__name__)
