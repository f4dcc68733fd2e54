"""Tiny runs on the tiny scenes."""

import pytest

from inet_d2.engine import load_config
from places import config_path

# The three training loaders, each with a model that it feeds.
KINDS = {
    "pairs": ("inet", []),
    "crops": ("crops", []),
    "images": (
        "inet",
        ["DATALOADER.TRAIN_LOADER", "build_image_train_loader", "MODEL.ROI_REID_HEAD.OLP.ENABLED", False,
         "MODEL.ROI_REID_HEAD.HEP.ENABLED", False, "MODEL.ROI_REID_HEAD.OIM.ENABLED", True,
         "DATALOADER.ASPECT_RATIO_GROUPING", True],
    ),
}  # fmt: skip


@pytest.fixture
def run_cfg(tiny_datasets, tmp_path):
    """run_cfg("pairs", KEY, VALUE, ...): configuration of a run in tmp_path, without weights and evaluation."""

    def make(kind="pairs", *options):
        stage, own = KINDS[kind]
        words = ["MODEL.WEIGHTS", "", "DATASETS.TEST", "()", "OUTPUT_DIR", tmp_path / "run", *own, *options]
        return load_config(config_path(f"quick_schedules/{stage}_instant_test.yaml"), [str(word) for word in words])

    return make
