"""RoI pooling of the regions of one image, on tensors alone."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

# Detectron2's defaults, which this project's heads leave as they are: a box of 224 pixels is pooled from level 4.
CANONICAL_SIDE, CANONICAL_LEVEL = 224, 4


def pool(pooler: nn.Module, maps: Sequence[Tensor], boxes: Tensor) -> Tensor:
    """Pool each box from the map that fits its size.

    Args:
        pooler: Detectron2's ``ROIPooler``.
        maps: of one image, (1, C, h, w), the finest first.
        boxes: (R, 4) float32 XYXY in the network's frame; R is at least 1.

    Returns:
        (R, C, height, width) float32.
    """
    regions = F.pad(boxes, (1, 0))  # the first number is the image, of which there is one
    if len(maps) == 1:
        return pooler.level_poolers[0](maps[0], regions)
    levels = _levels_of(boxes, pooler.min_level, pooler.max_level)
    pooled, places = [], []
    for level, (each, one_map) in enumerate(zip(pooler.level_poolers, maps, strict=True)):
        rows = (levels == level).nonzero()[:, 0]
        pooled.append(each(one_map, regions[rows]))
        places.append(rows)
    return torch.cat(pooled)[torch.cat(places).argsort()]


def _levels_of(boxes: Tensor, least: int, most: int) -> Tensor:
    """Number of each box's map, counted from ``least``: floor(4 + log2(side / 224)), without a logarithm.

    A logarithm is rounded differently by each runtime, and a side of 112 pixels is exactly on the border.
    """
    sides = ((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])).sqrt() / CANONICAL_SIDE + 1e-8
    borders = [2.0 ** (level - CANONICAL_LEVEL) for level in range(least + 1, most + 1)]
    return sum((sides >= border).to(torch.int64) for border in borders)
