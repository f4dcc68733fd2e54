"""CCF: convolutional channel features under boosted trees (Yang et al., ICCV 2015, arXiv 1504.07339)."""

from typing import Any

import cv2
import numpy as np
import torch
from detectron2.config import CfgNode
from torch import nn

from inet_d2.baselines.detectors.detector import PERSON_DETECTOR_REGISTRY, PersonDetector
from inet_d2.modeling.backbone.vgg import VGG16

_MIRRORED = 32  # pixels of mirrored image around, so that the network's zeros stay outside


@PERSON_DETECTOR_REGISTRY.register()
class CCF(PersonDetector):
    """conv3_3 of VGG16 in the place of ACF's channels: 256 maps, 131,072 features a window.

    Args:
        network: maps (1, 3, h, w) normalised images to (1, C, h / 4, w / 4).
        pixel_mean, pixel_std: of the network's input, in the order of ``image_format``.
        image_format: "RGB" or "BGR".
        **kwargs: arguments of :class:`PersonDetector`.
    """

    def __init__(
        self,
        *,
        network: nn.Module,
        pixel_mean: tuple[float, ...],
        pixel_std: tuple[float, ...],
        image_format: str = "BGR",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._network = network.eval()
        self._mean, self._std = np.float32(pixel_mean), np.float32(pixel_std)
        self._is_bgr = image_format == "BGR"

    @classmethod
    def from_config(cls, cfg: CfgNode) -> dict[str, Any]:
        """Read ``DETECTOR``, ``MODEL.{VGG, PIXEL_MEAN, PIXEL_STD}`` and ``INPUT.FORMAT``, and the network's weights."""
        return {
            **super().from_config(cfg),
            "network": _load_network(cfg).to(cfg.MODEL.DEVICE),
            "pixel_mean": cfg.MODEL.PIXEL_MEAN,
            "pixel_std": cfg.MODEL.PIXEL_STD,
            "image_format": cfg.INPUT.FORMAT,
        }

    @torch.no_grad()
    def channels(self, image: np.ndarray) -> np.ndarray:
        """(h, w, 3) uint8 RGB to (h / 4, w / 4, C) float32."""
        edges = (_MIRRORED,) * 4
        image = cv2.copyMakeBorder(image[..., ::-1] if self._is_bgr else image, *edges, cv2.BORDER_REFLECT)
        device = next(self._network.parameters()).device
        pixels = torch.from_numpy((image - self._mean) / self._std).permute(2, 0, 1)[None].to(device)
        maps = self._network(pixels)[0].permute(1, 2, 0).cpu().numpy()
        cut = _MIRRORED // self.window.shrink
        return np.ascontiguousarray(maps[cut:-cut, cut:-cut])


def _load_network(cfg: CfgNode) -> nn.Module:
    """conv1_1 to conv3_3 with the weights of a checkpoint."""
    path = cfg.DETECTOR.WEIGHTS
    if not path:
        raise ValueError(
            "DETECTOR.WEIGHTS: expected a checkpoint with a VGG16 backbone, found none; CCF as published needs "
            "ImageNet weights (tools/convert_weights.py), the demo takes those of its first stage"
        )
    vgg = VGG16(
        in_channels=3, out_features=["conv3_3"], width_factor=cfg.MODEL.VGG.WIDTH_FACTOR, norm=cfg.MODEL.VGG.NORM
    )
    network = nn.Sequential(vgg.stack1, nn.MaxPool2d(2, 2), vgg.stack2, nn.MaxPool2d(2, 2), vgg.stack3)
    wanted = {name for name in vgg.state_dict() if name.startswith(("stack1", "stack2", "stack3"))}
    state = torch.load(path, map_location="cpu", weights_only=True)
    state = state.get("model", state)
    found = {n.removeprefix("backbone."): torch.as_tensor(v) for n, v in state.items()}
    missing = sorted(wanted - found.keys())
    if missing:
        raise ValueError(
            f"DETECTOR.WEIGHTS: {path}: expected a VGG16 backbone as MODEL.VGG says, found no {missing[0]}; give a "
            "checkpoint of that network"
        )
    try:
        vgg.load_state_dict({n: v for n, v in found.items() if n in wanted}, strict=False)
    except RuntimeError as error:
        raise ValueError(f"DETECTOR.WEIGHTS: {path}: expected a VGG16 as MODEL.VGG says ({error})") from error
    return network
