import torch
from torch import Tensor, nn

from ..._lite import unsupported
from ...config import configurable
from ...layers import ShapeSpec
from ...structures import Instances, pairwise_iou
from ...utils.events import get_event_storage
from ...utils.registry import Registry
from ..matcher import Matcher
from ..poolers import ROIPooler
from ..proposal_generator.proposal_utils import add_ground_truth_to_proposals
from ..sampling import subsample_labels
from .box_head import build_box_head
from .fast_rcnn import FastRCNNOutputLayers

ROI_HEADS_REGISTRY = Registry("ROI_HEADS")


def build_roi_heads(cfg, input_shape) -> nn.Module:
    return ROI_HEADS_REGISTRY.get(cfg.MODEL.ROI_HEADS.NAME)(cfg, input_shape)


class ROIHeads(nn.Module):
    """Base of everything that works on proposals: matches them with the ground truth and samples some."""

    @configurable
    def __init__(
        self,
        *,
        num_classes,
        batch_size_per_image,
        positive_fraction,
        proposal_matcher,
        proposal_append_gt=True,
    ) -> None:
        super().__init__()
        self.num_classes, self.batch_size_per_image = num_classes, batch_size_per_image
        self.positive_fraction, self.proposal_matcher = positive_fraction, proposal_matcher
        self.proposal_append_gt = proposal_append_gt

    @classmethod
    def from_config(cls, cfg):
        heads = cfg.MODEL.ROI_HEADS
        return {
            "num_classes": heads.NUM_CLASSES, "batch_size_per_image": heads.BATCH_SIZE_PER_IMAGE,
            "positive_fraction": heads.POSITIVE_FRACTION, "proposal_append_gt": heads.PROPOSAL_APPEND_GT,
            "proposal_matcher": Matcher(heads.IOU_THRESHOLDS, heads.IOU_LABELS),
        }  # fmt: skip

    def _sample_proposals(self, matched_idxs: Tensor, matched_labels: Tensor, gt_classes: Tensor):
        """Rows to use, foreground first, and their classes (background = num_classes)."""
        if gt_classes.numel() > 0:
            classes = gt_classes[matched_idxs]
            classes[matched_labels == 0] = self.num_classes
            classes[matched_labels == -1] = -1
        else:
            classes = torch.full_like(matched_idxs, self.num_classes)
        sampling = (self.batch_size_per_image, self.positive_fraction, self.num_classes)
        rows = torch.cat(subsample_labels(classes, *sampling))
        return rows, classes[rows]

    @torch.no_grad()
    def label_and_sample_proposals(self, proposals: list[Instances], targets: list[Instances]) -> list[Instances]:
        """Sampled proposals with gt_classes and every field `gt_*` of the ground truth they overlap most.

        Background carries the fields of some ground truth; in images without any, there is only gt_classes.
        """
        if self.proposal_append_gt:
            proposals = add_ground_truth_to_proposals(targets, proposals)
        sampled, counts = [], []
        for image_proposals, target in zip(proposals, targets, strict=True):
            iou = pairwise_iou(target.gt_boxes, image_proposals.proposal_boxes)
            matches, labels = self.proposal_matcher(iou)
            rows, classes = self._sample_proposals(matches, labels, target.gt_classes)
            chosen = image_proposals[rows]
            chosen.gt_classes = classes
            for name, value in target.get_fields().items() if len(target) else ():
                if name.startswith("gt_") and not chosen.has(name):
                    chosen.set(name, value[matches[rows]])
            num_bg = (classes == self.num_classes).sum().item()
            counts.append((classes.numel() - num_bg, num_bg))
            sampled.append(chosen)
        storage = get_event_storage()
        storage.put_scalar("roi_head/num_fg_samples", sum(fg for fg, _ in counts) / len(counts))
        storage.put_scalar("roi_head/num_bg_samples", sum(bg for _, bg in counts) / len(counts))
        return sampled

    def forward(self, images, features, proposals, targets=None):
        raise NotImplementedError


@ROI_HEADS_REGISTRY.register()
class StandardROIHeads(ROIHeads):
    """Faster R-CNN's box branch: pooler, box head, predictor. Masks and keypoints are not supported."""

    @configurable
    def __init__(
        self, *, box_in_features, box_pooler, box_head, box_predictor, train_on_pred_boxes=False, **kwargs
    ) -> None:
        if train_on_pred_boxes:
            unsupported("ROI_BOX_HEAD.TRAIN_ON_PRED_BOXES")
        super().__init__(**kwargs)
        self.in_features = self.box_in_features = box_in_features
        self.box_pooler, self.box_head, self.box_predictor = box_pooler, box_head, box_predictor

    @classmethod
    def from_config(cls, cfg, input_shape):
        if cfg.MODEL.MASK_ON or cfg.MODEL.KEYPOINT_ON:
            unsupported("MODEL.MASK_ON / MODEL.KEYPOINT_ON")
        base = {**super().from_config(cfg), "train_on_pred_boxes": cfg.MODEL.ROI_BOX_HEAD.TRAIN_ON_PRED_BOXES}
        return {**base, **cls._init_box_head(cfg, input_shape)}

    @classmethod
    def _init_box_head(cls, cfg, input_shape):
        names, box = cfg.MODEL.ROI_HEADS.IN_FEATURES, cfg.MODEL.ROI_BOX_HEAD
        size, scales = box.POOLER_RESOLUTION, tuple(1.0 / input_shape[name].stride for name in names)
        channels = {input_shape[name].channels for name in names}
        assert len(channels) == 1, f"StandardROIHeads: the channels of {names} differ: {channels}"
        head = build_box_head(cfg, ShapeSpec(channels=channels.pop(), height=size, width=size))
        pooler = ROIPooler(size, scales, box.POOLER_SAMPLING_RATIO, box.POOLER_TYPE)
        predictor = FastRCNNOutputLayers(cfg, head.output_shape)
        return {"box_in_features": names, "box_pooler": pooler, "box_head": head, "box_predictor": predictor}

    def forward(self, images, features, proposals, targets=None):
        """In training (sampled proposals, losses), otherwise (detections, {})."""
        if self.training:
            assert targets is not None, "'targets' argument is required during training"
            proposals = self.label_and_sample_proposals(proposals, targets)
            return proposals, self._forward_box(features, proposals)
        detections = self._forward_box(features, proposals)
        return self.forward_with_given_boxes(features, detections), {}

    def forward_with_given_boxes(self, features, instances: list[Instances]) -> list[Instances]:
        """Add what masks and keypoints would add to given boxes: here nothing."""
        assert not self.training, "forward_with_given_boxes is for inference"
        assert instances[0].has("pred_boxes"), "instances need pred_boxes"
        assert instances[0].has("pred_classes"), "instances need pred_classes"
        return instances

    def _forward_box(self, features, proposals: list[Instances]):
        """Losses in training, otherwise detections per image."""
        maps = [features[name] for name in self.box_in_features]
        pooled = self.box_pooler(maps, [p.proposal_boxes for p in proposals])
        predictions = self.box_predictor(self.box_head(pooled))
        if not self.training:
            return self.box_predictor.inference(predictions, proposals)[0]
        return self.box_predictor.losses(predictions, proposals)
