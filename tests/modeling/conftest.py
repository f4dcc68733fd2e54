import pytest
import torch
from detectron2.config import get_cfg
from detectron2.structures import Boxes, Instances

from inet_d2 import add_inet_config


@pytest.fixture
def tiny_cfg():
    """A network that takes a few milliseconds a step."""
    cfg = get_cfg()
    add_inet_config(cfg)
    cfg.merge_from_file("configs/Base-INet-VGG16.yaml")
    cfg.MODEL.DEVICE = "cpu"
    cfg.MODEL.BACKBONE.FREEZE_AT = 1
    cfg.MODEL.VGG.WIDTH_FACTOR = 0.125
    cfg.MODEL.ANCHOR_GENERATOR.SIZES = [[24, 48]]
    cfg.MODEL.RPN.POST_NMS_TOPK_TRAIN = 60
    cfg.MODEL.RPN.POST_NMS_TOPK_TEST = 20
    cfg.MODEL.ROI_HEADS.BATCH_SIZE_PER_IMAGE = 16
    cfg.MODEL.ROI_HEADS.SCORE_THRESH_TEST = 0.0
    cfg.MODEL.ROI_BOX_HEAD.FC_DIM = 32
    cfg.MODEL.ROI_BOX_HEAD.DROPOUT = 0.0
    cfg.MODEL.ROI_REID_HEAD.EMBED_DIM = 16
    cfg.MODEL.ROI_REID_HEAD.NUM_PIDS = 6
    cfg.MODEL.ROI_REID_HEAD.DICTIONARY.SIZE = 50
    cfg.MODEL.ROI_REID_HEAD.HEP.NUM_CLASSES = 5
    return cfg


@pytest.fixture
def make_image():
    """One training input: make_image([(box, pid), ...])."""

    def make(people, seed=0, size=(96, 128)):
        generator = torch.Generator().manual_seed(seed)
        boxes = torch.tensor([box for box, _ in people], dtype=torch.float32).reshape(-1, 4)
        instances = Instances(
            size,
            gt_boxes=Boxes(boxes),
            gt_classes=torch.zeros(len(people), dtype=torch.int64),
            gt_pids=torch.tensor([pid for _, pid in people], dtype=torch.int64),
        )
        image = torch.randint(0, 256, (3, *size), dtype=torch.uint8, generator=generator)
        return {"image": image, "instances": instances, "height": size[0], "width": size[1]}

    return make
