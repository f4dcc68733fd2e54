"""Detectron2's Swin Transformer with a feature pyramid, chosen by yaml as the ResNets are.

Detectron2 has the network (Liu et al. 2021, arXiv 2103.14030) for its Python configurations only; this is the
registered builder that a yaml file needs.
"""

from detectron2 import modeling
from detectron2.config import CfgNode
from detectron2.layers import ShapeSpec
from detectron2.modeling import BACKBONE_REGISTRY, FPN
from detectron2.modeling.backbone.fpn import LastLevelMaxPool


@BACKBONE_REGISTRY.register()
def build_swin_fpn_backbone(cfg: CfgNode, input_shape: ShapeSpec) -> FPN:
    """Build p2 to p6 on the stages that MODEL.FPN.IN_FEATURES names, from MODEL.SWIN and MODEL.BACKBONE.FREEZE_AT.

    FREEZE_AT counts as for the ResNets: 1 is the patch embedding, k the patch embedding and k - 1 stages.

    Raises:
        NotImplementedError: the engine has no Swin Transformer.
        ValueError: a key of MODEL.SWIN, MODEL.FPN or MODEL.BACKBONE does not fit; the message names it.
    """
    node, freeze_at = cfg.MODEL.SWIN, cfg.MODEL.BACKBONE.FREEZE_AT
    stages, in_features = len(node.DEPTHS), list(cfg.MODEL.FPN.IN_FEATURES)
    _check_options(node, stages, in_features, freeze_at)
    # Looked up only now, since the module must import on an engine without this network.
    bottom_up = modeling.SwinTransformer(
        in_chans=input_shape.channels,
        embed_dim=node.EMBED_DIM,
        depths=node.DEPTHS,
        num_heads=node.NUM_HEADS,
        window_size=node.WINDOW_SIZE,
        drop_path_rate=node.DROP_PATH_RATE,
        out_indices=tuple(int(name[1:]) for name in in_features),
        frozen_stages=freeze_at or -1,
    )
    return FPN(bottom_up, in_features, cfg.MODEL.FPN.OUT_CHANNELS, cfg.MODEL.FPN.NORM, LastLevelMaxPool())


def _check_options(node: CfgNode, stages: int, in_features: list[str], freeze_at: int) -> None:
    if len(node.NUM_HEADS) != stages:
        raise ValueError(
            f"MODEL.SWIN.NUM_HEADS: expected one number for each of the {stages} stages in MODEL.SWIN.DEPTHS, "
            f"found {tuple(node.NUM_HEADS)}."
        )
    widths = [node.EMBED_DIM * 2**stage for stage in range(stages)]
    if any(width % heads for width, heads in zip(widths, node.NUM_HEADS, strict=True)):
        raise ValueError(
            f"MODEL.SWIN.NUM_HEADS: {tuple(node.NUM_HEADS)} must divide the stages' channels {widths}, which "
            "MODEL.SWIN.EMBED_DIM gives."
        )
    names = [f"p{stage}" for stage in range(stages)]
    first = names.index(in_features[0]) if in_features and in_features[0] in names else 0
    if not in_features or in_features != names[first : first + len(in_features)]:
        raise ValueError(f"MODEL.FPN.IN_FEATURES: expected successive stages out of {names}, found {in_features}.")
    if not 0 <= freeze_at <= stages + 1:
        raise ValueError(f"MODEL.BACKBONE.FREEZE_AT: expected 0 to {stages + 1}, found {freeze_at}.")
