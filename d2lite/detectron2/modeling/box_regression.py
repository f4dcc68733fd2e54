"""Boxes as offsets from other boxes, and the loss on those offsets."""

import math

import torch
from fvcore.nn import smooth_l1_loss
from torch import Tensor

_SCALE_CLAMP = math.log(1000.0 / 16)


def _centers_and_sizes(boxes: Tensor) -> tuple[Tensor, Tensor]:
    sizes = boxes[:, 2:] - boxes[:, :2]
    return boxes[:, :2] + 0.5 * sizes, sizes


class Box2BoxTransform:
    """R-CNN's deltas (dx, dy, dw, dh): shift over size and log of the ratio of sizes, each times its weight.

    Before the exponential, dw and dh are limited to `scale_clamp` from above.
    """

    def __init__(self, weights, scale_clamp=_SCALE_CLAMP) -> None:
        self.weights, self.scale_clamp = weights, scale_clamp

    def get_deltas(self, src_boxes: Tensor, target_boxes: Tensor) -> Tensor:
        """Deltas (N, 4) that take `src_boxes` (N, 4) to `target_boxes` (N, 4)."""
        src_centers, src_sizes = _centers_and_sizes(src_boxes)
        assert (src_sizes[:, 0] > 0).all(), "Box2BoxTransform: expected source boxes wider than 0"
        centers, sizes = _centers_and_sizes(target_boxes)
        weights = src_boxes.new_tensor(self.weights)
        shift = weights[:2] * (centers - src_centers) / src_sizes
        return torch.cat((shift, weights[2:] * torch.log(sizes / src_sizes)), dim=1)

    def apply_deltas(self, deltas: Tensor, boxes: Tensor) -> Tensor:
        """Move `boxes` (N, 4) by `deltas` (N, 4k) -> float32 boxes (N, 4k)."""
        deltas = deltas.float()
        centers, sizes = (part.unsqueeze(1) for part in _centers_and_sizes(boxes.to(deltas.dtype)))
        scaled = deltas.unflatten(1, (-1, 4)) / deltas.new_tensor(self.weights)
        new_centers = scaled[..., :2] * sizes + centers
        half = 0.5 * (torch.exp(scaled[..., 2:].clamp(max=self.scale_clamp)) * sizes)
        return torch.cat((new_centers - half, new_centers + half), dim=-1).reshape(deltas.shape)


def box_regression_loss(transform: Box2BoxTransform, deltas, boxes, gt_boxes, smooth_l1_beta: float) -> Tensor:
    """Summed smooth L1 loss of `deltas` (N, 4), which should take `boxes` (N, 4) to `gt_boxes` (N, 4)."""
    return smooth_l1_loss(deltas, transform.get_deltas(boxes, gt_boxes), beta=smooth_l1_beta, reduction="sum")
