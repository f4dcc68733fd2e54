"""SeqNet: a detector's head first, and on the boxes that it finds a second head, which embeds and refines them."""

import copy

import torch
from detectron2.config import CfgNode, configurable
from detectron2.layers import ShapeSpec
from detectron2.modeling.roi_heads import ROI_HEADS_REGISTRY
from detectron2.modeling.roi_heads.fast_rcnn import fast_rcnn_inference_single_image
from detectron2.structures import Boxes, ImageList, Instances
from detectron2.utils.events import get_event_storage
from torch import Tensor, nn

from inet_d2.modeling.roi_heads.inet_res5_roi_heads import INetRes5ROIHeads
from inet_d2.modeling.roi_heads.nae_roi_heads import check_norm_aware
from inet_d2.modeling.roi_heads.norm_aware_head import NormAwareHead
from inet_d2.modeling.roi_heads.norm_scored_predictor import NormScoredOutputLayers


@ROI_HEADS_REGISTRY.register()
class SeqROIHeads(INetRes5ROIHeads):
    """Two heads in sequence, each with a fifth stage of its own.

    The first is Faster R-CNN's. Its boxes are the proposals of the second, which has NAE's embedding and corrects the
    boxes once more; a detection keeps the first head's score, and its embedding is that of the box before the second
    correction. The identity losses see the second head's regions.

    Args:
        reid_head: a norm-aware one.
        reid_res5: the second head's fifth stage.
        reid_predictor: the second head's box predictor.
        second_nms_thresh: IoU above which the lower-scored of two detections is dropped, after the second head.
        **kwargs: arguments of :class:`INetRes5ROIHeads`.

    Source: Li and Miao 2021, "Sequential End-to-end Network for Efficient Person Search" (arXiv 2103.10148), and its
    published code. There, testing is right for one image at a time; here, for any number.
    """

    @configurable
    def __init__(
        self,
        *,
        reid_head: NormAwareHead,
        reid_res5: nn.Module,
        reid_predictor: NormScoredOutputLayers,
        second_nms_thresh: float,
        **kwargs: object,
    ) -> None:
        super().__init__(reid_head=reid_head, **kwargs)
        self.reid_res5 = reid_res5
        self.reid_predictor = reid_predictor
        self.second_nms_thresh = second_nms_thresh

    @classmethod
    def from_config(cls, cfg: CfgNode, input_shape: dict[str, ShapeSpec]) -> dict:
        """Arguments of the parent, and MODEL.ROI_REID_HEAD.SECOND_STAGE.

        Raises:
            ValueError: keys ask for what these heads have not; the message names them.
        """
        ret = super().from_config(cfg, input_shape)
        check_norm_aware(ret["reid_head"], cls.__name__)
        if cfg.MODEL.ROI_REID_HEAD.POOL_FINAL_BOX:
            raise ValueError(
                "MODEL.ROI_REID_HEAD.POOL_FINAL_BOX is True, but SeqROIHeads embed the first head's boxes; "
                "set it to False."
            )
        second = cfg.MODEL.ROI_REID_HEAD.SECOND_STAGE
        # Both start from the same weights, as in the source.
        ret["reid_res5"] = copy.deepcopy(ret["res5"])
        ret["reid_predictor"] = NormScoredOutputLayers(cfg, cls.region_feature_shape(cfg, ret))
        ret["reid_predictor"].loss_weight = {"loss_box_reg": second.BBOX_REG_LOSS_WEIGHT}
        ret["second_nms_thresh"] = second.NMS_THRESH_TEST
        return ret

    def region_features(self, pooled: Tensor) -> Tensor:
        """What the second head sees: (R, F); given boxes pass this head alone."""
        return self.pool_points(self.reid_res5(pooled))

    def forward(
        self,
        images: ImageList,
        features: dict[str, Tensor],
        proposals: list[Instances],
        targets: list[Instances] | None = None,
    ) -> tuple[list[Instances], dict[str, Tensor]]:
        """Losses in training (those of the second head end in ``_second``), detections with embeddings in testing.

        Args, returned values: see :meth:`IdentityBranch.forward`; the sampled regions are the second head's.
        """
        if not self.training:
            return self._detect(features, proposals), {}
        sampled = self.sample_regions(proposals, targets)
        predictions = self._predict_first(features, sampled)
        losses = self.box_predictor.losses(predictions, sampled)
        refined = self._refine(predictions, sampled)

        with get_event_storage().name_scope("second"):
            sampled = self.sample_regions(refined, targets)
        pooled = self.pool_regions(features, [x.proposal_boxes for x in sampled])
        region_features = self.region_features(pooled)
        embeddings, logits = self.reid_head.embed_and_score(pooled, region_features)
        with get_event_storage().name_scope("second"):
            second = self.reid_predictor.losses(self.reid_predictor(region_features, logits), sampled)
        losses.update({f"{name}_second": loss for name, loss in second.items()})
        if len(self.identity_losses.terms) > 0:
            losses.update(self.compute_identity_losses(embeddings, sampled, targets))
        return sampled, losses

    def _load_from_state_dict(self, state_dict: dict[str, Tensor], prefix: str, *args: object) -> None:
        """Let weights with one fifth stage (ImageNet's, a first stage's) fill both, as the source begins."""
        own, shared = f"{prefix}reid_res5.", f"{prefix}res5."
        if not any(name.startswith(own) for name in state_dict):
            layers = [name for name in state_dict if name.startswith(shared)]
            state_dict.update({own + name.removeprefix(shared): state_dict[name] for name in layers})
        super()._load_from_state_dict(state_dict, prefix, *args)

    def _predict_first(self, features: dict[str, Tensor], proposals: list[Instances]) -> tuple[Tensor, Tensor]:
        pooled = self.pool_regions(features, [x.proposal_boxes for x in proposals])
        return self.box_predictor(self.pool_points(self.res5(pooled)))

    @torch.no_grad()
    def _refine(self, predictions: tuple[Tensor, Tensor], sampled: list[Instances]) -> list[Instances]:
        """The first head's boxes of all sampled regions, as proposals for the second."""
        proposals = []
        for boxes, regions in zip(self.box_predictor.predict_boxes(predictions, sampled), sampled, strict=True):
            refined = Boxes(boxes.detach())
            refined.clip(regions.image_size)
            # Only their order could matter to what follows, and nothing orders them.
            logits = boxes.new_zeros(len(boxes))
            proposals.append(Instances(regions.image_size, proposal_boxes=refined, objectness_logits=logits))
        return proposals

    def _detect(self, features: dict[str, Tensor], proposals: list[Instances]) -> list[Instances]:
        found, _ = self.box_predictor.inference(self._predict_first(features, proposals), proposals)
        for x in found:
            x.proposal_boxes = x.pred_boxes
        pooled = self.pool_regions(features, [x.proposal_boxes for x in found])
        region_features = self.region_features(pooled)
        embeddings, logits = self.reid_head.embed_and_score(pooled, region_features)
        boxes = self.reid_predictor.predict_boxes(self.reid_predictor(region_features, logits), found)
        parts = embeddings.split([len(x) for x in found])
        return [self._keep(*each) for each in zip(found, boxes, parts, strict=True)]

    def _keep(self, found: Instances, boxes: Tensor, embeddings: Tensor) -> Instances:
        """Detections of one image: the refined boxes that remain beside better ones."""
        scores = torch.stack([found.scores, 1 - found.scores], dim=1)
        options = (self.box_predictor.test_score_thresh, self.second_nms_thresh, self.box_predictor.test_topk_per_image)
        detections, rows = fast_rcnn_inference_single_image(boxes, scores, found.image_size, *options)
        detections.pred_embeddings = embeddings[rows]
        return detections
