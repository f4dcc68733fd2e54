from torch import Tensor
from torchvision.ops import batched_nms as _batched_nms
from torchvision.ops import nms

__all__ = ["batched_nms", "nms"]


def batched_nms(boxes: Tensor, scores: Tensor, idxs: Tensor, iou_threshold: float) -> Tensor:
    """Indices kept, by falling score; boxes with equal `idxs` suppress each other above the threshold."""
    return _batched_nms(boxes.float(), scores, idxs, iou_threshold)
