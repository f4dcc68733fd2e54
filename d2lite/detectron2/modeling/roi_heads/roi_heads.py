import torch
from torch import Tensor, nn

from ...config import configurable
from ...layers import ShapeSpec
from ...structures import Instances, pairwise_iou
from ...utils.events import get_event_storage
from ...utils.registry import Registry
from ..backbone.resnet import make_resnet_stage
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
    """Base of everything that works on proposals: matches them with the ground truth, samples some, predicts boxes.

    Subclasses have `box_predictor` and `_box_features(features, boxes)`, which gives (R, ...) for R boxes.
    """

    @configurable
    def __init__(self, *, num_classes, batch_size_per_image, positive_fraction, proposal_matcher,
                 proposal_append_gt=True) -> None:  # fmt: skip
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
            classes = target.gt_classes[matches] if len(target) else torch.zeros_like(matches)
            classes[labels == 0], classes[labels == -1] = self.num_classes, -1
            sampling = (self.batch_size_per_image, self.positive_fraction, self.num_classes)
            rows = torch.cat(subsample_labels(classes, *sampling))  # foreground first
            chosen = image_proposals[rows]
            chosen.gt_classes = classes[rows]
            for name, value in target.get_fields().items() if len(target) else ():
                if name.startswith("gt_") and not chosen.has(name):
                    chosen.set(name, value[matches[rows]])
            num_bg = (chosen.gt_classes == self.num_classes).sum().item()
            counts.append((len(rows) - num_bg, num_bg))
            sampled.append(chosen)
        storage = get_event_storage()
        storage.put_scalar("roi_head/num_fg_samples", sum(fg for fg, _ in counts) / len(counts))
        storage.put_scalar("roi_head/num_bg_samples", sum(bg for _, bg in counts) / len(counts))
        return sampled

    def forward(self, images, features, proposals, targets=None):
        """In training (sampled proposals, losses), otherwise (detections, {})."""
        if self.training:
            proposals = self.label_and_sample_proposals(proposals, targets)
        predictions = self.box_predictor(self._box_features(features, [p.proposal_boxes for p in proposals]))
        if self.training:
            return proposals, self.box_predictor.losses(predictions, proposals)
        return self.box_predictor.inference(predictions, proposals)[0], {}

    def forward_with_given_boxes(self, features, instances: list[Instances]) -> list[Instances]:
        """Add what masks and keypoints would add to given boxes: here nothing."""
        return instances


@ROI_HEADS_REGISTRY.register()
class StandardROIHeads(ROIHeads):
    """Faster R-CNN's box branch: pooler, box head, predictor."""

    @configurable
    def __init__(self, *, box_in_features, box_pooler, box_head, box_predictor, **kwargs) -> None:
        super().__init__(**kwargs)
        self.in_features = self.box_in_features = box_in_features
        self.box_pooler, self.box_head, self.box_predictor = box_pooler, box_head, box_predictor

    @classmethod
    def from_config(cls, cfg, input_shape):
        names, box = cfg.MODEL.ROI_HEADS.IN_FEATURES, cfg.MODEL.ROI_BOX_HEAD
        size, scales = box.POOLER_RESOLUTION, tuple(1.0 / input_shape[name].stride for name in names)
        channels = {input_shape[name].channels for name in names}
        assert len(channels) == 1, f"StandardROIHeads: the channels of {names} differ: {channels}"
        head = build_box_head(cfg, ShapeSpec(channels=channels.pop(), height=size, width=size))
        pooler = ROIPooler(size, scales, box.POOLER_SAMPLING_RATIO, box.POOLER_TYPE)
        predictor = FastRCNNOutputLayers(cfg, head.output_shape)
        branch = {"box_in_features": names, "box_pooler": pooler, "box_head": head, "box_predictor": predictor}
        return {**super().from_config(cfg), **branch}

    def _box_features(self, features, boxes) -> Tensor:
        return self.box_head(self.box_pooler([features[name] for name in self.box_in_features], boxes))


@ROI_HEADS_REGISTRY.register()
class Res5ROIHeads(ROIHeads):
    """The box branch of a "C4" model: the fifth stage of the ResNet on every region, then the mean over its points."""

    @configurable
    def __init__(self, *, in_features, pooler, res5, box_predictor, **kwargs) -> None:
        super().__init__(**kwargs)
        self.in_features, self.pooler, self.res5, self.box_predictor = in_features, pooler, res5, box_predictor

    @classmethod
    def from_config(cls, cfg, input_shape):
        names, box = cfg.MODEL.ROI_HEADS.IN_FEATURES, cfg.MODEL.ROI_BOX_HEAD
        scales = (1.0 / input_shape[names[0]].stride,)
        pooler = ROIPooler(box.POOLER_RESOLUTION, scales, box.POOLER_SAMPLING_RATIO, box.POOLER_TYPE)
        res5 = nn.Sequential(*make_resnet_stage(cfg, 5))
        predictor = FastRCNNOutputLayers(cfg, ShapeSpec(channels=res5[-1].out_channels))
        branch = {"in_features": names, "pooler": pooler, "res5": res5, "box_predictor": predictor}
        return {**super().from_config(cfg), **branch}

    def _box_features(self, features, boxes) -> Tensor:
        return self.res5(self.pooler([features[name] for name in self.in_features], boxes)).mean(dim=(2, 3))
