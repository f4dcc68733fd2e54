from abc import ABCMeta, abstractmethod

from torch import Tensor, nn

from ...layers import ShapeSpec
from ...utils.registry import Registry

BACKBONE_REGISTRY = Registry("BACKBONE")


class Backbone(nn.Module, metaclass=ABCMeta):
    """Turns images (N, C, H, W) into named feature maps.

    Subclasses set `_out_features` and, by name, `_out_feature_channels` and `_out_feature_strides`.
    """

    size_divisibility = 0

    @property
    def padding_constraints(self) -> dict[str, int]:
        return {}

    @abstractmethod
    def forward(self, x: Tensor) -> dict[str, Tensor]: ...

    def output_shape(self) -> dict[str, ShapeSpec]:
        channels, strides = self._out_feature_channels, self._out_feature_strides
        return {name: ShapeSpec(channels=channels[name], stride=strides[name]) for name in self._out_features}


def build_backbone(cfg, input_shape=None) -> Backbone:
    input_shape = input_shape or ShapeSpec(channels=len(cfg.MODEL.PIXEL_MEAN))
    backbone = BACKBONE_REGISTRY.get(cfg.MODEL.BACKBONE.NAME)(cfg, input_shape)
    assert isinstance(backbone, Backbone), f"{cfg.MODEL.BACKBONE.NAME}: {type(backbone)} is not a Backbone"
    return backbone
