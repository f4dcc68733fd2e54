import math

from fvcore.nn.weight_init import c2_msra_fill, c2_xavier_fill
from torch import nn

from ...config import configurable
from ...layers import Conv2d, ShapeSpec, get_norm
from ...utils.registry import Registry

ROI_BOX_HEAD_REGISTRY = Registry("ROI_BOX_HEAD")


def build_box_head(cfg, input_shape) -> nn.Module:
    return ROI_BOX_HEAD_REGISTRY.get(cfg.MODEL.ROI_BOX_HEAD.NAME)(cfg, input_shape)


@ROI_BOX_HEAD_REGISTRY.register()
class FastRCNNConvFCHead(nn.Sequential):
    """3x3 convolutions, then fully-connected layers, each with ReLU."""

    @configurable
    def __init__(self, input_shape: ShapeSpec, *, conv_dims, fc_dims, conv_norm="") -> None:
        super().__init__()
        assert len(conv_dims) + len(fc_dims) > 0, "FastRCNNConvFCHead: no layers"
        size = (input_shape.channels, input_shape.height, input_shape.width)
        for k, dim in enumerate(conv_dims, 1):
            norm = get_norm(conv_norm, dim)
            conv = Conv2d(size[0], dim, 3, padding=1, bias=not conv_norm, norm=norm, activation=nn.ReLU())
            self.add_module(f"conv{k}", conv)
            size = (dim, *size[1:])
        for k, dim in enumerate(fc_dims, 1):
            if k == 1:
                self.add_module("flatten", nn.Flatten())
            self.add_module(f"fc{k}", nn.Linear(math.prod(size), dim))
            self.add_module(f"fc_relu{k}", nn.ReLU())
            size = (dim,)
        self._output_shape = ShapeSpec(**dict(zip(("channels", "height", "width"), size, strict=False)))
        for layer in self:
            if isinstance(layer, nn.Conv2d):
                c2_msra_fill(layer)
            elif isinstance(layer, nn.Linear):
                c2_xavier_fill(layer)

    @classmethod
    def from_config(cls, cfg, input_shape):
        head = cfg.MODEL.ROI_BOX_HEAD
        dims = {"conv_dims": [head.CONV_DIM] * head.NUM_CONV, "fc_dims": [head.FC_DIM] * head.NUM_FC}
        return {"input_shape": input_shape, **dims, "conv_norm": head.NORM}

    @property
    def output_shape(self) -> ShapeSpec:
        return self._output_shape
