from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision import ops


@dataclass
class ShapeSpec:
    """What is known of a feature map's shape; stride in pixels of the image."""

    channels: int | None = None
    height: int | None = None
    width: int | None = None
    stride: int | None = None


class Conv2d(nn.Conv2d):
    """A convolution, then the module `norm`, then the callable `activation`, where given."""

    def __init__(self, *args, norm=None, activation=None, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.norm = norm
        self.activation = activation

    def forward(self, x: Tensor) -> Tensor:
        x = super().forward(x)
        x = x if self.norm is None else self.norm(x)
        return x if self.activation is None else self.activation(x)


class ROIAlign(nn.Module):
    """Bilinear RoI pooling; `aligned` places pixels at their centres (a shift by half a pixel of the map)."""

    def __init__(self, output_size, spatial_scale, sampling_ratio, aligned=True) -> None:
        super().__init__()
        self.options = (output_size, spatial_scale, sampling_ratio, aligned)

    def forward(self, x: Tensor, rois: Tensor) -> Tensor:
        """Maps (N, C, H, W), RoIs (R, 5) = image index and XYXY in pixels -> (R, C, *output_size)."""
        return ops.roi_align(x, rois.to(dtype=x.dtype), *self.options)


nms = ops.nms


def batched_nms(boxes: Tensor, scores: Tensor, idxs: Tensor, iou_threshold: float) -> Tensor:
    """Indices kept, by falling score; boxes with equal `idxs` suppress each other above the threshold."""
    return ops.batched_nms(boxes.float(), scores, idxs, iou_threshold)


def cat(tensors: list[Tensor], dim: int = 0) -> Tensor:
    """`torch.cat`, but a single tensor is returned as it is."""
    return tensors[0] if len(tensors) == 1 else torch.cat(tensors, dim)


def cross_entropy(input: Tensor, target: Tensor) -> Tensor:
    """`F.cross_entropy`, but the mean over no targets is 0 (with a graph), not NaN."""
    return F.cross_entropy(input, target) if target.numel() else input.sum() * 0.0
