"""Detectron2's Faster R-CNN on ResNet-50, and our models on the same backbones."""

import pickle

import torch
from detectron2.checkpoint import DetectionCheckpointer
from detectron2.config import get_cfg
from detectron2.modeling import build_model
from detectron2.solver import build_optimizer

from experiments import experiment
from experiments.filling import digest, fill, numbers
from experiments.models import SCHEDULE, detect, person_batch, run_model, take_steps

FPN = {
    "MODEL.BACKBONE.NAME": "build_resnet_fpn_backbone",
    "MODEL.RESNETS.OUT_FEATURES": ["res2", "res3", "res4", "res5"],
    "MODEL.FPN.IN_FEATURES": ["res2", "res3", "res4", "res5"],
    "MODEL.ANCHOR_GENERATOR.SIZES": [[32], [64], [128], [256], [512]],
    "MODEL.RPN.IN_FEATURES": ["p2", "p3", "p4", "p5", "p6"],
    "MODEL.RPN.PRE_NMS_TOPK_TRAIN": 2000,
    "MODEL.RPN.PRE_NMS_TOPK_TEST": 1000,
    "MODEL.RPN.POST_NMS_TOPK_TRAIN": 1000,
    "MODEL.ROI_HEADS.NAME": "StandardROIHeads",
    "MODEL.ROI_HEADS.IN_FEATURES": ["p2", "p3", "p4", "p5"],
    "MODEL.ROI_BOX_HEAD.NAME": "FastRCNNConvFCHead",
    "MODEL.ROI_BOX_HEAD.NUM_FC": 2,
    "MODEL.ROI_BOX_HEAD.POOLER_RESOLUTION": 7,
}
# For models whose regions all pass the fifth stage.
FEW_REGIONS = ["MODEL.ROI_HEADS.BATCH_SIZE_PER_IMAGE", "16", "MODEL.RPN.POST_NMS_TOPK_TEST", "30"]


def detector(keys: dict):
    """Configuration and filled model of Detectron2's own Faster R-CNN with one class."""
    cfg = get_cfg()
    common = {
        "MODEL.DEVICE": "cpu",
        "MODEL.PIXEL_STD": [57.375, 57.12, 58.395],
        "MODEL.ROI_HEADS.NUM_CLASSES": 1,
        "MODEL.ROI_HEADS.BATCH_SIZE_PER_IMAGE": 64,
        "MODEL.RPN.POST_NMS_TOPK_TEST": 100,
        "SOLVER.BASE_LR": 0.002,
    }
    cfg.merge_from_list([part for item in {**common, **keys}.items() for part in item])
    cfg.merge_from_list(SCHEDULE)
    return cfg, fill(build_model(cfg))


def run_detector(keys: dict) -> dict:
    cfg, model = detector(keys)
    batch = person_batch()
    for x, most in zip(batch, (2, 1), strict=True):
        x["instances"] = x["instances"][:most]
    with torch.no_grad():
        images = model.preprocess_image(batch)
        features = model.eval().backbone(images.tensor)
        proposals, _ = model.proposal_generator(images, features, None)
    return {
        "names": [f"{name} {tuple(value.shape)}" for name, value in model.state_dict().items()],
        "features": {name: digest(value) for name, value in features.items()},
        "divisibility": model.backbone.size_divisibility,
        "proposals": proposals,
        "detections": detect(model, batch),
        "training": take_steps(cfg, model, batch, build_optimizer),
    }


@experiment
def faster_rcnn_r50_c4(folder):
    return run_detector({})


@experiment
def faster_rcnn_r50_fpn(folder):
    return run_detector(FPN)


@experiment
def resnet_18_and_random_weights(folder):
    """Plain blocks, the stride in the 3 x 3, and the same weights from the same seed."""
    result = {}
    plain = {"MODEL.RESNETS.DEPTH": 18, "MODEL.RESNETS.RES2_OUT_CHANNELS": 64, **FPN}
    for name, keys in (("18", plain), ("fpn", FPN), ("c4", {}), ("torch", {"MODEL.RESNETS.STRIDE_IN_1X1": False})):
        torch.manual_seed(0)
        cfg, model = detector(keys)
        with torch.no_grad():
            features = model.eval().backbone(torch.randn(1, 3, 64, 96))
        torch.manual_seed(0)
        start = build_model(cfg).state_dict()
        result[name] = [features, {key: digest(value) for key, value in start.items()}]
    return result


@experiment
def inet_r50_c4(folder):
    return run_model("configs/CUHK-SYSU/inet_r50_c4.yaml", *FEW_REGIONS, steps=1)


@experiment
def inet_r50_fpn(folder):
    return run_model("configs/CUHK-SYSU/inet_r50_fpn.yaml", *FEW_REGIONS, steps=1)


@experiment
def oim_r50_c4(folder):
    """The second step finds people in the lookup table."""
    return run_model("configs/CUHK-SYSU/oim_r50_c4.yaml", *FEW_REGIONS, steps=2)


@experiment
def published_weights(folder):
    """A .pkl of the model zoo: names without their prefix find their place in a backbone and in the fifth stage."""
    result = {}
    _, whole = detector(FPN)
    prefix = "backbone.bottom_up."
    weights = {
        name.removeprefix(prefix): numbers(f"published {name}", value.shape).numpy()
        for name, value in whole.state_dict().items()
        if name.startswith(prefix)
    }
    weights["stem.fc.weight"] = numbers("fc", torch.Size([10, 4])).numpy()
    path = folder / "published.pkl"
    with open(path, "wb") as file:
        pickle.dump({"model": weights, "__author__": "torchvision", "matching_heuristics": True}, file)
    for name, keys in (("c4", {}), ("fpn", FPN)):
        _, model = detector(keys)
        rest = DetectionCheckpointer(model).load(str(path))
        result[name] = [sorted(rest), {key: digest(value.clone()) for key, value in model.state_dict().items()}]
    path.unlink()
    return result
