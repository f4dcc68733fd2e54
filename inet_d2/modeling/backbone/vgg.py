"""VGG16 up to conv5_3 as a Detectron2 backbone, with a width, a norm and a stride option."""

import torch.nn.functional as F
from detectron2.config import CfgNode
from detectron2.layers import Conv2d, FrozenBatchNorm2d, ShapeSpec, get_norm
from detectron2.modeling import BACKBONE_REGISTRY, Backbone
from fvcore.nn.weight_init import c2_msra_fill
from torch import Tensor, nn

# Channels of the five stacks and the number of 3x3 convolutions in each (Simonyan and Zisserman, configuration D).
CHANNELS = (64, 128, 256, 512, 512)
DEPTHS = (2, 2, 3, 3, 3)


class VGG16(Backbone):
    """conv1_1 to conv5_3; the last convolution of stack s is the feature ``conv{s}_{depth}``.

    Args:
        in_channels: channels of the image.
        out_features: names of the features wanted, for example ``["conv5_3"]``.
        width_factor: multiplies every stack's channels; the product must be a whole number.
        norm: "" for none, or a name that Detectron2's ``get_norm`` knows.
        stride: 16, or 8 to leave out the fourth pooling.
        freeze_at: number of stacks, from the first, that do not learn.

    Raises:
        ValueError: an option is out of its range; the message names the configuration key.
    """

    def __init__(
        self,
        *,
        in_channels: int,
        out_features: list[str],
        width_factor: float = 1.0,
        norm: str = "",
        stride: int = 16,
        freeze_at: int = 0,
    ) -> None:
        super().__init__()
        widths = [channels * width_factor for channels in CHANNELS]
        _check_options(widths, norm, stride, freeze_at)
        self._out_features = list(out_features)
        self._out_feature_channels = {}
        self._out_feature_strides = {}
        self._pool_before = {1, 2, 3, 4} if stride == 16 else {1, 2, 3}
        current_stride = 1
        for index, (width, depth) in enumerate(zip(widths, DEPTHS, strict=True)):
            current_stride *= 2 if index in self._pool_before else 1
            self.add_module(f"stack{index + 1}", _make_stack(index + 1, in_channels, int(width), depth, norm))
            in_channels = int(width)
            name = f"conv{index + 1}_{depth}"
            self._out_feature_channels[name] = in_channels
            self._out_feature_strides[name] = current_stride
        unknown = [name for name in out_features if name not in self._out_feature_channels]
        if unknown or not out_features:
            raise ValueError(
                f"VGG16: out_features must be chosen from {sorted(self._out_feature_channels)}, found {out_features}."
            )
        self._freeze(freeze_at)

    def _freeze(self, freeze_at: int) -> None:
        for index in range(freeze_at):
            stack = getattr(self, f"stack{index + 1}")
            stack.requires_grad_(False)
            FrozenBatchNorm2d.convert_frozen_batchnorm(stack)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """Map (N, C, H, W) normalised images to ``{name: (N, channels, H / stride, W / stride)}``."""
        outputs = {}
        for index, depth in enumerate(DEPTHS):
            if index in self._pool_before:
                x = F.max_pool2d(x, kernel_size=2, stride=2)
            x = getattr(self, f"stack{index + 1}")(x)
            name = f"conv{index + 1}_{depth}"
            if name in self._out_features:
                outputs[name] = x
        return outputs


def _make_stack(number: int, in_channels: int, width: int, depth: int, norm: str) -> nn.Sequential:
    stack = nn.Sequential()
    for position in range(depth):
        conv = Conv2d(
            in_channels if position == 0 else width,
            width,
            kernel_size=3,
            padding=1,
            bias=not norm,
            norm=get_norm(norm, width),
            activation=nn.ReLU(inplace=True),
        )
        c2_msra_fill(conv)
        stack.add_module(f"conv{number}_{position + 1}", conv)
    return stack


def _check_options(widths: list[float], norm: str, stride: int, freeze_at: int) -> None:
    try:
        get_norm(norm, 32)
    except KeyError:
        raise ValueError(f'MODEL.VGG.NORM: expected "", "GN", "BN", "SyncBN" or "FrozenBN", found "{norm}".') from None
    if any(width < 1 or width != int(width) for width in widths):
        raise ValueError(
            f"MODEL.VGG.WIDTH_FACTOR: every stack needs a whole number of channels, found {widths}; "
            "use a multiple of 1/64."
        )
    if norm == "GN" and any(width % 32 for width in widths):
        raise ValueError(
            f'MODEL.VGG.NORM: "GN" has 32 groups and needs multiples of 32 channels, but MODEL.VGG.WIDTH_FACTOR '
            f"gives {[int(width) for width in widths]}; use a factor of 0.5 or more, or another norm."
        )
    if stride not in (8, 16):
        raise ValueError(f"MODEL.VGG.STRIDE: expected 8 or 16, found {stride}.")
    if not 0 <= freeze_at <= len(DEPTHS):
        raise ValueError(f"MODEL.BACKBONE.FREEZE_AT: VGG16 has stacks 1 to {len(DEPTHS)}, found {freeze_at}.")


@BACKBONE_REGISTRY.register()
def build_vgg16_backbone(cfg: CfgNode, input_shape: ShapeSpec) -> VGG16:
    """Build :class:`VGG16` from MODEL.VGG and MODEL.BACKBONE.FREEZE_AT."""
    return VGG16(
        in_channels=input_shape.channels,
        out_features=sorted({*cfg.MODEL.RPN.IN_FEATURES, *cfg.MODEL.ROI_HEADS.IN_FEATURES}),
        width_factor=cfg.MODEL.VGG.WIDTH_FACTOR,
        norm=cfg.MODEL.VGG.NORM,
        stride=cfg.MODEL.VGG.STRIDE,
        freeze_at=cfg.MODEL.BACKBONE.FREEZE_AT,
    )
