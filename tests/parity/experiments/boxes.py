"""Boxes, anchors, matching, sampling, suppression and image lists."""

import torch
from detectron2.layers import ShapeSpec, batched_nms
from detectron2.modeling import build_anchor_generator, detector_postprocess
from detectron2.modeling.box_regression import Box2BoxTransform
from detectron2.modeling.matcher import Matcher
from detectron2.modeling.sampling import subsample_labels
from detectron2.structures import Boxes, BoxMode, ImageList, Instances, pairwise_iou

from experiments import experiment
from inet_d2.engine import load_config

IMAGE = (240, 320)


def random_boxes(number, seed, size=IMAGE):
    """(number, 4) XYXY of all sizes, some of them beyond the image."""
    generator = torch.Generator().manual_seed(seed)
    height, width = size
    corners = torch.rand(number, 2, generator=generator) * torch.tensor([width, height]) * 1.1 - 10
    sides = torch.rand(number, 2, generator=generator) ** 2 * torch.tensor([width, height]) * 0.7 + 1
    return torch.cat([corners, corners + sides], dim=1)


@experiment
def anchors(folder):
    result = {}
    for name, strides in (
        ("CUHK-SYSU/inet_vgg16", [16]),
        ("demo/inet", [8]),
        ("Base-INet-R50-FPN", [4, 8, 16, 32, 64]),
    ):
        cfg = load_config(f"configs/{name}.yaml")
        for offset in (0.0, 0.5):
            cfg.MODEL.ANCHOR_GENERATOR.OFFSET = offset
            generator = build_anchor_generator(cfg, [ShapeSpec(channels=1, stride=stride) for stride in strides])
            for height, width in ((1, 1), (2, 3), (15, 20), (38, 63), (7, 64)):
                maps = [
                    torch.zeros(1, 1, -(-height // 2**level), -(-width // 2**level)) for level in range(len(strides))
                ]
                result[f"{name} {offset} {height}x{width}"] = generator(maps)
        result[f"{name} counts"] = [generator.num_anchors, generator.box_dim, list(generator.state_dict())]
    return result


@experiment
def box_coding(folder):
    sources, targets = random_boxes(200, 0), random_boxes(200, 1)
    deltas = torch.randn(200, 12, generator=torch.Generator().manual_seed(2)) * 3
    result = {}
    for weights in ((1.0, 1.0, 1.0, 1.0), (10.0, 10.0, 5.0, 5.0)):
        coder = Box2BoxTransform(weights=weights)
        encoded = coder.get_deltas(sources, targets)
        result[str(weights)] = [encoded, coder.apply_deltas(encoded, sources), coder.apply_deltas(deltas, sources)]
    huge = torch.tensor([[0.0, 0.0, 1e4, -1e4], [1e3, -1e3, 5.0, 4.2]])
    result["clamped"] = coder.apply_deltas(huge, torch.tensor([[0.0, 0.0, 10.0, 20.0], [5.0, 5.0, 5.0, 9.0]]))
    result["empty"] = coder.apply_deltas(torch.zeros(0, 4), torch.zeros(0, 4))
    try:
        coder.get_deltas(torch.zeros(1, 4), sources[:1])
    except AssertionError as error:
        result["degenerate"] = type(error).__name__  # each engine has words of its own
    return result


@experiment
def matching_and_sampling(folder):
    generator = torch.Generator().manual_seed(3)
    torch.manual_seed(11)
    result = []
    for people, regions in ((1, 50), (7, 300), (0, 40), (4, 1)):
        iou = torch.rand(people, regions, generator=generator).mul(20).round() / 20  # with ties
        for thresholds, labels, low_quality in (([0.3, 0.7], [0, -1, 1], True), ([0.5], [0, 1], False)):
            matches, found = Matcher(thresholds, labels, allow_low_quality_matches=low_quality)(iou)
            for number, fraction in ((32, 0.5), (64, 0.25), (400, 1.0)):
                drawn = subsample_labels(found.long(), number, fraction, 0)
                result.append([matches, found, *drawn])
    return result


@experiment
def overlaps(folder):
    first, second = random_boxes(60, 4), random_boxes(80, 5)
    first[:3] = torch.tensor([[5.0, 5, 5, 5], [0, 0, 0, 9], [9, 9, 3, 3]])  # no area
    second[:2] = torch.tensor([[5.0, 5, 5, 5], [0, 0, 10, 10]])
    none = Boxes(torch.zeros(0, 4))
    return [pairwise_iou(Boxes(first), Boxes(second)), pairwise_iou(none, Boxes(second)), pairwise_iou(none, none)]


@experiment
def suppression(folder):
    """Below and above the 1000 boxes at which torchvision changes its way, and an IoU of exactly the threshold."""
    result = []
    for number in (50, 999, 1500):
        boxes, generator = random_boxes(number, number), torch.Generator().manual_seed(number)
        scores, groups = torch.rand(number, generator=generator), torch.randint(3, (number,), generator=generator)
        result += [batched_nms(boxes, scores, groups, threshold) for threshold in (0.5, 0.7)]
    halves = torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 5], [0, 0, 10, 10]])
    return [*result, batched_nms(halves, torch.tensor([0.9, 0.8, 0.7]), torch.zeros(3), 0.5)]


@experiment
def box_operations(folder):
    boxes = Boxes(random_boxes(40, 6))
    clipped = Boxes(boxes.tensor.clone())
    clipped.clip(IMAGE)
    scaled = Boxes(boxes.tensor.clone())
    scaled.scale(0.5, 2.0)
    sides = [10.0, 20.0, 30.0, 60.0]
    converted = [
        BoxMode.convert(sides, BoxMode.XYXY_ABS, BoxMode.XYWH_ABS),
        BoxMode.convert(boxes.tensor, BoxMode.XYWH_ABS, BoxMode.XYXY_ABS),
        BoxMode.convert(boxes.tensor.numpy(), BoxMode.XYXY_ABS, BoxMode.XYWH_ABS),
    ]
    picked = [boxes[3], boxes[5:9], boxes[boxes.area() > 500], Boxes.cat([boxes[:2], clipped[:2]]), Boxes([])]
    return [boxes.area(), clipped, clipped.nonempty(), clipped.nonempty(5.0), scaled, *picked, *converted]


@experiment
def instances_and_postprocessing(folder):
    boxes = random_boxes(30, 7)
    instances = Instances(IMAGE, pred_boxes=Boxes(boxes), scores=torch.rand(30), pred_embeddings=torch.randn(30, 4))
    joined = Instances.cat([instances[:4], instances[torch.arange(30) % 7 == 0], instances[-1]])
    copy = Instances(IMAGE, pred_boxes=Boxes(boxes.clone()), scores=instances.scores, rows=torch.arange(30))
    resized = detector_postprocess(copy, 480, 500)
    # The boxes that went in are scaled with it.
    return [joined, len(joined), instances.has("scores"), resized, copy.pred_boxes]


@experiment
def image_lists(folder):
    images = [torch.rand(3, 33, 50), torch.rand(3, 40, 30)]
    result = []
    for divisibility in (0, 16, 32):
        batch = ImageList.from_tensors(images, divisibility)
        result += [batch.tensor, [list(size) for size in batch.image_sizes], batch[1]]
    return [*result, ImageList.from_tensors(images[:1], 32, pad_value=7.0).tensor]
