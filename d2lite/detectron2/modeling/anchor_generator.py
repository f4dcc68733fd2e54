import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ..config import configurable
from ..structures import Boxes
from ..utils.registry import Registry

ANCHOR_GENERATOR_REGISTRY = Registry("ANCHOR_GENERATOR")


@ANCHOR_GENERATOR_REGISTRY.register()
class DefaultAnchorGenerator(nn.Module):
    """Anchors of every size (root of the area, pixels) and aspect ratio (height / width), not rounded.

    Sizes and ratios are one list for all maps or one per map; `offset` is the first centre, in strides.
    """

    box_dim = 4

    @configurable
    def __init__(self, *, sizes, aspect_ratios, strides, offset=0.5) -> None:
        super().__init__()
        assert 0.0 <= offset < 1.0, f"anchor generator: offset {offset} outside [0, 1)"
        self.strides, self.offset = strides, offset
        sizes, ratios = (x * len(strides) if len(x) == 1 else x for x in (sizes, aspect_ratios))
        assert len(sizes) == len(ratios) == len(strides), f"anchor generator: {sizes}, {ratios} for {len(strides)} maps"
        for level, cell in enumerate(map(self.generate_cell_anchors, sizes, ratios)):
            self.register_buffer(f"level{level}", cell, persistent=False)

    @classmethod
    def from_config(cls, cfg, input_shape):
        node = cfg.MODEL.ANCHOR_GENERATOR
        shape = {"sizes": node.SIZES, "aspect_ratios": node.ASPECT_RATIOS, "offset": node.OFFSET}
        return {**shape, "strides": [shape.stride for shape in input_shape]}

    @property
    def num_anchors(self) -> list[int]:
        """Anchors per point of the grid, one number per map."""
        return [len(cell) for cell in self.buffers()]

    def generate_cell_anchors(self, sizes, aspect_ratios) -> Tensor:
        """Anchors (len(sizes) * len(aspect_ratios), 4) around the origin, size by size."""
        widths = [(math.sqrt(size**2.0 / ratio), ratio) for size in sizes for ratio in aspect_ratios]
        sides = [(width / 2.0, ratio * width / 2.0) for width, ratio in widths]
        return torch.tensor([(-x, -y, x, y) for x, y in sides])

    def _grid(self, cell: Tensor, size: Sequence[int], stride: int) -> Tensor:
        axes = [torch.arange(self.offset * stride, side * stride, stride, device=cell.device) for side in size]
        y, x = torch.meshgrid(*(axis.float() for axis in axes), indexing="ij")
        return (torch.stack((x, y, x, y), dim=-1).reshape(-1, 1, 4) + cell).reshape(-1, 4)

    def forward(self, features: list[Tensor]) -> list[Boxes]:
        """Maps (N, C, H, W) -> per map Boxes of H * W * anchors, ordered by (y, x, size, ratio)."""
        levels = zip(self.buffers(), features, self.strides, strict=True)
        return [Boxes(self._grid(cell, feature.shape[-2:], stride)) for cell, feature, stride in levels]


def build_anchor_generator(cfg, input_shape) -> nn.Module:
    return ANCHOR_GENERATOR_REGISTRY.get(cfg.MODEL.ANCHOR_GENERATOR.NAME)(cfg, input_shape)
