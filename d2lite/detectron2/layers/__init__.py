from .batch_norm import CNNBlockBase, FrozenBatchNorm2d, get_norm
from .wrappers import Conv2d, ROIAlign, ShapeSpec, batched_nms, cat, cross_entropy, nms

__all__ = ["CNNBlockBase", "Conv2d", "FrozenBatchNorm2d", "ROIAlign", "ShapeSpec", "batched_nms", "cat"]
__all__ += ["cross_entropy", "get_norm", "nms"]
