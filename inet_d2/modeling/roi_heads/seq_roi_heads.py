"""SeqNet: a detector's head first, and on the boxes that it finds a second head, which embeds and refines them."""

import copy
from collections.abc import Callable, Sequence
from functools import partial

import torch
from detectron2.config import CfgNode, configurable
from detectron2.layers import ShapeSpec
from detectron2.modeling.roi_heads import ROI_HEADS_REGISTRY
from detectron2.modeling.roi_heads.fast_rcnn import FastRCNNOutputLayers, fast_rcnn_inference_single_image
from detectron2.structures import Boxes, ImageList, Instances
from detectron2.utils.events import get_event_storage
from torch import Tensor, nn

from inet_d2.modeling.roi_heads.inet_res5_roi_heads import INetRes5ROIHeads
from inet_d2.modeling.roi_heads.nae_roi_heads import check_norm_aware
from inet_d2.modeling.roi_heads.norm_aware_head import NormAwareHead
from inet_d2.modeling.roi_heads.norm_scored_predictor import NormScoredOutputLayers

Predictions = tuple[Tensor, Tensor]
"""Scores (R, 2) and deltas (R, 4) of a box predictor."""


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
        reid_head.score_by_length()
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
        refined, losses = self.train_first(features, proposals, targets)
        predict = partial(self.predict_second, features)
        sampled, embeddings, _, second = self.train_later("second", predict, self.reid_predictor, refined, targets)
        losses.update(second)
        if len(self.identity_losses.terms) > 0:
            losses.update(self.compute_identity_losses(embeddings, sampled, targets))
        return sampled, losses

    def train_first(
        self, features: dict[str, Tensor], proposals: list[Instances], targets: list[Instances]
    ) -> tuple[list[Instances], dict[str, Tensor]]:
        """The first head's boxes of sampled regions, as proposals for the second, and its losses."""
        sampled = self.sample_regions(proposals, targets)
        predictions = self._predict_first(features, sampled)
        losses = self.box_predictor.losses(predictions, sampled)
        return refined_proposals(self.box_predictor, predictions, sampled), losses

    def train_later(
        self,
        name: str,
        predict: Callable[[list[Instances]], tuple[Tensor, Predictions]],
        predictor: FastRCNNOutputLayers,
        proposals: list[Instances],
        targets: list[Instances],
    ) -> tuple[list[Instances], Tensor, Predictions, dict[str, Tensor]]:
        """A head that embeds and corrects the boxes of the one before it, in training.

        Args:
            name: ends the losses' names, and begins those of the statistics.
            predict: what the head makes of regions; see :meth:`predict_second`.
            predictor: the head's box predictor.
            proposals: boxes of the head before.
            targets: see :meth:`IdentityBranch.forward`.

        Returns:
            ``(sampled, embeddings, predictions, losses)``: regions sampled anew, what the head makes of them, and the
            losses of its predictions.
        """
        with get_event_storage().name_scope(name):
            sampled = self.sample_regions(proposals, targets)
        embeddings, predictions = predict(sampled)
        with get_event_storage().name_scope(name):
            losses = predictor.losses(predictions, sampled)
        return sampled, embeddings, predictions, {f"{key}_{name}": loss for key, loss in losses.items()}

    def predict_second(self, features: dict[str, Tensor], regions: list[Instances]) -> tuple[Tensor, Predictions]:
        """What the second head makes of ``proposal_boxes``: embeddings (R, D) of unit length, scores and deltas."""
        pooled = self.pool_regions(features, [x.proposal_boxes for x in regions])
        region_features = self.region_features(pooled)
        embeddings, logits = self.reid_head.embed_and_score(pooled, region_features)
        return embeddings, self.reid_predictor(region_features, logits)

    def detect_first(self, features: dict[str, Tensor], proposals: list[Instances]) -> list[Instances]:
        """The first head's detections, which are proposals too."""
        found, _ = self.box_predictor.inference(self._predict_first(features, proposals), proposals)
        for x in found:
            x.proposal_boxes = x.pred_boxes
        return found

    def keep_corrected(self, found: list[Instances], boxes: Sequence[Tensor], embeddings: Tensor) -> list[Instances]:
        """Detections with corrected boxes, without those that now overlap a better one.

        Args:
            found: what :meth:`detect_first` returned; its scores stay.
            boxes: per image, (n, 4) float.
            embeddings: (R, D) float, all images one after the other.
        """
        parts = embeddings.split([len(x) for x in found])
        return [self._keep(*each) for each in zip(found, boxes, parts, strict=True)]

    def _load_from_state_dict(self, state_dict: dict[str, Tensor], prefix: str, *args: object) -> None:
        """Let weights with one fifth stage (ImageNet's, a first stage's) fill both, as the source begins."""
        own, shared = f"{prefix}reid_res5.", f"{prefix}res5."
        if not any(name.startswith(own) for name in state_dict):
            layers = [name for name in state_dict if name.startswith(shared)]
            state_dict.update({own + name.removeprefix(shared): state_dict[name] for name in layers})
        super()._load_from_state_dict(state_dict, prefix, *args)

    def _predict_first(self, features: dict[str, Tensor], proposals: list[Instances]) -> Predictions:
        pooled = self.pool_regions(features, [x.proposal_boxes for x in proposals])
        return self.box_predictor(self.pool_points(self.res5(pooled)))

    def _detect(self, features: dict[str, Tensor], proposals: list[Instances]) -> list[Instances]:
        found = self.detect_first(features, proposals)
        embeddings, predictions = self.predict_second(features, found)
        return self.keep_corrected(found, self.reid_predictor.predict_boxes(predictions, found), embeddings)

    def _keep(self, found: Instances, boxes: Tensor, embeddings: Tensor) -> Instances:
        """Detections of one image: the refined boxes that remain beside better ones."""
        scores = torch.stack([found.scores, 1 - found.scores], dim=1)
        options = (self.box_predictor.test_score_thresh, self.second_nms_thresh, self.box_predictor.test_topk_per_image)
        detections, rows = fast_rcnn_inference_single_image(boxes, scores, found.image_size, *options)
        detections.pred_embeddings = embeddings[rows]
        return detections


@torch.no_grad()
def refined_proposals(
    predictor: FastRCNNOutputLayers, predictions: Predictions, regions: list[Instances]
) -> list[Instances]:
    """A head's boxes of all its regions, clipped, as proposals for the next head."""
    proposals = []
    for boxes, given in zip(predictor.predict_boxes(predictions, regions), regions, strict=True):
        refined = Boxes(boxes.detach())
        refined.clip(given.image_size)
        # Only their order could matter to what follows, and nothing orders them.
        logits = boxes.new_zeros(len(boxes))
        proposals.append(Instances(given.image_size, proposal_boxes=refined, objectness_logits=logits))
    return proposals
