"""Residual networks (He et al. 2016): a stem, then stages res2 to res5 of blocks."""

import itertools

from fvcore.nn.weight_init import c2_msra_fill
from torch import Tensor, nn
from torch.nn import functional as F

from ...layers import CNNBlockBase, Conv2d, get_norm
from .backbone import BACKBONE_REGISTRY, Backbone

_BLOCKS_PER_STAGE = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}


def _conv(in_channels: int, out_channels: int, size: int, stride: int, norm) -> Conv2d:
    options = {"stride": stride, "padding": size // 2, "bias": False, "norm": get_norm(norm, out_channels)}
    return Conv2d(in_channels, out_channels, size, **options)


class BasicStem(CNNBlockBase):
    """A 7x7 convolution and max pooling, each of stride 2."""

    def __init__(self, in_channels: int = 3, out_channels: int = 64, norm="BN") -> None:
        super().__init__(in_channels, out_channels, 4)
        self.conv1 = _conv(in_channels, out_channels, 7, 2, norm)
        c2_msra_fill(self.conv1)

    def forward(self, x: Tensor) -> Tensor:
        return F.max_pool2d(F.relu_(self.conv1(x)), kernel_size=3, stride=2, padding=1)


class _ResidualBlock(CNNBlockBase):
    """ReLU of the sum of a chain of convolutions and the input, which is projected where the channels differ."""

    def __init__(self, in_channels: int, out_channels: int, stride: int, chain: list[tuple], norm) -> None:
        super().__init__(in_channels, out_channels, stride)
        self.shortcut = _conv(in_channels, out_channels, 1, stride, norm) if in_channels != out_channels else None
        self._chain = [f"conv{k}" for k in range(1, len(chain) + 1)]
        for name, conv in zip(self._chain, chain, strict=True):
            self.add_module(name, _conv(*conv, norm))
        for name in (*self._chain, "shortcut"):
            if getattr(self, name) is not None:
                c2_msra_fill(getattr(self, name))

    def forward(self, x: Tensor) -> Tensor:
        out = x
        for name in self._chain[:-1]:
            out = F.relu_(getattr(self, name)(out))
        out = getattr(self, self._chain[-1])(out)
        return F.relu_(out + (x if self.shortcut is None else self.shortcut(x)))


class BasicBlock(_ResidualBlock):
    """Two 3x3 convolutions, of ResNet-18 and 34."""

    def __init__(self, in_channels: int, out_channels: int, *, stride: int = 1, norm="BN") -> None:
        chain = [(in_channels, out_channels, 3, stride), (out_channels, out_channels, 3, 1)]
        super().__init__(in_channels, out_channels, stride, chain, norm)


class BottleneckBlock(_ResidualBlock):
    """A 1x1, a 3x3 and a 1x1 convolution, of ResNet-50 and deeper; the stride is in the first or in the second."""

    def __init__(self, in_channels: int, out_channels: int, *, bottleneck_channels: int, stride: int = 1, norm="BN",
                 stride_in_1x1: bool = False) -> None:  # fmt: skip
        strides = (stride, 1) if stride_in_1x1 else (1, stride)
        chain = [(in_channels, bottleneck_channels, 1, strides[0])]
        chain += [(bottleneck_channels, bottleneck_channels, 3, strides[1]), (bottleneck_channels, out_channels, 1, 1)]
        super().__init__(in_channels, out_channels, stride, chain, norm)


def make_stage(block_class: type, num_blocks: int, *, in_channels: int, out_channels: int, **kwargs) -> list:
    """Blocks one after the other; an argument `X_per_block` is a list with the argument X of each."""
    blocks = []
    for k in range(num_blocks):
        own = {name: value[k] if name.endswith("_per_block") else value for name, value in kwargs.items()}
        own = {name.removesuffix("_per_block"): value for name, value in own.items()}
        blocks.append(block_class(in_channels=in_channels, out_channels=out_channels, **own))
        in_channels = out_channels
    return blocks


class ResNet(Backbone):
    """`stem`, then `res2`, `res3` ... of the blocks in `stages`, as far as `out_features` reach."""

    def __init__(self, stem: CNNBlockBase, stages: list[list], out_features: list[str], freeze_at: int = 0) -> None:
        super().__init__()
        parts = ["stem", *(f"res{k}" for k in range(2, 2 + len(stages)))]
        stages = stages[: max(parts.index(name) for name in out_features)]
        self.stem, self._out_features, self._names, stride = stem, out_features, parts[1 : len(stages) + 1], stem.stride
        self._out_feature_channels, self._out_feature_strides = {"stem": stem.out_channels}, {"stem": stride}
        for name, blocks in zip(self._names, stages, strict=True):
            self.add_module(name, nn.Sequential(*blocks))
            for block in blocks:
                stride *= block.stride
            self._out_feature_channels[name], self._out_feature_strides[name] = blocks[-1].out_channels, stride
        for block in itertools.chain(*[[stem], *stages][:freeze_at]):
            block.freeze()

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        maps = {"stem": self.stem(x)}
        x = maps["stem"]
        for name in self._names:
            x = maps[name] = getattr(self, name)(x)
        return {name: maps[name] for name in self._out_features}


def make_resnet_stage(cfg, level: int) -> list:
    """The blocks of `res{level}` of the network that MODEL.RESNETS describes."""
    node, widening = cfg.MODEL.RESNETS, 2 ** (level - 2)
    count = _BLOCKS_PER_STAGE[node.DEPTH][level - 2]
    out_channels = node.RES2_OUT_CHANNELS * widening
    options = {"out_channels": out_channels, "norm": node.NORM}
    options["in_channels"] = node.STEM_OUT_CHANNELS if level == 2 else out_channels // 2
    options["stride_per_block"] = [1 if level == 2 else 2] + [1] * (count - 1)
    if node.DEPTH in (18, 34):
        assert node.RES2_OUT_CHANNELS == 64, "MODEL.RESNETS.RES2_OUT_CHANNELS must be 64 for ResNet-18 and 34"
        return make_stage(BasicBlock, count, **options)
    options |= {"bottleneck_channels": node.WIDTH_PER_GROUP * widening, "stride_in_1x1": node.STRIDE_IN_1X1}
    return make_stage(BottleneckBlock, count, **options)


@BACKBONE_REGISTRY.register()
def build_resnet_backbone(cfg, input_shape) -> ResNet:
    """The ResNet of MODEL.RESNETS, its first MODEL.BACKBONE.FREEZE_AT parts (stem, res2, ...) frozen."""
    node = cfg.MODEL.RESNETS
    stem = BasicStem(input_shape.channels, node.STEM_OUT_CHANNELS, node.NORM)
    stages = [make_resnet_stage(cfg, level) for level in range(2, 6)]
    return ResNet(stem, stages, node.OUT_FEATURES, cfg.MODEL.BACKBONE.FREEZE_AT)
