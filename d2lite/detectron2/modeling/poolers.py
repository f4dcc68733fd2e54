import math

import torch
from torch import Tensor, nn
from torchvision.ops import RoIPool

from .._lite import unsupported
from ..layers import ROIAlign, cat, nonzero_tuple
from ..structures import Boxes


def assign_boxes_to_levels(box_lists, min_level, max_level, canonical_box_size, canonical_level) -> Tensor:
    """Level of every box, counted from `min_level`; one of the canonical size is on the canonical level."""
    sides = torch.sqrt(cat([boxes.area() for boxes in box_lists]))
    levels = torch.floor(canonical_level + torch.log2(sides / canonical_box_size + 1e-8))
    return levels.clamp(min=min_level, max=max_level).to(torch.int64) - min_level


def convert_boxes_to_pooler_format(box_lists: list[Boxes]) -> Tensor:
    """Boxes of N images -> (R, 5): image index, x0, y0, x1, y1."""
    return torch.cat([nn.functional.pad(boxes.tensor, (1, 0), value=i) for i, boxes in enumerate(box_lists)])


class ROIPooler(nn.Module):
    """Pools each box from the map of a pyramid that fits its size.

    Types: ROIAlignV2 (pixel centres), ROIAlign (no half-pixel shift), ROIPool (rounded bins). `scales`, the sizes
    of the maps over that of the image, are consecutive powers of two, the finest first.
    """

    def __init__(
        self, output_size, scales, sampling_ratio, pooler_type, canonical_box_size=224, canonical_level=4
    ) -> None:
        super().__init__()
        self.output_size = (output_size, output_size) if isinstance(output_size, int) else tuple(output_size)
        if pooler_type in ("ROIAlign", "ROIAlignV2"):
            aligned = pooler_type == "ROIAlignV2"
            poolers = [ROIAlign(self.output_size, scale, sampling_ratio, aligned) for scale in scales]
        elif pooler_type == "ROIPool":
            poolers = [RoIPool(self.output_size, scale) for scale in scales]
        else:
            unsupported(f"The pooler type {pooler_type}")
        self.level_poolers = nn.ModuleList(poolers)
        levels = [-math.log2(scale) for scale in scales]
        assert all(level.is_integer() for level in levels), "Featuremap stride is not power of 2!"
        self.min_level, self.max_level = int(levels[0]), int(levels[-1])
        assert len(scales) == self.max_level - self.min_level + 1, f"ROIPooler: {scales} is no pyramid!"
        self.canonical_box_size, self.canonical_level = canonical_box_size, canonical_level

    def forward(self, x: list[Tensor], box_lists: list[Boxes]) -> Tensor:
        """Maps (N, C, H, W) per level, N lists of boxes -> (R, C, *output_size) in the order of the boxes."""
        assert len(x) == len(self.level_poolers), f"{len(x)} maps for {len(self.level_poolers)} levels!"
        if not box_lists:
            return x[0].new_zeros((0, x[0].shape[1], *self.output_size))
        assert len(box_lists) == len(x[0]), f"{len(box_lists)} lists of boxes for {len(x[0])} images!"
        boxes = convert_boxes_to_pooler_format(box_lists)
        if len(x) == 1:
            return self.level_poolers[0](x[0], boxes)
        canonical = (self.canonical_box_size, self.canonical_level)
        level_of = assign_boxes_to_levels(box_lists, self.min_level, self.max_level, *canonical)
        out = x[0].new_zeros((len(boxes), x[0].shape[1], *self.output_size))
        for level, pooler in enumerate(self.level_poolers):
            rows = nonzero_tuple(level_of == level)[0]
            out.index_put_((rows,), pooler(x[level], boxes[rows]))
        return out
