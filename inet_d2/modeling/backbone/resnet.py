"""Detectron2's ResNet with live batch norms, as NAE and SeqNet train it."""

from detectron2.config import CfgNode
from detectron2.layers import ShapeSpec
from detectron2.modeling import BACKBONE_REGISTRY, Backbone
from detectron2.modeling.backbone import build_resnet_backbone


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
