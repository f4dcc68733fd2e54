"""NAE and SeqNet once more, one image and one region at a time, from a model's weights and torchvision's operators."""

import math

import torch
from torchvision.ops import nms, roi_align


@torch.no_grad()
def describe(heads, feature, box, res5):
    """Of one box: what the fifth stage makes of it, the embedding and the person logit."""
    pooled = roi_align(feature, [box[None]], (14, 14), 1 / 16, sampling_ratio=2, aligned=False)
    region = res5(pooled).amax(dim=(2, 3))
    before = heads.reid_head.pooled_projector(pooled.amax(dim=(2, 3)))
    vector = torch.cat([before, heads.reid_head.region_projector(region)], dim=1)[0]
    norm = vector.norm()
    rescaler = heads.reid_head.rescaler
    logit = (norm - rescaler.running_mean) / (rescaler.running_var + rescaler.eps).sqrt()
    return region, vector / norm.clamp(min=1e-12), (logit * rescaler.weight + rescaler.bias).item()


def move(box, deltas, size):
    """Apply four deltas to a box and clip it; weights 10, 10, 5, 5."""
    width, height = box[2] - box[0], box[3] - box[1]
    dx, dy, dw, dh = (deltas / torch.tensor([10.0, 10.0, 5.0, 5.0])).tolist()
    limit = math.log(1000 / 16)
    x, y = box[0] + width / 2 + dx * width, box[1] + height / 2 + dy * height
    width, height = width * math.exp(min(dw, limit)), height * math.exp(min(dh, limit))
    corners = torch.tensor([x - width / 2, y - height / 2, x + width / 2, y + height / 2])
    return corners.clamp(min=0).minimum(torch.tensor([size[1], size[0], size[1], size[0]], dtype=torch.float32))


def keep(found, threshold):
    """The best of (box, score, embedding) that do not overlap a better one."""
    if not found:
        return []
    rows = nms(torch.stack([x[0] for x in found]), torch.tensor([x[1] for x in found]), threshold)
    return [found[row] for row in rows.tolist()]


@torch.no_grad()
def nae(heads, feature, proposals, size):
    """Detections of one image, best first: (box, score, embedding)."""
    found = []
    for box in proposals:
        region, embedding, logit = describe(heads, feature, box, heads.res5)
        score = 1 / (1 + math.exp(-logit))
        deltas = heads.box_predictor.box_norm(heads.box_predictor.bbox_pred(region))[0]
        if score > 0.5:
            found.append((move(box, deltas, size), score, embedding))
    return keep(found, 0.4)


@torch.no_grad()
def seqnet(heads, feature, proposals, size):
    """Detections of one image, best first: (box, score, embedding)."""
    first = []
    for box in proposals:
        pooled = roi_align(feature, [box[None]], (14, 14), 1 / 16, sampling_ratio=2, aligned=False)
        region = heads.res5(pooled).amax(dim=(2, 3))
        score = heads.box_predictor.cls_score(region).softmax(dim=1)[0, 0].item()
        if score > 0.5:
            first.append((move(box, heads.box_predictor.bbox_pred(region)[0], size), score, None))
    second = []
    for box, score, _ in keep(first, 0.4):
        region, embedding, _ = describe(heads, feature, box, heads.reid_res5)
        deltas = heads.reid_predictor.box_norm(heads.reid_predictor.bbox_pred(region))[0]
        second.append((move(box, deltas, size), score, embedding))
    return keep(second, 0.5)
