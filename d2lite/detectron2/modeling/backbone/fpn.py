import math

from fvcore.nn.weight_init import c2_xavier_fill
from torch import Tensor, nn
from torch.nn import functional as F

from ...layers import Conv2d, get_norm
from .backbone import BACKBONE_REGISTRY, Backbone
from .resnet import build_resnet_backbone


class LastLevelMaxPool(nn.Module):
    """One coarser map: every other point of p5."""

    num_levels = 1

    def forward(self, x: Tensor) -> list[Tensor]:
        return [F.max_pool2d(x, kernel_size=1, stride=2, padding=0)]


class FPN(Backbone):
    """Feature pyramid (Lin et al. 2017) of the maps `in_features` of `bottom_up`, fine to coarse.

    The map of stride 2**k is called p{k}. `top_block` makes coarser ones of the coarsest.
    """

    def __init__(self, bottom_up: Backbone, in_features: list[str], out_channels: int, norm="", top_block=None) -> None:
        super().__init__()
        shapes = [bottom_up.output_shape()[name] for name in in_features]
        levels = [int(math.log2(shape.stride)) for shape in shapes]
        assert levels == list(range(levels[0], levels[0] + len(levels))), (
            f"FPN: the strides of {in_features} must double"
        )
        for level, shape in zip(levels, shapes, strict=True):
            norms = [get_norm(norm, out_channels), get_norm(norm, out_channels)]
            lateral = Conv2d(shape.channels, out_channels, 1, bias=not norm, norm=norms[0])
            output = Conv2d(out_channels, out_channels, 3, padding=1, bias=not norm, norm=norms[1])
            for name, conv in (("lateral", lateral), ("output", output)):
                c2_xavier_fill(conv)
                self.add_module(f"fpn_{name}{level}", conv)
        self.top_block, self.bottom_up = top_block, bottom_up
        self.in_features, self._levels, self.size_divisibility = in_features, levels, 2 ** levels[-1]
        extra = top_block.num_levels if top_block else 0
        self._out_feature_strides = {f"p{k}": 2**k for k in range(levels[0], levels[-1] + extra + 1)}
        self._out_features = list(self._out_feature_strides)
        self._out_feature_channels = dict.fromkeys(self._out_features, out_channels)

    @property
    def padding_constraints(self) -> dict[str, int]:
        return {"square_size": 0}

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        bottom_up, merged, maps = self.bottom_up(x), None, []
        for name, level in zip(reversed(self.in_features), reversed(self._levels), strict=True):
            lateral = getattr(self, f"fpn_lateral{level}")(bottom_up[name])
            merged = lateral if merged is None else lateral + F.interpolate(merged, scale_factor=2.0, mode="nearest")
            maps.insert(0, getattr(self, f"fpn_output{level}")(merged))
        maps += self.top_block(maps[-1]) if self.top_block else []
        return dict(zip(self._out_features, maps, strict=True))


@BACKBONE_REGISTRY.register()
def build_resnet_fpn_backbone(cfg, input_shape) -> FPN:
    """The FPN of MODEL.FPN on the ResNet of MODEL.RESNETS, with p6."""
    node, bottom_up = cfg.MODEL.FPN, build_resnet_backbone(cfg, input_shape)
    return FPN(bottom_up, node.IN_FEATURES, node.OUT_CHANNELS, node.NORM, LastLevelMaxPool())
