"""Fast R-CNN outputs. R RoIs of all images, K classes (K = background, the last score)."""

import math

import torch
from torch import Tensor, nn

from ...config import configurable
from ...layers import ShapeSpec, batched_nms, cat, cross_entropy
from ...structures import Boxes, Instances
from ...utils.events import get_event_storage
from ..box_regression import Box2BoxTransform, box_regression_loss


def fast_rcnn_inference_single_image(boxes, scores, image_shape, score_thresh, nms_thresh, topk_per_image):
    """Clip, keep scores above the threshold, suppress per class, keep the best (all if topk < 0).

    Takes boxes (R, 4K) and probabilities (R, K + 1); returns the detections and the rows they come from.
    """
    valid = torch.isfinite(boxes).all(dim=1) & torch.isfinite(scores).all(dim=1)
    scores = scores[valid, :-1]
    boxes = Boxes(boxes[valid].reshape(-1, 4))
    boxes.clip(image_shape)
    rows, classes = (scores > score_thresh).nonzero(as_tuple=True)
    boxes = boxes.tensor.view(*scores.shape, 4)[rows, classes]
    scores = scores[rows, classes]
    keep = batched_nms(boxes, scores, classes, nms_thresh)
    keep = keep[:topk_per_image] if topk_per_image >= 0 else keep
    fields = {"pred_boxes": Boxes(boxes[keep]), "scores": scores[keep], "pred_classes": classes[keep]}
    return Instances(image_shape, **fields), rows[keep]


def _log_classification_stats(pred_logits: Tensor, gt_classes: Tensor, prefix: str = "fast_rcnn") -> None:
    if gt_classes.numel() == 0:
        return
    background, predicted, storage = pred_logits.shape[1] - 1, pred_logits.argmax(dim=1), get_event_storage()
    correct, fg = predicted == gt_classes, (gt_classes >= 0) & (gt_classes < background)
    storage.put_scalar(f"{prefix}/cls_accuracy", correct.sum().item() / len(correct))
    if (num_fg := fg.sum().item()) > 0:
        storage.put_scalar(f"{prefix}/fg_cls_accuracy", correct[fg].sum().item() / num_fg)
        storage.put_scalar(f"{prefix}/false_negative", (predicted[fg] == background).sum().item() / num_fg)


class FastRCNNOutputLayers(nn.Module):
    """Class scores and box deltas of RoI features, their losses and the detections."""

    @configurable
    def __init__(self, input_shape: ShapeSpec | int, *, box2box_transform, num_classes, test_score_thresh=0.0,
                 test_nms_thresh=0.5, test_topk_per_image=100, smooth_l1_beta=0.0, loss_weight=None):  # fmt: skip
        super().__init__()
        shape = ShapeSpec(channels=input_shape) if isinstance(input_shape, int) else input_shape
        size = math.prod((shape.channels, shape.width or 1, shape.height or 1))
        self.num_classes = num_classes
        self.cls_score = nn.Linear(size, num_classes + 1)
        self.bbox_pred = nn.Linear(size, 4 * num_classes)
        for layer, std in ((self.cls_score, 0.01), (self.bbox_pred, 0.001)):
            nn.init.normal_(layer.weight, std=std)
            nn.init.zeros_(layer.bias)
        self.box2box_transform, self.test_topk_per_image = box2box_transform, test_topk_per_image
        self.test_score_thresh, self.test_nms_thresh = test_score_thresh, test_nms_thresh
        self.smooth_l1_beta, self.loss_weight = smooth_l1_beta, loss_weight or {}

    @classmethod
    def from_config(cls, cfg, input_shape):
        heads, box = cfg.MODEL.ROI_HEADS, cfg.MODEL.ROI_BOX_HEAD
        return {
            "input_shape": input_shape, "box2box_transform": Box2BoxTransform(weights=box.BBOX_REG_WEIGHTS),
            "num_classes": heads.NUM_CLASSES, "test_score_thresh": heads.SCORE_THRESH_TEST,
            "test_nms_thresh": heads.NMS_THRESH_TEST, "test_topk_per_image": cfg.TEST.DETECTIONS_PER_IMAGE,
            "smooth_l1_beta": box.SMOOTH_L1_BETA, "loss_weight": {"loss_box_reg": box.BBOX_REG_LOSS_WEIGHT},
        }  # fmt: skip

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """RoI features (R, ...) -> scores (R, K + 1) and deltas (R, 4K)."""
        x = x.flatten(start_dim=1)
        return self.cls_score(x), self.bbox_pred(x)

    def losses(self, predictions, proposals: list[Instances]) -> dict[str, Tensor]:
        """Both losses are means over all RoIs of the batch, of which only foreground has a box loss."""
        (scores, deltas), classes = predictions, cat([p.gt_classes for p in proposals])
        _log_classification_stats(scores, classes)
        box = self._box_loss(deltas, classes, proposals) / max(len(classes), 1)
        losses = {"loss_cls": cross_entropy(scores, classes), "loss_box_reg": box}
        return {name: loss * self.loss_weight.get(name, 1.0) for name, loss in losses.items()}

    def _box_loss(self, deltas: Tensor, classes: Tensor, proposals: list[Instances]) -> Tensor:
        """Sum over foreground of the loss of its own class's deltas."""
        sources = cat([p.proposal_boxes.tensor for p in proposals])
        assert not sources.requires_grad, "FastRCNNOutputLayers: expected detached proposals, found some with gradients"
        targets = cat([(p.gt_boxes if p.has("gt_boxes") else p.proposal_boxes).tensor for p in proposals])
        rows = ((classes >= 0) & (classes < self.num_classes)).nonzero().flatten()
        own = deltas.view(len(deltas), self.num_classes, 4)[rows, classes[rows]]
        return box_regression_loss(self.box2box_transform, own, sources[rows], targets[rows], self.smooth_l1_beta)

    def inference(self, predictions, proposals: list[Instances]) -> tuple[list[Instances], list[Tensor]]:
        """Per image: detections, and for each the row of the RoI that it comes from."""
        boxes, probs = self.predict_boxes(predictions, proposals), self.predict_probs(predictions, proposals)
        options = (self.test_score_thresh, self.test_nms_thresh, self.test_topk_per_image)
        images = zip(boxes, probs, (p.image_size for p in proposals), strict=True)
        results = [fast_rcnn_inference_single_image(*image, *options) for image in images]
        return [found for found, _ in results], [rows for _, rows in results]

    def predict_boxes(self, predictions, proposals: list[Instances]) -> tuple[Tensor, ...]:
        """Per image boxes (R, 4K)."""
        boxes = cat([p.proposal_boxes.tensor for p in proposals])
        return self.box2box_transform.apply_deltas(predictions[1], boxes).split([len(p) for p in proposals])

    def predict_probs(self, predictions, proposals: list[Instances]) -> tuple[Tensor, ...]:
        """Per image class probabilities (R, K + 1)."""
        return predictions[0].softmax(dim=-1).split([len(p) for p in proposals])
