"""Region proposals. N images, A anchors per point of a map, R anchors per image, r of them on one level."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...config import configurable
from ...layers import Conv2d, cat
from ...structures import Boxes, Instances, pairwise_iou
from ...utils.events import get_event_storage
from ...utils.registry import Registry
from ..anchor_generator import build_anchor_generator
from ..box_regression import Box2BoxTransform, box_regression_loss
from ..matcher import Matcher
from ..sampling import subsample_labels
from .proposal_utils import find_top_rpn_proposals

PROPOSAL_GENERATOR_REGISTRY, RPN_HEAD_REGISTRY = Registry("PROPOSAL_GENERATOR"), Registry("RPN_HEAD")


def build_proposal_generator(cfg, input_shape):
    """The generator that MODEL.PROPOSAL_GENERATOR.NAME names; None for "PrecomputedProposals"."""
    name = cfg.MODEL.PROPOSAL_GENERATOR.NAME
    return None if name == "PrecomputedProposals" else PROPOSAL_GENERATOR_REGISTRY.get(name)(cfg, input_shape)


def build_rpn_head(cfg, input_shape) -> nn.Module:
    return RPN_HEAD_REGISTRY.get(cfg.MODEL.RPN.HEAD_NAME)(cfg, input_shape)


@RPN_HEAD_REGISTRY.register()
class StandardRPNHead(nn.Module):
    """A 3x3 convolution, then 1x1 ones to objectness and deltas."""

    @configurable
    def __init__(self, *, in_channels: int, num_anchors: int, box_dim: int = 4) -> None:
        super().__init__()
        self.conv = Conv2d(in_channels, in_channels, kernel_size=3, padding=1, activation=nn.ReLU())
        self.objectness_logits = nn.Conv2d(in_channels, num_anchors, kernel_size=1)
        self.anchor_deltas = nn.Conv2d(in_channels, num_anchors * box_dim, kernel_size=1)
        for layer in (self.conv, self.objectness_logits, self.anchor_deltas):
            nn.init.normal_(layer.weight, std=0.01)
            nn.init.zeros_(layer.bias)

    @classmethod
    def from_config(cls, cfg, input_shape):
        generator = build_anchor_generator(cfg, input_shape)
        channels, anchors = {shape.channels for shape in input_shape}, set(generator.num_anchors)
        assert len(channels) == len(anchors) == 1, (
            f"RPN: expected one number on all levels, found {channels} channels, {anchors} anchors"
        )
        return {"in_channels": channels.pop(), "num_anchors": anchors.pop(), "box_dim": generator.box_dim}

    def forward(self, features: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        hidden = [self.conv(x) for x in features]
        return [self.objectness_logits(x) for x in hidden], [self.anchor_deltas(x) for x in hidden]


@PROPOSAL_GENERATOR_REGISTRY.register()
class RPN(nn.Module):
    """Region proposal network. `pre_nms_topk` and `post_nms_topk` are numbers for (training, test)."""

    @configurable
    def __init__(self, *, in_features, head, anchor_generator, anchor_matcher, box2box_transform, batch_size_per_image,
                 positive_fraction, pre_nms_topk, post_nms_topk, nms_thresh=0.7, min_box_size=0.0, loss_weight=None,
                 smooth_l1_beta=0.0) -> None:  # fmt: skip
        super().__init__()
        self.in_features, self.rpn_head, self.anchor_generator = in_features, head, anchor_generator
        self.anchor_matcher, self.box2box_transform = anchor_matcher, box2box_transform
        self.batch_size_per_image, self.positive_fraction = batch_size_per_image, positive_fraction
        self.pre_nms_topk = dict(zip((True, False), pre_nms_topk, strict=True))
        self.post_nms_topk = dict(zip((True, False), post_nms_topk, strict=True))
        self.nms_thresh, self.min_box_size = nms_thresh, float(min_box_size)
        self.smooth_l1_beta, self.loss_weight = smooth_l1_beta, loss_weight or {}

    @classmethod
    def from_config(cls, cfg, input_shape):
        rpn = cfg.MODEL.RPN
        shapes = [input_shape[name] for name in rpn.IN_FEATURES]
        box_weight = rpn.BBOX_REG_LOSS_WEIGHT * rpn.LOSS_WEIGHT
        return {
            "in_features": rpn.IN_FEATURES, "head": build_rpn_head(cfg, shapes),
            "anchor_generator": build_anchor_generator(cfg, shapes),
            "anchor_matcher": Matcher(rpn.IOU_THRESHOLDS, rpn.IOU_LABELS, allow_low_quality_matches=True),
            "box2box_transform": Box2BoxTransform(weights=rpn.BBOX_REG_WEIGHTS),
            "batch_size_per_image": rpn.BATCH_SIZE_PER_IMAGE, "positive_fraction": rpn.POSITIVE_FRACTION,
            "pre_nms_topk": (rpn.PRE_NMS_TOPK_TRAIN, rpn.PRE_NMS_TOPK_TEST),
            "post_nms_topk": (rpn.POST_NMS_TOPK_TRAIN, rpn.POST_NMS_TOPK_TEST),
            "nms_thresh": rpn.NMS_THRESH, "min_box_size": cfg.MODEL.PROPOSAL_GENERATOR.MIN_SIZE,
            "loss_weight": {"loss_rpn_cls": rpn.LOSS_WEIGHT, "loss_rpn_loc": box_weight},
            "smooth_l1_beta": rpn.SMOOTH_L1_BETA,
        }  # fmt: skip

    @torch.no_grad()
    def label_and_sample_anchors(self, anchors: list[Boxes], gt_instances: list[Instances]):
        """Per image: labels (R,) of 1, 0 or -1 (unused), and the matched ground-truth boxes (R, 4)."""
        anchors = Boxes.cat(anchors)
        all_labels, matched_boxes = [], []
        for instances in gt_instances:
            gt_boxes = instances.gt_boxes
            matches, labels = self.anchor_matcher(pairwise_iou(gt_boxes, anchors))
            positive, negative = subsample_labels(labels, self.batch_size_per_image, self.positive_fraction, 0)
            sampled = torch.full_like(labels, -1)
            sampled[positive], sampled[negative] = 1, 0
            all_labels.append(sampled)
            matched_boxes.append(gt_boxes[matches].tensor if len(gt_boxes) else torch.zeros_like(anchors.tensor))
        return all_labels, matched_boxes

    def losses(self, anchors, pred_objectness_logits, gt_labels, pred_anchor_deltas, gt_boxes) -> dict[str, Tensor]:
        """Losses per anchor of the batch (`batch_size_per_image` times N), however many were sampled."""
        labels = torch.stack(gt_labels)
        positive, valid = labels == 1, labels >= 0
        storage = get_event_storage()
        storage.put_scalar("rpn/num_pos_anchors", positive.sum().item() / len(labels))
        storage.put_scalar("rpn/num_neg_anchors", (labels == 0).sum().item() / len(labels))
        source = Boxes.cat(anchors).tensor.expand(len(labels), -1, -1)[positive]
        deltas, target = cat(pred_anchor_deltas, dim=1)[positive], torch.stack(gt_boxes)[positive]
        loc = box_regression_loss(self.box2box_transform, deltas, source, target, self.smooth_l1_beta)
        logits = cat(pred_objectness_logits, dim=1)[valid]
        cls = F.binary_cross_entropy_with_logits(logits, labels[valid].to(torch.float32), reduction="sum")
        losses = {"loss_rpn_cls": cls, "loss_rpn_loc": loc}
        normalizer = self.batch_size_per_image * len(labels)
        return {name: loss / normalizer * self.loss_weight.get(name, 1.0) for name, loss in losses.items()}

    def forward(self, images, features, gt_instances=None):
        """Proposals (Instances with proposal_boxes, objectness_logits) per image, and losses in training."""
        if self.training and gt_instances is None:
            raise ValueError("RPN: expected gt_instances in training, found None")
        levels = [features[name] for name in self.in_features]
        anchors, predicted = self.anchor_generator(levels), self._predict(levels)
        losses = self._training_losses(anchors, *predicted, gt_instances) if self.training else {}
        return self.predict_proposals(anchors, *predicted, images.image_sizes), losses

    def _predict(self, levels: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """Logits (N, r) and deltas (N, r, 4) per level, in the order of its anchors: row, column, cell anchor."""
        box_dim, (logits, deltas) = self.anchor_generator.box_dim, self.rpn_head(levels)
        deltas = [x.unflatten(1, (-1, box_dim)).permute(0, 3, 4, 1, 2).flatten(1, 3) for x in deltas]
        return [x.permute(0, 2, 3, 1).flatten(1) for x in logits], deltas

    def _training_losses(self, anchors, logits, deltas, gt_instances) -> dict[str, Tensor]:
        labels, matched = self.label_and_sample_anchors(anchors, gt_instances)
        return self.losses(anchors, logits, labels, deltas, matched)

    @torch.no_grad()
    def predict_proposals(self, anchors, pred_objectness_logits, pred_anchor_deltas, image_sizes):
        levels, apply = zip(anchors, pred_anchor_deltas, strict=True), self.box2box_transform.apply_deltas
        boxes = [apply(x.flatten(0, 1), a.tensor.repeat(len(x), 1)).view_as(x) for a, x in levels]
        topk = (self.pre_nms_topk[self.training], self.post_nms_topk[self.training])
        options = (image_sizes, self.nms_thresh, *topk, self.min_box_size, self.training)
        return find_top_rpn_proposals(boxes, pred_objectness_logits, *options)
