"""I-Net's ROI heads: Detectron2's box branch and, on the same pooled features, the identity branch."""

from detectron2.config import CfgNode
from detectron2.layers import ShapeSpec
from detectron2.modeling.roi_heads import ROI_HEADS_REGISTRY, StandardROIHeads
from detectron2.structures import Boxes
from torch import Tensor
from torchvision.ops import RoIPool

from inet_d2.modeling.precision import at_least_float32
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

    def pool_regions(self, features: dict[str, Tensor], boxes: list[Boxes]) -> Tensor:
        """Pool from the feature maps of the box branch."""
        maps = [features[name] for name in self.box_in_features]
        if isinstance(self.box_pooler.level_poolers[0], RoIPool):
            # Autocast knows this pooling on GPUs only, and there makes it float32, too.
            maps = [at_least_float32(x) for x in maps]
        return self.box_pooler(maps, boxes)

    def region_features(self, pooled: Tensor) -> Tensor:
        """The box head's output."""
        return self.box_head(pooled)
