import math

import torch
from torch import Tensor, nn
from torchvision.ops import RoIPool

from .._lite import unsupported
from ..layers import ROIAlign, cat
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
    """Pools each box from the map of a pyramid that fits its size (canonical: 224 pixels on level 4).

    Types: ROIAlignV2 (pixel centres), ROIAlign (no half-pixel shift), ROIPool (rounded bins). `scales`, the sizes
    of the maps over that of the image, are consecutive powers of two, the finest first.
    """

    def __init__(self, output_size: int, scales, sampling_ratio: int, pooler_type: str) -> None:
        super().__init__()
        self.output_size = (output_size, output_size)
        if pooler_type in ("ROIAlign", "ROIAlignV2"):
            aligned = pooler_type == "ROIAlignV2"
            poolers = [ROIAlign(self.output_size, scale, sampling_ratio, aligned) for scale in scales]
        elif pooler_type == "ROIPool":
            poolers = [RoIPool(self.output_size, scale) for scale in scales]
        else:
            unsupported(f"The pooler type {pooler_type}")
        self.level_poolers = nn.ModuleList(poolers)
        levels = [-math.log2(scale) for scale in scales]
        consecutive = [levels[0] + i for i in range(len(levels))]
        assert (levels[0].is_integer(), levels) == (True, consecutive), f"ROIPooler: {scales} is no pyramid!"
        self.min_level, self.max_level = int(levels[0]), int(levels[-1])

    def forward(self, x: list[Tensor], box_lists: list[Boxes]) -> Tensor:
        """Maps (N, C, H, W) per level, N lists of boxes -> (R, C, *output_size) in the order of the boxes."""
        assert len(x) == len(self.level_poolers), f"ROIPooler: expected {len(self.level_poolers)} maps, found {len(x)}"
        assert len(box_lists) == len(x[0]), f"ROIPooler: expected boxes of {len(x[0])} images, found {len(box_lists)}"
        boxes = convert_boxes_to_pooler_format(box_lists)
        if len(x) == 1:
            return self.level_poolers[0](x[0], boxes)
        level_of = assign_boxes_to_levels(box_lists, self.min_level, self.max_level, 224, 4)
        out = x[0].new_zeros((len(boxes), x[0].shape[1], *self.output_size))
        for level, pooler in enumerate(self.level_poolers):
            rows = (level_of == level).nonzero(as_tuple=True)[0]
            out.index_put_((rows,), pooler(x[level], boxes[rows]))
        return out
