"""What the ROI heads detect in one image, on tensors alone; one function for each kind of heads."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from inet_d2.export.pooling import pool
from inet_d2.export.selection import clip, confident_rows
from inet_d2.modeling.roi_heads.identity_branch import IdentityBranch
from inet_d2.modeling.roi_heads.seq_roi_heads import SeqROIHeads


class Detections(NamedTuple):
    """(n, 4) boxes XYXY in the network's frame, (n,) scores in [0, 1], best first, and (n, D) unit embeddings."""

    boxes: Tensor
    scores: Tensor
    embeddings: Tensor


def detect(heads: nn.Module, features: dict[str, Tensor], proposals: Tensor, limits: Tensor) -> Detections:
    """Detect and embed people.

    Args:
        heads: with this project's identity branch.
        features: maps of one image by name.
        proposals: (P, 4) float32 XYXY; P may be 0.
        limits: see :func:`inet_d2.export.selection.frame_limits`.

    Returns:
        What the heads detect in testing; n may be 0.
    """
    in_steps = _detect_in_sequence if isinstance(heads, SeqROIHeads) else _detect_at_once
    return in_steps(heads, features, proposals, limits)


def embed_boxes(heads: IdentityBranch, features: dict[str, Tensor], boxes: Tensor, limits: Tensor) -> Tensor:
    """Embed given boxes: (n, 4) float32 XYXY -> (n, D) float32, unit length; n may be 0."""
    return heads.embed_pooled(_pool(heads, features, _and_frame(boxes, limits)))[:-1]


def _and_frame(boxes: Tensor, limits: Tensor) -> Tensor:
    """Boxes (n, 4), and after them the whole frame: (n + 1, 4).

    With this one region too many, no layer of an exported graph meets an empty tensor, which not all runtimes stand.
    """
    return torch.cat([boxes, torch.cat([torch.zeros_like(limits[:2]), limits[2:]])[None]])


def _pool(heads: IdentityBranch, features: dict[str, Tensor], boxes: Tensor) -> Tensor:
    pooler, names = heads.region_pooler
    return pool(pooler, [features[name] for name in names], boxes)


def _detect_at_once(
    heads: IdentityBranch, features: dict[str, Tensor], proposals: Tensor, limits: Tensor
) -> Detections:
    regions = _and_frame(proposals, limits)
    predictions, embed = heads.predict_regions(_pool(heads, features, regions))
    boxes, scores, rows = _find(heads.box_predictor, predictions, regions, limits)
    if heads.pool_final_box:
        return Detections(boxes, scores, embed_boxes(heads, features, boxes, limits))
    frame = rows.new_full((1,), -1)
    return Detections(boxes, scores, embed(torch.cat([rows, frame]))[:-1])


def _detect_in_sequence(
    heads: SeqROIHeads, features: dict[str, Tensor], proposals: Tensor, limits: Tensor
) -> Detections:
    first, second = heads.box_predictor, heads.reid_predictor
    regions = _and_frame(proposals, limits)
    predictions = first(heads.pool_points(heads.res5(_pool(heads, features, regions))))
    found, scores, _ = _find(first, predictions, regions, limits)
    regions = _and_frame(found, limits)
    pooled = _pool(heads, features, regions)
    region_features = heads.region_features(pooled)
    embeddings, logits = heads.reid_head.embed_and_score(pooled, region_features)
    _, deltas = second(region_features, logits)
    boxes = clip(second.box2box_transform.apply_deltas(deltas, regions), limits)[:-1]
    options = {"score": first.test_score_thresh, "iou": heads.second_nms_thresh, "count": first.test_topk_per_image}
    rows = confident_rows(boxes, scores, **options)
    return Detections(boxes[rows], scores[rows], embeddings[rows])


def _find(
    predictor: nn.Module, predictions: tuple[Tensor, Tensor], regions: Tensor, limits: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Boxes, scores, and the rows of the regions that they come from, among which the frame, the last, is none."""
    logits, deltas = predictions
    boxes = clip(predictor.box2box_transform.apply_deltas(deltas, regions), limits)[:-1]
    scores = logits.softmax(dim=1)[:-1, 0]
    thresholds = {"score": predictor.test_score_thresh, "iou": predictor.test_nms_thresh}
    rows = confident_rows(boxes, scores, **thresholds, count=predictor.test_topk_per_image)
    return boxes[rows], scores[rows], rows
