"""The same identity branch on a ResNet's fifth stage ("C4" models), as OIM has it."""

from collections.abc import Sequence

from detectron2.config import CfgNode, configurable
from detectron2.layers import ShapeSpec
from detectron2.modeling.roi_heads import ROI_HEADS_REGISTRY, Res5ROIHeads
from torch import Tensor, nn

from inet_d2.modeling.roi_heads.identity_branch import IdentityBranch
from inet_d2.modeling.roi_heads.point_pooling import largest_of_points


@ROI_HEADS_REGISTRY.register()
class INetRes5ROIHeads(IdentityBranch, Res5ROIHeads):
    """Regions of 14 x 14 pass the fifth stage and are averaged; detection and embedding share the result.

    Args:
        pooling: what is made of the fifth stage's points, "mean" or "max".
        **kwargs: arguments of :class:`IdentityBranch` and of ``Res5ROIHeads``.

    Raises:
        ValueError: ``pooling`` is neither.

    Source: Xiao et al. 2017 (arXiv 1604.01850v3), model structure, with the whole fifth stage after pooling.
    """

    @configurable
    def __init__(self, *, pooling: str = "mean", **kwargs: object) -> None:
        super().__init__(**kwargs)
        if pooling not in ("mean", "max"):
            raise ValueError(f'MODEL.ROI_BOX_HEAD.POOLING: expected "mean" or "max", found "{pooling}".')
        self.pooling = pooling

    @classmethod
    def from_config(cls, cfg: CfgNode, input_shape: dict[str, ShapeSpec]) -> dict:
        """Arguments of the parents, and MODEL.ROI_BOX_HEAD.POOLING.

        Raises:
            ValueError: MODEL.ROI_REID_HEAD.SEPARATE_FC is set; there is no box head to repeat.
        """
        if cfg.MODEL.ROI_REID_HEAD.SEPARATE_FC:
            raise ValueError("MODEL.ROI_REID_HEAD.SEPARATE_FC: INetRes5ROIHeads has no box head; set it to False.")
        return {**super().from_config(cfg, input_shape), "pooling": cfg.MODEL.ROI_BOX_HEAD.POOLING}

    @classmethod
    def region_feature_shape(cls, cfg: CfgNode, arguments: dict) -> ShapeSpec:
        """The fifth stage's channels."""
        # Each stage of a ResNet has twice the channels of the one before it.
        return ShapeSpec(channels=cfg.MODEL.RESNETS.RES2_OUT_CHANNELS * 2**3)

    @property
    def region_pooler(self) -> tuple[nn.Module, Sequence[str]]:
        """That of the fourth stage's map."""
        return self.pooler, self.in_features

    def region_features(self, pooled: Tensor) -> Tensor:
        """The fifth stage's output, one number for each channel."""
        return self.pool_points(self.res5(pooled))

    def pool_points(self, maps: Tensor) -> Tensor:
        """(R, C, H, W) -> (R, C), the mean or the maximum over the points."""
        return maps.mean(dim=(2, 3)) if self.pooling == "mean" else largest_of_points(maps)
