"""ResNet and FPN; whole Faster R-CNNs on them against figures that were measured with real Detectron2 (G16, G17)."""

import zlib

import pytest
import torch
from detectron2.config import get_cfg
from detectron2.modeling import build_backbone, build_model
from detectron2.solver import build_optimizer
from detectron2.structures import Boxes, Instances
from detectron2.utils.events import EventStorage

COMMON = ["MODEL.DEVICE", "cpu", "MODEL.ROI_HEADS.NUM_CLASSES", 1, "MODEL.PIXEL_STD", [57.375, 57.12, 58.395]]
COMMON += ["MODEL.ROI_HEADS.BATCH_SIZE_PER_IMAGE", 64, "MODEL.RPN.POST_NMS_TOPK_TEST", 100, "SOLVER.BASE_LR", 0.001]
STAGES, LEVELS = ["res2", "res3", "res4", "res5"], ["p2", "p3", "p4", "p5", "p6"]
FPN = ["MODEL.BACKBONE.NAME", "build_resnet_fpn_backbone", "MODEL.RESNETS.OUT_FEATURES", STAGES]
FPN += ["MODEL.FPN.IN_FEATURES", STAGES, "MODEL.ANCHOR_GENERATOR.SIZES", [[32], [64], [128], [256], [512]]]
FPN += ["MODEL.RPN.IN_FEATURES", LEVELS, "MODEL.RPN.PRE_NMS_TOPK_TRAIN", 2000, "MODEL.RPN.PRE_NMS_TOPK_TEST", 1000]
FPN += ["MODEL.RPN.POST_NMS_TOPK_TRAIN", 1000, "MODEL.ROI_HEADS.NAME", "StandardROIHeads"]
FPN += ["MODEL.ROI_HEADS.IN_FEATURES", LEVELS[:4], "MODEL.ROI_BOX_HEAD.NAME", "FastRCNNConvFCHead"]
FPN += ["MODEL.ROI_BOX_HEAD.NUM_FC", 2, "MODEL.ROI_BOX_HEAD.POOLER_RESOLUTION", 7]
RPN, PREDICTOR = "proposal_generator.rpn_head", "roi_heads.box_predictor"
MEASURED = {  # losses of training steps: loss_cls, loss_box_reg, loss_rpn_cls, loss_rpn_loc
    "C4": {
        "start": {"backbone.stem.conv1": -2.581586, f"{RPN}.conv": 15.948965, f"{PREDICTOR}.cls_score": 0.269894},
        "maps": {"res4": ((2, 1024, 13, 20), 0.1579533, 1.251848)},
        "proposals": [(100, 1.247248, 51454.48), (100, 1.270591, 42134.95)],
        "detections": [(66, 0.5357034, 67541.77), (56, 0.5386633, 46936.66)],
        "losses": [(0.7362885, 0.6780678, 0.7875542, 0.008843811)],  # without its gradients, which take long
    },
    "FPN": {
        "start": {"backbone.fpn_lateral2": 6.916262, f"{RPN}.conv": 0.048538, "roi_heads.box_head.fc1": 2.367999},
        "maps": {"p2": ((2, 256, 56, 80), -0.07772536, 7.745655), "p6": ((2, 256, 4, 5), 0.01204639, 1.129233)},
        "proposals": [(100, 3.996587, 51763.37), (100, 4.078513, 39681.41)],
        "detections": [(65, 0.9434547, 67790.37), (63, 0.9149652, 50881.45)],
        "losses": [(1.202364, 0.01552587, 1.436184, 0.007726637), (1.516227, 0.1007684, 0.6482862, 0.00766431)],
        "norms": {"roi_heads.box_head.fc1": 152.8868, f"{PREDICTOR}.cls_score": 49.34188, f"{RPN}.conv": 20.9269,
                  "backbone.fpn_lateral4": 11.05421},
    },
}  # fmt: skip


@torch.no_grad()
def fill(model):
    """Numbers that depend on the names alone."""
    for name, value in model.state_dict().items():
        generator = torch.Generator().manual_seed(zlib.crc32(name.encode()))
        normal, uniform = (draw(value.shape, generator=generator) for draw in (torch.randn, torch.rand))
        scale = (2 * value.shape[0] / value.numel()) ** 0.5 * (0.1 if "anchor_deltas" in name or "bbox" in name else 1)
        kinds = {"running_var": 0.5 + uniform, "running_mean": 0.1 * normal, "bias": 0.02 * normal}
        kinds["weight"] = 0.3 + 0.3 * uniform if "norm.weight" in name else normal * scale
        value.copy_(kinds[name.rpartition(".")[2]])


def make_batch():
    generator, batch = torch.Generator().manual_seed(0), []
    first, second = [[30.0, 40, 110, 180], [150, 20, 210, 190]], [[60.5, 30.25, 140, 170]]
    for (height, width), boxes in (((208, 320), first), ((192, 256), second)):
        gt = Instances((height, width), gt_boxes=Boxes(boxes), gt_classes=torch.zeros(len(boxes), dtype=torch.int64))
        image = torch.randint(0, 256, (3, height, width), dtype=torch.uint8, generator=generator)
        batch.append({"image": image, "height": 2 * height, "width": 2 * width, "instances": gt})
    return batch


@pytest.mark.parametrize("kind", MEASURED)
def test_faster_rcnn_on_resnet_50(kind):
    cfg, measured = get_cfg(), MEASURED[kind]
    cfg.merge_from_list([*COMMON, *(FPN if kind == "FPN" else [])])
    torch.manual_seed(0)
    model, batch = build_model(cfg), make_batch()
    sums = {name: model.get_parameter(f"{name}.weight").sum().item() for name in measured["start"]}
    assert sums == pytest.approx(measured["start"], abs=1e-4)
    fill(model)
    with torch.no_grad():
        images = model.eval().preprocess_image(batch)
        maps = model.backbone(images.tensor)
        proposals = model.proposal_generator(images, maps)[0]
        found = [x["instances"] for x in model(batch)]
    for name, (shape, mean, largest) in measured["maps"].items():
        assert maps[name].shape == shape
        assert [maps[name].mean().item(), maps[name].abs().max().item()] == pytest.approx([mean, largest], rel=1e-5)
    assert_alike([(x.objectness_logits, x.proposal_boxes.tensor) for x in proposals], measured["proposals"])
    assert_alike([(x.scores, x.pred_boxes.tensor) for x in found], measured["detections"])

    optimizer = build_optimizer(cfg, model.train())
    torch.manual_seed(7)
    for expected in measured["losses"]:
        with EventStorage():
            losses = model(batch)
        assert [loss.item() for loss in losses.values()] == pytest.approx(expected, rel=1e-5)
        norms = measured.get("norms", {})
        if norms and expected is measured["losses"][0]:
            sum(losses.values()).backward()
            found = {name: model.get_parameter(f"{name}.weight").grad.norm().item() for name in norms}
            assert found == pytest.approx(norms, rel=1e-3)
            assert sum(p.grad is None for p in model.parameters()) == 11  # the stem and res2 are frozen
            optimizer.step()


def assert_alike(found, expected):
    values = [(len(scores), scores[0].item(), boxes.sum().item()) for scores, boxes in found]
    assert [x for row in values for x in row] == pytest.approx([x for row in expected for x in row], rel=2e-6)


def test_a_narrow_resnet():
    cfg = get_cfg()
    cfg.MODEL.RESNETS.merge_from_list(["STEM_OUT_CHANNELS", 8, "RES2_OUT_CHANNELS", 16, "WIDTH_PER_GROUP", 4])
    cfg.MODEL.RESNETS.merge_from_list(["NORM", "BN", "OUT_FEATURES", ["stem", "res3"], "STRIDE_IN_1X1", False])
    backbone = build_backbone(cfg)  # the stem and res2 are frozen
    shapes = {name: tuple(value.shape) for name, value in backbone(torch.zeros(1, 3, 65, 96)).items()}
    assert shapes == {"stem": (1, 8, 17, 24), "res3": (1, 32, 9, 12)}
    assert [(s.channels, s.stride) for s in backbone.output_shape().values()] == [(8, 4), (32, 8)]
    assert (backbone.res3[0].conv2.stride, backbone.res3[0].conv1.stride) == ((2, 2), (1, 1))
    assert {name.split(".")[0] for name, p in backbone.named_parameters() if p.requires_grad} == {"res3"}
    assert not hasattr(backbone, "res4")
