import math

import torch
from torch import Tensor

from ...layers import batched_nms, cat
from ...structures import Boxes, Instances


def find_top_rpn_proposals(proposals: list[Tensor], pred_objectness_logits: list[Tensor], image_sizes, nms_thresh,
                           pre_nms_topk, post_nms_topk, min_box_size, training) -> list[Instances]:  # fmt: skip
    """The best boxes per image: top k of each level, clip, drop small ones, suppress per level, top k.

    Takes boxes (N, r, 4) and logits (N, r) per level. Numbers that are not finite raise FloatingPointError in
    training and are dropped otherwise.
    """
    boxes, logits, levels = [], [], []
    for level, (level_boxes, level_logits) in enumerate(zip(proposals, pred_objectness_logits, strict=True)):
        top, index = level_logits.topk(min(level_logits.shape[1], pre_nms_topk), dim=1)
        boxes.append(level_boxes.gather(1, index.unsqueeze(-1).expand(-1, -1, 4)))
        logits.append(top)
        levels.append(torch.full_like(index[0], level))
    levels = cat(levels)
    results = []
    for image_boxes, scores, size in zip(cat(boxes, 1), cat(logits, 1), image_sizes, strict=True):
        keep = torch.isfinite(image_boxes).all(dim=1) & torch.isfinite(scores)
        if training and not keep.all():
            raise FloatingPointError("Predicted boxes or scores contain Inf/NaN. Training has diverged.")
        candidates = Instances(size, proposal_boxes=Boxes(image_boxes), objectness_logits=scores, level=levels)[keep]
        candidates.proposal_boxes.clip(size)
        candidates = candidates[candidates.proposal_boxes.nonempty(threshold=min_box_size)]
        level = candidates.level
        candidates.remove("level")
        ranked = batched_nms(candidates.proposal_boxes.tensor, candidates.objectness_logits, level, nms_thresh)
        results.append(candidates[ranked[:post_nms_topk]])
    return results


def add_ground_truth_to_proposals(gt: list, proposals: list[Instances]) -> list[Instances]:
    """Append the boxes of `gt` (Instances or Boxes per image) to the proposals, as certain as 1 - 1e-10."""
    return [add_ground_truth_to_proposals_single_image(g, p) for g, p in zip(gt, proposals, strict=True)]


def add_ground_truth_to_proposals_single_image(gt, proposals: Instances) -> Instances:
    gt = Instances(proposals.image_size, gt_boxes=gt) if isinstance(gt, Boxes) else gt
    added = Instances(proposals.image_size, **gt.get_fields())
    added.proposal_boxes = gt.gt_boxes
    logit = math.log((1.0 - 1e-10) / (1 - (1.0 - 1e-10)))
    added.objectness_logits = logit * torch.ones(len(gt), device=proposals.objectness_logits.device)
    for name in proposals.get_fields():
        assert added.has(name), f"The attribute '{name}' in `proposals` does not exist in `gt`!"
    return Instances.cat([proposals, added])
