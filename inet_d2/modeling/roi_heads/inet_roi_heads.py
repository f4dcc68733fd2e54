"""I-Net's ROI heads: Detectron2's box branch and, on the same pooled features, the identity branch."""

from collections.abc import Sequence

from detectron2.config import CfgNode
from detectron2.layers import ShapeSpec
from detectron2.modeling.roi_heads import ROI_HEADS_REGISTRY, StandardROIHeads
from torch import Tensor, nn

from inet_d2.modeling.roi_heads.identity_branch import IdentityBranch


@ROI_HEADS_REGISTRY.register()
class INetROIHeads(IdentityBranch, StandardROIHeads):
    """Detection and identity on regions pooled from one feature map (VGG16) or several (FPN).

    The embedding is made of the box head's output, or of fully-connected layers of its own.

    Args:
        **kwargs: arguments of :class:`IdentityBranch` and of ``StandardROIHeads``.
    """

    @classmethod
    def region_feature_shape(cls, cfg: CfgNode, arguments: dict) -> ShapeSpec:
        """The box head's output."""
        return arguments["box_head"].output_shape

    @property
    def region_pooler(self) -> tuple[nn.Module, Sequence[str]]:
        """That of the box branch."""
        return self.box_pooler, self.box_in_features

    def region_features(self, pooled: Tensor) -> Tensor:
        """The box head's output."""
        return self.box_head(pooled)
