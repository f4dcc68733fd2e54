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
            raise FloatingPointError(
                "RPN: expected finite boxes and logits, found Inf or NaN; try a lower SOLVER.BASE_LR"
            )
        found, level = Instances(size, proposal_boxes=Boxes(image_boxes), objectness_logits=scores)[keep], levels[keep]
        found.proposal_boxes.clip(size)
        keep = found.proposal_boxes.nonempty(threshold=min_box_size)
        found, level = found[keep], level[keep]
        ranked = batched_nms(found.proposal_boxes.tensor, found.objectness_logits, level, nms_thresh)
        results.append(found[ranked[:post_nms_topk]])
    return results


def add_ground_truth_to_proposals(gt: list[Instances], proposals: list[Instances]) -> list[Instances]:
    """Append the boxes of the ground truth to the proposals, as certain as 1 - 1e-10."""
    logit = math.log((1.0 - 1e-10) / (1 - (1.0 - 1e-10)))
    both = []
    for target, image_proposals in zip(gt, proposals, strict=True):
        added = Instances(image_proposals.image_size, proposal_boxes=target.gt_boxes)
        added.objectness_logits = torch.full_like(target.gt_boxes.tensor[:, 0], logit)
        both.append(Instances.cat([image_proposals, added]))
    return both
