import numpy as np
import pytest
import torch

from inet_d2.engine import INetTrainer
from narrow import narrow_config

# A configuration for each kind of heads, of pooling and of maps; with deltas that move boxes.
MODELS = {
    "inet": ("Base-INet-VGG16.yaml", ["MODEL.ANCHOR_GENERATOR.SIZES", [[24, 48]]]),
    "final_box": ("quick_schedules/inet_instant_test.yaml", []),
    "oim": ("CUHK-SYSU/oim_r50_c4.yaml", ["MODEL.ANCHOR_GENERATOR.SIZES", [[24, 48]]]),
    "nae": ("CUHK-SYSU/nae_r50.yaml", ["MODEL.ANCHOR_GENERATOR.SIZES", [[16, 32, 64]]]),
    "seqnet": ("CUHK-SYSU/seqnet_r50.yaml", ["MODEL.ANCHOR_GENERATOR.SIZES", [[16, 32, 64]]]),
    "fpn": ("CUHK-SYSU/inet_r50_fpn.yaml", ["MODEL.ANCHOR_GENERATOR.SIZES", [[8], [16], [32], [64], [128]]]),
}
CROPS = ("quick_schedules/crops_instant_test.yaml", [])


@pytest.fixture(scope="session")
def make_model():
    """make_model("nae", KEY, VALUE, ...): a narrow model in evaluation mode whose scores and boxes differ."""

    def make(name, *options):
        config, own = {**MODELS, "crops": CROPS}[name]
        torch.manual_seed(0)
        model = INetTrainer.build_model(narrow_config(config, [*own, *options])).eval()
        generator = torch.Generator().manual_seed(1)
        for key, value in model.state_dict().items():
            if key.endswith(
                ("bbox_pred.weight", "cls_score.weight", "anchor_deltas.weight", "objectness_logits.weight")
            ):
                # The pyramid's random maps have large values, on which large weights make noise of rounding.
                value.copy_(torch.randn(value.shape, generator=generator) * (0.002 if name == "fpn" else 0.05))
        return model

    return make


@pytest.fixture(scope="session")
def images():
    """Wide, high, and a few rows alone; no side is a multiple of a stride."""
    generator = np.random.default_rng(0)
    sizes = [(101, 150), (133, 90), (9, 70)]
    return [generator.uniform(0, 255, (1, 3, *size)).astype(np.float32) for size in sizes]
