"""NAE: one head whose embedding also says whether a region is a person."""

from detectron2.config import CfgNode, configurable
from detectron2.layers import ShapeSpec
from detectron2.modeling.roi_heads import ROI_HEADS_REGISTRY
from torch import Tensor

from inet_d2.modeling.roi_heads.identity_branch import Embed
from inet_d2.modeling.roi_heads.inet_res5_roi_heads import INetRes5ROIHeads
from inet_d2.modeling.roi_heads.norm_aware_head import NormAwareHead
from inet_d2.modeling.roi_heads.norm_scored_predictor import NormScoredOutputLayers


@ROI_HEADS_REGISTRY.register()
class NAEROIHeads(INetRes5ROIHeads):
    """I-Net's heads on the fifth stage, with the norm-aware embedding in the place of the box classifier.

    A detection's embedding is that of its proposal. It has unit length; the score that NAE multiplies it with is the
    detection's own (``TEST.SEARCH.CONFIDENCE_WEIGHT``).

    Args:
        reid_head: a norm-aware one.
        **kwargs: arguments of :class:`INetRes5ROIHeads`.

    Source: Chen et al. 2020 (NAE), and its published code.
    """

    @configurable
    def __init__(self, *, reid_head: NormAwareHead, **kwargs: object) -> None:
        super().__init__(reid_head=reid_head, **kwargs)
        reid_head.score_by_length()

    @classmethod
    def from_config(cls, cfg: CfgNode, input_shape: dict[str, ShapeSpec]) -> dict:
        """Arguments of the parent, with the predictor that takes its scores from the norm.

        Raises:
            ValueError: MODEL.ROI_REID_HEAD.NAME is no norm-aware head.
        """
        ret = super().from_config(cfg, input_shape)
        check_norm_aware(ret["reid_head"], cls.__name__)
        ret["box_predictor"] = NormScoredOutputLayers(cfg, cls.region_feature_shape(cfg, ret))
        return ret

    def predict_regions(self, pooled: Tensor) -> tuple[tuple[Tensor, Tensor], Embed]:
        """Scores from the norms, and the embeddings that they are the norms of; see the parent."""
        region_features = self.region_features(pooled)
        embeddings, logits = self.reid_head.embed_and_score(pooled, region_features)
        return self.box_predictor(region_features, logits), embeddings.__getitem__


def check_norm_aware(reid_head: object, heads: str) -> None:
    """Refuse another embedding head.

    Raises:
        ValueError: ``reid_head`` is no :class:`NormAwareHead`.
    """
    if not isinstance(reid_head, NormAwareHead):
        raise ValueError(
            f'MODEL.ROI_REID_HEAD.NAME: expected "NormAwareHead" for MODEL.ROI_HEADS.NAME "{heads}", found '
            f'"{type(reid_head).__name__}".'
        )
