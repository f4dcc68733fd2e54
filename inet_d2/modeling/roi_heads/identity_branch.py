"""The identity branch of ROI heads, for any of Detectron2's that pools regions and has a box predictor."""

from collections.abc import Callable, Sequence

import torch
from detectron2.config import CfgNode, configurable
from detectron2.layers import ShapeSpec
from detectron2.structures import Boxes, ImageList, Instances
from detectron2.utils.events import get_event_storage
from torch import Tensor, nn
from torchvision.ops import RoIPool

from inet_d2.modeling.identity.losses import IdentityLosses
from inet_d2.modeling.precision import at_least_float32
from inet_d2.modeling.roi_heads.region_pids import keep_shared_people, label_regions
from inet_d2.modeling.roi_heads.reid_head import EmbeddingHead, build_reid_head

# Detectron2's log shows medians of 20 iterations; every fifth of these is enough, and the last one is among them.
_STATISTICS_PERIOD = 5

Embed = Callable[[Tensor | slice], Tensor]
"""Embeds a choice of regions: rows -> (n, D) float, unit length."""


class IdentityBranch:
    """Mix-in that gives ROI heads embeddings and identity losses on the features of the box branch.

    List it before one of Detectron2's ROI heads with a ``box_predictor``, and implement the three hooks at the
    end: :meth:`region_feature_shape`, :attr:`region_pooler` and :meth:`region_features`.

    Args:
        reid_head: makes embeddings of regions, see ``ROI_REID_HEAD_REGISTRY``.
        identity_losses: the losses that are switched on, with their state.
        person_iou, background_iou: see :func:`label_regions`.
        pool_final_box: in testing, embed the regressed box instead of the proposal.
        **kwargs: arguments of the ROI heads.
    """

    @configurable
    def __init__(
        self,
        *,
        reid_head: nn.Module,
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
        """Arguments of the ROI heads, and the keys under MODEL.ROI_REID_HEAD.

        Raises:
            ValueError: keys contradict each other; the message names them.
        """
        _check_options(cfg)
        ret = super().from_config(cfg, input_shape)
        reid = cfg.MODEL.ROI_REID_HEAD
        resolution = cfg.MODEL.ROI_BOX_HEAD.POOLER_RESOLUTION
        channels = input_shape[cfg.MODEL.ROI_HEADS.IN_FEATURES[0]].channels
        ret["reid_head"] = build_reid_head(
            cfg,
            pooled_shape=ShapeSpec(channels=channels, height=resolution, width=resolution),
            feature_shape=cls.region_feature_shape(cfg, ret),
        )
        ret["identity_losses"] = IdentityLosses(cfg)
        ret["person_iou"] = reid.PERSON_IOU
        ret["background_iou"] = reid.BACKGROUND_IOU
        ret["pool_final_box"] = reid.POOL_FINAL_BOX
        _check_embedding(reid.EMBEDDING, has_losses=len(ret["identity_losses"].terms) > 0)
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
            images: the batch; in training images 2i and 2i + 1 are a pair, if a loss needs pairs.
            features: feature maps by name.
            proposals: per image, ``proposal_boxes`` and ``objectness_logits``.
            targets: per image, ``gt_boxes``, ``gt_classes`` and ``gt_pids`` (training only).

        Returns:
            Training: ``(sampled regions, losses)``. Testing: ``(detections, {})``; detections have ``pred_boxes``,
            ``scores``, ``pred_classes`` and ``pred_embeddings`` (n, D), unit length.
        """
        if not self.training:
            return self._detect(features, proposals), {}
        sampled = self.sample_regions(proposals, targets)
        predictions, embed = self.predict_regions(self.pool_regions(features, [x.proposal_boxes for x in sampled]))
        losses = self.box_predictor.losses(predictions, sampled)
        if len(self.identity_losses.terms) > 0:
            losses.update(self.compute_identity_losses(embed(slice(None)), sampled, targets))
        return sampled, losses

    def sample_regions(self, proposals: list[Instances], targets: list[Instances]) -> list[Instances]:
        """Detectron2's sampling; where a loss needs pairs, people whom both images share are put back."""
        sampled = self.label_and_sample_proposals(proposals, targets)
        return keep_shared_people(sampled, targets) if self.identity_losses.needs_pairs else sampled

    def compute_identity_losses(
        self,
        embeddings: Tensor,
        sampled: list[Instances],
        targets: list[Instances],
        *,
        identity_losses: IdentityLosses | None = None,
    ) -> dict[str, Tensor]:
        """Identity losses of sampled regions, by name; now and then their statistics go to the log.

        Args:
            embeddings: (R, D) float, unit length, of all images one after the other.
            sampled: what :meth:`sample_regions` returned.
            targets: per image, ``gt_boxes`` and ``gt_pids``.
            identity_losses: those of a further stage, with their own tables; by default the heads'.
        """
        pids = [
            label_regions(x, t, person_iou=self.person_iou, background_iou=self.background_iou)
            for x, t in zip(sampled, targets, strict=True)
        ]
        images = torch.cat([torch.full_like(x, image) for image, x in enumerate(pids)])
        storage = get_event_storage()
        shown = storage.iter == 0 or (storage.iter + 1) % _STATISTICS_PERIOD == 0
        compute = identity_losses or self.identity_losses
        losses, statistics = compute(embeddings, torch.cat(pids), images, with_statistics=shown)
        storage.put_scalars(**statistics)
        return losses

    def _detect(self, features: dict[str, Tensor], proposals: list[Instances]) -> list[Instances]:
        predictions, embed = self.predict_regions(self.pool_regions(features, [x.proposal_boxes for x in proposals]))
        detections, kept = self.box_predictor.inference(predictions, proposals)
        if self.pool_final_box:
            embeddings = self.embed_boxes(features, [x.pred_boxes for x in detections])
        else:
            # Only rows that became detections need an embedding.
            starts = torch.tensor([0, *(len(x) for x in proposals[:-1])]).cumsum(0).tolist()
            embeddings = embed(torch.cat([index + start for index, start in zip(kept, starts, strict=True)]))
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
        return self.embed_pooled(self.pool_regions(features, boxes))

    def embed_pooled(self, pooled: Tensor) -> Tensor:
        """Embed pooled regions: (R, C, H, W) -> (R, D) float, unit length."""
        needed = self.reid_head.needs_region_features
        return self.reid_head(pooled, self.region_features(pooled) if needed else None)

    def pool_regions(self, features: dict[str, Tensor], boxes: list[Boxes]) -> Tensor:
        """Pool regions.

        Args:
            features: feature maps by name.
            boxes: per image, in the network's frame.

        Returns:
            (R, C, H, W) float, all images one after the other.
        """
        pooler, names = self.region_pooler
        maps = [features[name] for name in names]
        if isinstance(pooler.level_poolers[0], RoIPool):
            # Autocast knows this pooling on GPUs only, and there makes it float32, too.
            maps = [at_least_float32(x) for x in maps]
        return pooler(maps, boxes)

    def predict_regions(self, pooled: Tensor) -> tuple[tuple[Tensor, Tensor], Embed]:
        """Predictions of pooled regions, and their embeddings on request.

        Args:
            pooled: (R, C, H, W) float.

        Returns:
            ``(predictions, embed)``: what the box predictor says of all regions, and a function that embeds a choice
            of them.
        """
        region_features = self.region_features(pooled)

        def embed(rows: Tensor | slice) -> Tensor:
            return self.reid_head(pooled[rows], region_features[rows])

        return self.box_predictor(region_features), embed

    def forward_with_given_boxes(self, features: dict[str, Tensor], instances: list[Instances]) -> list[Instances]:
        """Add ``pred_embeddings`` to instances that have ``pred_boxes`` (testing only)."""
        embeddings = self.embed_boxes(features, [x.pred_boxes for x in instances])
        for x, part in zip(instances, embeddings.split([len(x) for x in instances]), strict=True):
            x.pred_embeddings = part
        return instances

    def _load_from_state_dict(self, state_dict: dict[str, Tensor], prefix: str, *args: object) -> None:
        """Let weights with shared layers fill both heads (SEPARATE_FC): the same function of an image as was saved."""
        own, shared = f"{prefix}reid_head.fc.", f"{prefix}box_head."
        has_own_layers = isinstance(self.reid_head, EmbeddingHead) and self.reid_head.fc is not None
        if has_own_layers and not any(name.startswith(own) for name in state_dict):
            layers = [name for name in state_dict if name.startswith(shared)]
            state_dict.update({own + name.removeprefix(shared): state_dict[name] for name in layers})
        super()._load_from_state_dict(state_dict, prefix, *args)

    @classmethod
    def region_feature_shape(cls, cfg: CfgNode, arguments: dict) -> ShapeSpec:
        """Hook: what :meth:`region_features` will return.

        Args:
            cfg: configuration.
            arguments: what ``from_config`` of the ROI heads gave.

        Returns:
            A shape whose ``channels`` is F.
        """
        raise NotImplementedError

    @property
    def region_pooler(self) -> tuple[nn.Module, Sequence[str]]:
        """Hook: Detectron2's ``ROIPooler``, and the names of the maps that it pools from, the finest first."""
        raise NotImplementedError

    def region_features(self, pooled: Tensor) -> Tensor:
        """Hook: what the box predictor sees of (R, C, H, W) pooled regions, (R, F) float."""
        raise NotImplementedError


def _check_options(cfg: CfgNode) -> None:
    model, reid = cfg.MODEL, cfg.MODEL.ROI_REID_HEAD
    ignored = {
        "MODEL.MASK_ON": model.MASK_ON,
        "MODEL.KEYPOINT_ON": model.KEYPOINT_ON,
        "MODEL.ROI_BOX_HEAD.TRAIN_ON_PRED_BOXES": model.ROI_BOX_HEAD.TRAIN_ON_PRED_BOXES,
    }
    for key in [key for key, value in ignored.items() if value]:
        raise ValueError(f"{key}: expected False, found True; {model.ROI_HEADS.NAME} has no part that reads it.")
    if not reid.BACKGROUND_IOU <= reid.PERSON_IOU:
        raise ValueError(
            "MODEL.ROI_REID_HEAD: BACKGROUND_IOU must not exceed PERSON_IOU, found "
            f"{reid.BACKGROUND_IOU} and {reid.PERSON_IOU}."
        )


def _check_embedding(embedding: str, *, has_losses: bool) -> None:
    if embedding == "learned" and not has_losses:
        raise ValueError(
            'MODEL.ROI_REID_HEAD.EMBEDDING is "learned", but every identity loss is off; set the ENABLED key of one '
            '(OLP, HEP, OIM, ...), or EMBEDDING to "box_head".'
        )
    if embedding == "box_head" and has_losses:
        raise ValueError(
            'MODEL.ROI_REID_HEAD.EMBEDDING is "box_head", which no identity loss trains; set OLP.ENABLED, HEP.ENABLED '
            'and those of the other losses to False, or EMBEDDING to "learned".'
        )
