"""Axis-aligned boxes: float32 XYXY, absolute pixels, x in [0, width], y in [0, height]."""

from collections.abc import Iterator
from enum import IntEnum
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .._lite import unsupported


class BoxMode(IntEnum):
    """What the numbers of a box mean. REL = share of the image's size; A = angle."""

    XYXY_ABS = 0
    XYWH_ABS = 1
    XYXY_REL = 2
    XYWH_REL = 3
    XYWHA_ABS = 4

    @staticmethod
    def convert(box: Any, from_mode: "BoxMode", to_mode: "BoxMode") -> Any:
        """Convert 4 numbers or Nx4, to the same type (integers stay integers); equal modes return `box`."""
        if from_mode == to_mode:
            return box
        if {from_mode, to_mode} != {BoxMode.XYXY_ABS, BoxMode.XYWH_ABS}:
            unsupported(f"BoxMode.convert from {from_mode!r} to {to_mode!r}")
        single = isinstance(box, list | tuple)
        assert not single or len(box) == 4, f"BoxMode.convert: expected 4 numbers, found {len(box)}"
        out = torch.tensor(box)[None] if single else torch.as_tensor(box).clone()
        out[:, 2:] += out[:, :2] if to_mode == BoxMode.XYXY_ABS else -out[:, :2]
        if single:
            return type(box)(out[0].tolist())
        return out.numpy() if isinstance(box, np.ndarray) else out


class Boxes:
    """N boxes around one Nx4 float32 tensor, `.tensor`."""

    def __init__(self, tensor: Any) -> None:
        tensor = torch.as_tensor(tensor, dtype=torch.float32)
        self.tensor = tensor.reshape(-1, 4) if tensor.numel() == 0 else tensor
        assert self.tensor.shape[1:] == (4,), f"Boxes: expected Nx4, found {tuple(tensor.shape)}"

    @property
    def device(self) -> torch.device:
        return self.tensor.device

    def clone(self) -> "Boxes":
        return Boxes(self.tensor.clone())

    def to(self, device: torch.device) -> "Boxes":
        return Boxes(self.tensor.to(device=device))

    def _sides(self) -> Tensor:
        return self.tensor[:, 2:] - self.tensor[:, :2]

    def area(self) -> Tensor:
        sides = self._sides()
        return sides[:, 0] * sides[:, 1]

    def clip(self, box_size: tuple[int, int]) -> None:
        """Clip to an image of (height, width); `.tensor` becomes a new tensor."""
        assert torch.isfinite(self.tensor).all(), "Boxes.clip: expected finite numbers, found Inf or NaN"
        limit = self.tensor.new_tensor((box_size[1], box_size[0])).repeat(2)
        self.tensor = self.tensor.clamp(min=0).minimum(limit)

    def nonempty(self, threshold: float = 0.0) -> Tensor:
        """Mask of the boxes with both sides longer than `threshold`."""
        return (self._sides() > threshold).all(dim=1)

    def scale(self, scale_x: float, scale_y: float) -> None:
        """Multiply in place: whoever shares the storage sees it."""
        self.tensor[:, 0::2] *= scale_x
        self.tensor[:, 1::2] *= scale_y

    def __getitem__(self, item: Any) -> "Boxes":
        return Boxes(self.tensor[item][None] if isinstance(item, int) else self.tensor[item])

    def __len__(self) -> int:
        return len(self.tensor)

    def __iter__(self) -> Iterator[Tensor]:
        yield from self.tensor

    def __repr__(self) -> str:
        return f"Boxes({self.tensor})"

    @classmethod
    def cat(cls, boxes_list: list["Boxes"]) -> "Boxes":
        return cls(torch.cat([boxes.tensor for boxes in boxes_list]) if boxes_list else torch.empty(0))


def pairwise_iou(boxes1: Boxes, boxes2: Boxes) -> Tensor:
    """Intersection over union (N, M); exactly 0 without intersection, also for boxes without area."""
    a, b = boxes1.tensor[:, None], boxes2.tensor
    sides = (torch.min(a[..., 2:], b[:, 2:]) - torch.max(a[..., :2], b[:, :2])).clamp(min=0)
    shared = sides[..., 0] * sides[..., 1]
    union = boxes1.area()[:, None] + boxes2.area() - shared
    return torch.where(shared > 0, shared / union, shared.new_zeros(()))
