import math

from fvcore.nn.weight_init import c2_xavier_fill
from torch import nn

from ..._lite import unsupported
from ...config import configurable
from ...layers import ShapeSpec
from ...utils.registry import Registry

ROI_BOX_HEAD_REGISTRY = Registry("ROI_BOX_HEAD")


def build_box_head(cfg, input_shape) -> nn.Module:
    return ROI_BOX_HEAD_REGISTRY.get(cfg.MODEL.ROI_BOX_HEAD.NAME)(cfg, input_shape)


@ROI_BOX_HEAD_REGISTRY.register()
class FastRCNNConvFCHead(nn.Sequential):
    """Fully-connected layers, each with ReLU."""

    @configurable
    def __init__(self, input_shape: ShapeSpec, *, conv_dims: list[int], fc_dims: list[int], conv_norm="") -> None:
        super().__init__()
        if conv_dims:
            unsupported("FastRCNNConvFCHead with convolutions (ROI_BOX_HEAD.NUM_CONV)")
        assert fc_dims, "FastRCNNConvFCHead: no layers (ROI_BOX_HEAD.NUM_FC is 0)"
        self.add_module("flatten", nn.Flatten())
        size = math.prod((input_shape.channels, input_shape.height, input_shape.width))
        for k, dim in enumerate(fc_dims, 1):
            self.add_module(f"fc{k}", nn.Linear(size, dim))
            self.add_module(f"fc_relu{k}", nn.ReLU())
            size = dim
        self.output_shape = ShapeSpec(channels=size)
        for layer in self:
            if isinstance(layer, nn.Linear):
                c2_xavier_fill(layer)

    @classmethod
    def from_config(cls, cfg, input_shape):
        head = cfg.MODEL.ROI_BOX_HEAD
        dims = {"conv_dims": [head.CONV_DIM] * head.NUM_CONV, "fc_dims": [head.FC_DIM] * head.NUM_FC}
        return {"input_shape": input_shape, **dims, "conv_norm": head.NORM}
