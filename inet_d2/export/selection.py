"""Which boxes of one image are kept, on tensors alone, so that every exporter can follow.

Detectron2 does the same on ``Instances``, whose lengths an exporter takes for constants.

Shapes: R regions, n of them kept. Boxes are XYXY float32 in pixels of the network's frame.
"""

import torch
from torch import Tensor
from torchvision.ops import nms


def frame_limits(image: Tensor) -> Tensor:
    """What the coordinates of a box cannot exceed: (4,) float32, width, height, width, height.

    Counted, and not read from ``image.shape``, of which each exporter makes another type.

    Args:
        image: (1, 3, H, W) float32.
    """
    width, height = (torch.ones_like(line).sum() for line in (image[0, 0, 0, :], image[0, 0, :, 0]))
    return torch.stack([width, height, width, height])


def clip(boxes: Tensor, limits: Tensor) -> Tensor:
    """(R, 4) boxes inside of the frame."""
    return torch.minimum(boxes.clamp(min=0), limits)


def best_rows(boxes: Tensor, scores: Tensor, allowed: Tensor, *, iou: float, count: int) -> Tensor:
    """Suppress boxes that overlap better ones.

    Args:
        boxes: (R, 4), inside of the frame.
        scores: (R,).
        allowed: (R,) bool; others are neither kept nor suppress any.
        iou: in [0, 1]; above it the lower-scored of two boxes goes.
        count: how many are kept at most; negative for all.

    Returns:
        (n,) int64 rows of ``boxes``, best first.
    """
    rows = allowed.nonzero()[:, 0]
    # Two boxes outside of the frame come last: torch.export takes it that suppression leaves two boxes at least.
    outside = boxes.new_tensor([[-2.0, -2.0, -1.0, -1.0], [-4.0, -4.0, -3.0, -3.0]])
    lowest = scores.new_full((2,), -1e30)  # and not the least number, which OpenVINO drops
    best = nms(torch.cat([boxes[rows], outside]), torch.cat([scores[rows], lowest]), iou)[:-2]
    return rows[best if count < 0 else best[:count]]


def confident_rows(boxes: Tensor, scores: Tensor, *, score: float, iou: float, count: int) -> Tensor:
    """Detections among scored boxes: :func:`best_rows` of those whose score is above ``score`` and finite."""
    allowed = torch.isfinite(boxes).all(dim=1) & torch.isfinite(scores) & (scores > score)
    return best_rows(boxes, scores, allowed, iou=iou, count=count)
