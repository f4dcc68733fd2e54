"""Networks that take a few milliseconds a step."""

from collections.abc import Sequence
from typing import Any

from detectron2.config import CfgNode

from inet_d2.engine import load_config
from places import config_path

_NARROW = {
    "MODEL.DEVICE": "cpu",
    "MODEL.WEIGHTS": "",
    "MODEL.VGG.WIDTH_FACTOR": 0.125,
    "MODEL.RESNETS.STEM_OUT_CHANNELS": 8,
    "MODEL.RESNETS.RES2_OUT_CHANNELS": 16,
    "MODEL.RESNETS.WIDTH_PER_GROUP": 4,
    "MODEL.SWIN.EMBED_DIM": 12,
    "MODEL.SWIN.DEPTHS": (1, 2, 1, 1),
    "MODEL.FPN.OUT_CHANNELS": 32,
    "MODEL.RPN.POST_NMS_TOPK_TRAIN": 60,
    "MODEL.RPN.POST_NMS_TOPK_TEST": 20,
    "MODEL.ROI_HEADS.BATCH_SIZE_PER_IMAGE": 16,
    "MODEL.ROI_HEADS.SCORE_THRESH_TEST": 0.0,
    "MODEL.ROI_BOX_HEAD.FC_DIM": 32,
    "MODEL.ROI_BOX_HEAD.DROPOUT": 0.0,
    "MODEL.ROI_REID_HEAD.EMBED_DIM": 16,
    "MODEL.ROI_REID_HEAD.NUM_PIDS": 6,
    "MODEL.ROI_REID_HEAD.DICTIONARY.SIZE": 50,
    "MODEL.ROI_REID_HEAD.HEP.NUM_CLASSES": 5,
    "MODEL.ROI_REID_HEAD.OIM.QUEUE_SIZE": 7,
}


def narrow_config(config_file: str, options: Sequence[Any] = ()) -> CfgNode:
    """One of our configurations with few channels, regions and identities.

    Args:
        config_file: path inside ``configs``.
        options: KEY VALUE KEY VALUE ..., applied on top.

    Returns:
        The configuration, on the CPU and without weights.
    """
    narrow = [word for pair in _NARROW.items() for word in pair]
    return load_config(config_path(config_file), [*narrow, *options])
