"""The proposals of one image, on tensors alone; Detectron2's ``find_top_rpn_proposals`` for an exporter."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from inet_d2.export.selection import best_rows, clip


def propose(rpn: nn.Module, features: dict[str, Tensor], limits: Tensor) -> Tensor:
    """Regions that may hold a person.

    Args:
        rpn: Detectron2's ``RPN``.
        features: maps of one image by name, (1, C, h, w).
        limits: see :func:`inet_d2.export.selection.frame_limits`.

    Returns:
        (P, 4) float32 XYXY, best first; P is at most MODEL.RPN.POST_NMS_TOPK_TEST and may be 0.
    """
    maps = [features[name] for name in rpn.in_features]
    anchors = [level.tensor for level in rpn.anchor_generator(maps)]
    found = [_best_of_level(rpn, *level) for level in zip(*rpn.rpn_head(maps), anchors, strict=True)]
    boxes, scores = (torch.cat(parts) for parts in zip(*found, strict=True))
    allowed = torch.isfinite(boxes).all(dim=1) & torch.isfinite(scores)
    boxes = clip(boxes, limits)
    allowed = allowed & (boxes[:, 2:] - boxes[:, :2] > rpn.min_box_size).all(dim=1)
    # Boxes of different levels do not suppress each other: each level gets a place of its own.
    levels = [torch.full_like(scores, level) for level, (_, scores) in enumerate(found)]
    apart = boxes + torch.cat(levels)[:, None] * (limits.max() + 1) if len(levels) > 1 else boxes
    rows = best_rows(apart, scores, allowed, iou=rpn.nms_thresh, count=rpn.post_nms_topk[False])
    return boxes[rows]


def _best_of_level(rpn: nn.Module, logits: Tensor, deltas: Tensor, anchors: Tensor) -> tuple[Tensor, Tensor]:
    """Boxes (k, 4) and scores (k,) of the k best anchors of a map; where it has fewer, scores of minus infinity.

    So filled up, k is the same for every size of image, as ``topk`` has to have it in an exported graph.
    """
    count = rpn.pre_nms_topk[False]
    scores = F.pad(logits.permute(0, 2, 3, 1).flatten(), (0, count), value=-torch.inf)
    # (1, A * 4, h, w) -> (h * w * A, 4), the order of the anchors
    deltas = deltas.unflatten(1, (-1, 4)).permute(0, 3, 4, 1, 2).flatten(0, 3)
    scores, best = scores.topk(count)
    deltas, anchors = (F.pad(values, (0, 0, 0, count))[best] for values in (deltas, anchors))
    return rpn.box2box_transform.apply_deltas(deltas, anchors), scores
