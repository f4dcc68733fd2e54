from .batch_norm import FrozenBatchNorm2d, get_norm
from .wrappers import Conv2d, ROIAlign, ShapeSpec, batched_nms, cat, cross_entropy

__all__ = ["Conv2d", "FrozenBatchNorm2d", "ROIAlign", "ShapeSpec", "batched_nms", "cat", "cross_entropy", "get_norm"]
