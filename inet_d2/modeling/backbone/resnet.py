"""Detectron2's ResNet with live batch norms, as NAE and SeqNet train it, and with a fifth stage of stride 1."""

from detectron2.config import CfgNode
from detectron2.layers import ShapeSpec
from detectron2.modeling import BACKBONE_REGISTRY, Backbone
from detectron2.modeling.backbone import build_resnet_backbone
from torch import nn


@BACKBONE_REGISTRY.register()
def build_resnet_backbone_fixed_stem(cfg: CfgNode, input_shape: ShapeSpec) -> Backbone:
    """A ResNet whose first convolution and the affine part of its batch norm do not learn.

    MODEL.BACKBONE.FREEZE_AT 1 would do the same, but also turn that batch norm into one with fixed statistics.

    Args:
        cfg: configuration, with MODEL.BACKBONE.FREEZE_AT 0.
        input_shape: of the images.

    Raises:
        ValueError: FREEZE_AT is not 0.
    """
    if cfg.MODEL.BACKBONE.FREEZE_AT != 0:
        raise ValueError(
            'MODEL.BACKBONE.NAME "build_resnet_backbone_fixed_stem" freezes the stem itself: expected '
            f"MODEL.BACKBONE.FREEZE_AT 0, found {cfg.MODEL.BACKBONE.FREEZE_AT}."
        )
    backbone = build_resnet_backbone(cfg, input_shape)
    for parameter in backbone.stem.parameters():
        parameter.requires_grad_(False)
    return backbone


@BACKBONE_REGISTRY.register()
def build_resnet_stride16_backbone(cfg: CfgNode, input_shape: ShapeSpec) -> Backbone:
    """A ResNet whose fifth stage keeps the size of the fourth, as re-identification has it (PCB, STA).

    MODEL.RESNETS.RES5_DILATION 2 has that stride too, but also spreads the filters; these weights are the same ones.

    Args:
        cfg: configuration, with "res5" in MODEL.RESNETS.OUT_FEATURES.
        input_shape: of the images.

    Raises:
        ValueError: there is no fifth stage.
    """
    backbone = build_resnet_backbone(cfg, input_shape)
    if not hasattr(backbone, "res5"):
        raise ValueError(
            'MODEL.BACKBONE.NAME "build_resnet_stride16_backbone": expected "res5" in MODEL.RESNETS.OUT_FEATURES, '
            f"found {list(cfg.MODEL.RESNETS.OUT_FEATURES)}."
        )
    for module in backbone.res5[0].modules():
        if isinstance(module, nn.Conv2d):
            module.stride = (1, 1)
    backbone.res5[0].stride = 1
    backbone._out_feature_strides["res5"] = backbone._out_feature_strides["res4"]
    return backbone
