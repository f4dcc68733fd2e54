"""RoI pooling, the proposal network and the ROI heads, each on feature maps of noise."""

import torch
from detectron2.layers import ROIAlign, ShapeSpec
from detectron2.modeling import build_proposal_generator, build_roi_heads
from detectron2.modeling.poolers import ROIPooler
from detectron2.modeling.proposal_generator.proposal_utils import find_top_rpn_proposals
from detectron2.structures import Boxes, ImageList, Instances
from detectron2.utils.events import EventStorage

from experiments import experiment
from experiments.boxes import IMAGE, random_boxes
from experiments.filling import fill
from inet_d2.engine import load_config

SIZES = [IMAGE, (200, 280)]
FPN_STRIDES = {"p2": 4, "p3": 8, "p4": 16, "p5": 32, "p6": 64}


def maps_of(strides, channels, seed=0):
    generator = torch.Generator().manual_seed(seed)
    shapes = [(len(SIZES), channels, -(-IMAGE[0] // s), -(-IMAGE[1] // s)) for s in strides]
    return [torch.randn(shape, generator=generator).requires_grad_() for shape in shapes]


def targets():
    """Two people of whom one is unlabelled, and an image without people."""
    first = Instances(IMAGE, gt_boxes=Boxes([[30.5, 40, 110, 180.25], [150, 20, 210, 190]]))
    first.gt_classes, first.gt_pids = torch.tensor([0, 0]), torch.tensor([3, -1])
    second = Instances(SIZES[1], gt_boxes=Boxes(torch.zeros(0, 4)))
    second.gt_classes, second.gt_pids = torch.zeros(0, dtype=torch.int64), torch.zeros(0, dtype=torch.int64)
    return [first, second]


def some_proposals(number=200):
    """Noise, and for the first image boxes close to its people."""
    found = []
    for seed, (size, people) in enumerate(zip(SIZES, targets(), strict=True)):
        boxes = random_boxes(number, seed, size)
        near = people.gt_boxes.tensor.repeat(20, 1)
        near = near + torch.randn(near.shape, generator=torch.Generator().manual_seed(seed)) * 15
        boxes = Boxes(torch.cat([boxes, torch.cat([near[:, :2], torch.maximum(near[:, 2:], near[:, :2] + 4)], dim=1)]))
        boxes.clip(size)
        boxes = boxes[boxes.nonempty()]
        logits = torch.randn(len(boxes), generator=torch.Generator().manual_seed(seed + 10))
        found.append(Instances(size, proposal_boxes=boxes, objectness_logits=logits))
    return found


@experiment
def region_pooling(folder):
    """Forward, and the gradient of the maps; regions beyond the image, of no size, none at all."""
    edges = torch.tensor([[-50.0, -40, 20, 10], [300, 200, 400, 300], [500, 500, 600, 600], [9, 9, 9, 9]])
    boxes = [Boxes(torch.cat([random_boxes(60, 1), edges])), Boxes(random_boxes(40, 2, SIZES[1]))]
    lists = {"some": boxes, "none in one": [boxes[0], Boxes([])], "none": [Boxes([]), Boxes([])]}
    result = {}
    for kind in ("ROIAlign", "ROIAlignV2", "ROIPool"):
        for strides in ((8,), (4, 8, 16, 32)):
            for sampling in (0, 2):
                pooler = ROIPooler(7, [1 / s for s in strides], sampling, kind)
                for name, chosen in lists.items():
                    maps = maps_of(strides, 3)
                    pooled = pooler(maps, chosen)
                    weights = torch.randn(pooled.shape, generator=torch.Generator().manual_seed(5))
                    (pooled * weights).sum().backward()
                    result[f"{kind} {strides} {sampling} {name}"] = [pooled, [m.grad for m in maps]]
    rois = torch.cat([torch.zeros(64, 1), boxes[0].tensor], dim=1)
    result["ROIAlign"] = ROIAlign((5, 3), 0.125, 0, aligned=True)(maps_of((8,), 3)[0], rois)
    return result


def gradients(module, maps):
    return {"maps": [m.grad for m in maps], **{name: p.grad for name, p in module.named_parameters()}}


def run_rpn(config, strides):
    cfg = load_config(config)
    cfg.MODEL.RPN.POST_NMS_TOPK_TRAIN, cfg.MODEL.RPN.POST_NMS_TOPK_TEST = 150, 80
    shapes = {name: ShapeSpec(channels=8, stride=stride) for name, stride in strides.items()}
    rpn = fill(build_proposal_generator(cfg, shapes))
    images = ImageList(torch.zeros(len(SIZES), 3, *IMAGE), SIZES)
    result = {}
    for name, people in (("train", targets()), ("nobody", targets()[1:] * 2)):
        maps = maps_of(strides.values(), 8)
        torch.manual_seed(4)
        with EventStorage() as storage:
            proposals, losses = rpn.train()(images, dict(zip(strides, maps, strict=True)), people)
        sum(losses.values()).backward()
        result[name] = [proposals, losses, storage.latest(), gradients(rpn, maps)]
        rpn.zero_grad()
    with torch.no_grad():
        result["test"] = rpn.eval()(images, dict(zip(strides, maps, strict=True)), None)
    return result


@experiment
def proposals_one_level(folder):
    return run_rpn("configs/demo/inet.yaml", {"conv5_3": 8})


@experiment
def proposals_five_levels(folder):
    return run_rpn("configs/Base-INet-R50-FPN.yaml", FPN_STRIDES)


@experiment
def proposal_selection(folder):
    """Numbers of proposals, boxes without area, and what is not finite: an error in training, left out in testing."""
    boxes = torch.stack([random_boxes(300, 8), random_boxes(300, 9)])
    logits = torch.randn(2, 300, generator=torch.Generator().manual_seed(1))
    boxes[0, :20, 2:] = boxes[0, :20, :2]

    def select(boxes, logits, *rest):
        levels = [boxes[:, :200], boxes[:, 200:]], [logits[:, :200], logits[:, 200:]]
        return find_top_rpn_proposals(*levels, SIZES, 0.7, *rest)

    result = [select(boxes, logits, *numbers, 0.0, False) for numbers in ((50, 10), (1000, 1000), (3, 50))]
    result.append(select(boxes, logits, 1000, 1000, 20.0, True))
    boxes[1, 7, 0], logits[0, 5] = float("inf"), float("nan")
    result.append(select(boxes, logits, 300, 300, 0.0, False))
    try:
        select(boxes, logits, 300, 300, 0.0, True)
    except FloatingPointError as error:
        result.append(type(error).__name__)  # each engine has words of its own
    return result


def run_heads(config, strides, **keys):
    cfg = load_config(config)
    cfg.MODEL.ROI_BOX_HEAD.FC_DIM = 16
    cfg.MODEL.ROI_BOX_HEAD.POOLER_TYPE = keys.pop("POOLER_TYPE", cfg.MODEL.ROI_BOX_HEAD.POOLER_TYPE)
    cfg.MODEL.ROI_HEADS.SCORE_THRESH_TEST = 0.2
    for key, value in keys.items():
        cfg.MODEL.ROI_HEADS[key] = value
    shapes = {name: ShapeSpec(channels=8, stride=stride) for name, stride in strides.items()}
    heads = fill(build_roi_heads(cfg, shapes))
    images = ImageList(torch.zeros(len(SIZES), 3, *IMAGE), SIZES)
    maps = maps_of(strides.values(), 8)
    features = dict(zip(strides, maps, strict=True))
    torch.manual_seed(6)
    with EventStorage() as storage:
        sampled = heads.train().label_and_sample_proposals(some_proposals(), targets())
        _, losses = heads(images, features, some_proposals(), targets())
    sum(losses.values()).backward()
    trained = [sampled, losses, storage.latest(), gradients(heads, maps)]
    with torch.no_grad():
        detections, _ = heads.eval()(images, features, some_proposals(), None)
        pooled = heads.box_pooler(
            [features[name] for name in heads.box_in_features], [x.proposal_boxes for x in some_proposals()]
        )
        predictions = heads.box_predictor(heads.box_head(pooled))
        _, kept = heads.box_predictor.inference(predictions, some_proposals())
        given = [Instances(x.image_size, pred_boxes=x.pred_boxes, pred_classes=x.pred_classes) for x in detections]
        given = heads.forward_with_given_boxes(features, given)
    return {"train": trained, "test": [detections, kept, predictions, given]}


@experiment
def roi_heads_plain(folder):
    return run_heads("configs/CUHK-SYSU/faster_rcnn_vgg16.yaml", {"conv5_3": 16}, NAME="StandardROIHeads")


@experiment
def roi_heads_several_classes(folder):
    return run_heads("configs/Base-INet-R50-FPN.yaml", FPN_STRIDES, NAME="StandardROIHeads", NUM_CLASSES=3)


@experiment
def roi_heads_unmatched(folder):
    """Regions between two thresholds are not used; ground truth is not among the proposals."""
    thresholds = {"IOU_THRESHOLDS": [0.3, 0.6], "IOU_LABELS": [0, -1, 1], "PROPOSAL_APPEND_GT": False}
    return run_heads("configs/demo/inet.yaml", {"conv5_3": 8}, NAME="StandardROIHeads", **thresholds)


@experiment
def roi_heads_inet(folder):
    return run_heads("configs/demo/inet.yaml", {"conv5_3": 8})


@experiment
def roi_heads_inet_four_levels(folder):
    return run_heads("configs/Base-INet-R50-FPN.yaml", dict(list(FPN_STRIDES.items())[:4]))


@experiment
def roi_heads_oim(folder):
    return run_heads("configs/demo/oim.yaml", {"conv5_3": 8})
