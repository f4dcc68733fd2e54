import numpy as np
import pytest
import torch
from detectron2.modeling import build_backbone

from inet_d2.baselines.detectors import build_detector
from inet_d2.engine import load_config
from places import config_path


@pytest.fixture
def cfg():
    return load_config(config_path("demo/ccf.yaml"))


@pytest.fixture
def backbone(cfg, tmp_path):
    torch.manual_seed(0)
    backbone = build_backbone(cfg).eval()
    state = {f"backbone.{name}": value for name, value in backbone.state_dict().items()}
    torch.save({"model": state}, tmp_path / "model.pth")
    cfg.DETECTOR.WEIGHTS = str(tmp_path / "model.pth")
    return backbone


def test_channels_are_conv3_3_of_the_checkpoint(cfg, backbone, make_crops):
    image = make_crops(1, 96, 64)[0]
    found = build_detector(cfg).channels(image)
    assert found.shape == (24, 16, 64)  # a quarter of 256 channels, a quarter of the sides
    # The network itself on the mirrored image, far from its border.
    mirrored = np.pad(image[..., ::-1], ((32, 32), (32, 32), (0, 0)), mode="symmetric").astype(np.float32)
    pixels = torch.from_numpy((mirrored - cfg.MODEL.PIXEL_MEAN) / cfg.MODEL.PIXEL_STD).float().permute(2, 0, 1)[None]
    with torch.no_grad():
        x = backbone.stack1(pixels)
        x = backbone.stack3(torch.max_pool2d(backbone.stack2(torch.max_pool2d(x, 2)), 2))[0]
    np.testing.assert_allclose(found, x.permute(1, 2, 0)[8:-8, 8:-8].numpy(), rtol=1e-4, atol=1e-4)


def test_weights_that_do_not_fit(cfg, backbone, tmp_path):
    torch.save({"model": {"backbone.stem.weight": torch.ones(1)}}, tmp_path / "other.pth")
    cfg.DETECTOR.WEIGHTS = str(tmp_path / "other.pth")
    with pytest.raises(ValueError, match=r"expected a VGG16 backbone as MODEL\.VGG says, found no stack1"):
        build_detector(cfg)
    cfg.DETECTOR.WEIGHTS = ""
    with pytest.raises(ValueError, match="CCF as published needs ImageNet weights"):
        build_detector(cfg)
    cfg.DETECTOR.WEIGHTS = str(tmp_path / "model.pth")
    cfg.MODEL.VGG.WIDTH_FACTOR = 0.5
    with pytest.raises(ValueError, match=r"expected a VGG16 as MODEL\.VGG says"):
        build_detector(cfg)
