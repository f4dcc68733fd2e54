"""I-Net's ROI heads: Detectron2's box branch and, on the same pooled features, the identity branch."""

import torch
from detectron2.config import CfgNode, configurable
from detectron2.layers import ShapeSpec
from detectron2.modeling.roi_heads import ROI_HEADS_REGISTRY, StandardROIHeads
from detectron2.structures import Boxes, ImageList, Instances
from detectron2.utils.events import get_event_storage
from torch import Tensor

from inet_d2.modeling.identity_losses import IdentityLosses
from inet_d2.modeling.roi_heads.region_pids import keep_shared_people, label_regions
from inet_d2.modeling.roi_heads.reid_head import EmbeddingHead


@ROI_HEADS_REGISTRY.register()
class INetROIHeads(StandardROIHeads):
    """Detection and identity on the regions of image pairs.

    Args:
        reid_head: makes embeddings of pooled features.
        identity_losses: OLP, HEP or softmax, with the feature dictionary.
        person_iou, background_iou: see :func:`label_regions`.
        pool_final_box: in testing, embed the regressed box instead of the proposal.
        **kwargs: arguments of ``StandardROIHeads``.
    """

    @configurable
    def __init__(
        self,
        *,
        reid_head: EmbeddingHead,
        identity_losses: IdentityLosses,
        person_iou: float,
        background_iou: float,
        pool_final_box: bool,
        **kwargs: object,
    ) -> None:
        super().__init__(**kwargs)
        self.reid_head = reid_head
        self.identity_losses = identity_losses
        self.person_iou = person_iou
        self.background_iou = background_iou
        self.pool_final_box = pool_final_box

    @classmethod
    def from_config(cls, cfg: CfgNode, input_shape: dict[str, ShapeSpec]) -> dict:
        """Arguments of the parent, and the keys under MODEL.ROI_REID_HEAD."""
        ret = super().from_config(cfg, input_shape)
        reid = cfg.MODEL.ROI_REID_HEAD
        if not reid.BACKGROUND_IOU <= reid.PERSON_IOU:
            raise ValueError(
                "MODEL.ROI_REID_HEAD: BACKGROUND_IOU must not exceed PERSON_IOU, got "
                f"{reid.BACKGROUND_IOU} and {reid.PERSON_IOU}."
            )
        resolution = cfg.MODEL.ROI_BOX_HEAD.POOLER_RESOLUTION
        channels = input_shape[cfg.MODEL.ROI_HEADS.IN_FEATURES[0]].channels
        ret["reid_head"] = EmbeddingHead(
            cfg,
            pooled_shape=ShapeSpec(channels=channels, height=resolution, width=resolution),
            box_head_shape=ret["box_head"].output_shape,
        )
        ret["identity_losses"] = IdentityLosses(cfg)
        ret["person_iou"] = reid.PERSON_IOU
        ret["background_iou"] = reid.BACKGROUND_IOU
        ret["pool_final_box"] = reid.POOL_FINAL_BOX
        return ret

    def forward(
        self,
        images: ImageList,
        features: dict[str, Tensor],
        proposals: list[Instances],
        targets: list[Instances] | None = None,
    ) -> tuple[list[Instances], dict[str, Tensor]]:
        """Losses in training, detections with embeddings in testing.

        Args:
            images: the batch; in training images 2i and 2i + 1 are a pair.
            features: feature maps by name.
            proposals: per image, ``proposal_boxes`` and ``objectness_logits``.
            targets: per image, ``gt_boxes``, ``gt_classes`` and ``gt_pids`` (training only).

        Returns:
            Training: ``(sampled regions, losses)``. Testing: ``(detections, {})``; detections have ``pred_boxes``,
            ``scores``, ``pred_classes`` and ``pred_embeddings`` (n, D), unit length.
        """
        if not self.training:
            return self._detect(features, proposals), {}
        sampled = keep_shared_people(self.label_and_sample_proposals(proposals, targets), targets)
        pooled = self._pool(features, [x.proposal_boxes for x in sampled])
        box_features = self.box_head(pooled)
        losses = self.box_predictor.losses(self.box_predictor(box_features), sampled)
        losses.update(self._identity_losses(self.reid_head(pooled, box_features), sampled, targets))
        return sampled, losses

    def _identity_losses(
        self, embeddings: Tensor, sampled: list[Instances], targets: list[Instances]
    ) -> dict[str, Tensor]:
        pids = [
            label_regions(x, t, person_iou=self.person_iou, background_iou=self.background_iou)
            for x, t in zip(sampled, targets, strict=True)
        ]
        sizes = torch.tensor([len(x) for x in pids], device=embeddings.device)
        images = torch.arange(len(pids), device=embeddings.device).repeat_interleave(sizes)
        losses, statistics = self.identity_losses(embeddings, torch.cat(pids), images)
        get_event_storage().put_scalars(**statistics)
        return losses

    def _pool(self, features: dict[str, Tensor], boxes: list[Boxes]) -> Tensor:
        return self.box_pooler([features[name] for name in self.box_in_features], boxes)

    def _detect(self, features: dict[str, Tensor], proposals: list[Instances]) -> list[Instances]:
        pooled = self._pool(features, [x.proposal_boxes for x in proposals])
        box_features = self.box_head(pooled)
        detections, kept = self.box_predictor.inference(self.box_predictor(box_features), proposals)
        if self.pool_final_box:
            embeddings = self.embed_boxes(features, [x.pred_boxes for x in detections])
        else:
            # Only rows that became detections need an embedding.
            starts = torch.tensor([0, *(len(x) for x in proposals[:-1])]).cumsum(0).tolist()
            rows = torch.cat([index + start for index, start in zip(kept, starts, strict=True)])
            embeddings = self.reid_head(pooled[rows], box_features[rows])
        for instances, part in zip(detections, embeddings.split([len(x) for x in detections]), strict=True):
            instances.pred_embeddings = part
        return detections

    def embed_boxes(self, features: dict[str, Tensor], boxes: list[Boxes]) -> Tensor:
        """Embed given boxes: queries, annotated galleries, person crops.

        Args:
            features: feature maps by name.
            boxes: per image, in the network's frame.

        Returns:
            (R, D) float, unit length, all images one after the other.
        """
        pooled = self._pool(features, boxes)
        needs_box_head = self.reid_head.fc is None
        return self.reid_head(pooled, self.box_head(pooled) if needs_box_head else None)

    def forward_with_given_boxes(self, features: dict[str, Tensor], instances: list[Instances]) -> list[Instances]:
        """Add ``pred_embeddings`` to instances that have ``pred_boxes`` (testing only)."""
        embeddings = self.embed_boxes(features, [x.pred_boxes for x in instances])
        for x, part in zip(instances, embeddings.split([len(x) for x in instances]), strict=True):
            x.pred_embeddings = part
        return instances
