from pathlib import Path

import pytest
import torch
from detectron2.modeling import build_model

from inet_d2.engine import load_config

CONFIGS = Path(__file__).parents[3] / "configs"
NARROW = [
    "MODEL.DEVICE", "cpu", "MODEL.RESNETS.STEM_OUT_CHANNELS", "8", "MODEL.RESNETS.RES2_OUT_CHANNELS", "16",
    "MODEL.RESNETS.WIDTH_PER_GROUP", "4", "MODEL.ROI_REID_HEAD.EMBED_DIM", "8", "MODEL.ROI_REID_HEAD.NUM_PIDS", "6",
    "MODEL.ROI_REID_HEAD.OIM.QUEUE_SIZE", "7", "MODEL.RPN.POST_NMS_TOPK_TEST", "20",
    "MODEL.RPN.POST_NMS_TOPK_TRAIN", "30", "MODEL.ROI_HEADS.BATCH_SIZE_PER_IMAGE", "16",
    "MODEL.ANCHOR_GENERATOR.SIZES", "[[16,32,64]]", "MODEL.ROI_REID_HEAD.DICTIONARY.SIZE", "40",
    "MODEL.ROI_REID_HEAD.HEP.NUM_CLASSES", "4",
]  # fmt: skip


@pytest.fixture(scope="session")
def strong_cfg():
    """A configuration of the repository, narrow enough for quick steps: strong_cfg("seqnet_r50", *options)."""

    def make(name, *options):
        return load_config(str(CONFIGS / f"CUHK-SYSU/{name}.yaml"), [*NARROW, *options])

    return make


@pytest.fixture
def strong_model(strong_cfg):
    """The same as a model."""

    def make(name, *options):
        torch.manual_seed(0)
        return build_model(strong_cfg(name, *options))

    return make
