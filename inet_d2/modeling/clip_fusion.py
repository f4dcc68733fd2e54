"""What makes one feature map of those of a clip's frames: the registry, and the control row, their mean."""

import torch
from detectron2.config import CfgNode, configurable
from detectron2.utils.registry import Registry
from torch import Tensor, nn

CLIP_FUSION_REGISTRY = Registry("CLIP_FUSION")
CLIP_FUSION_REGISTRY.__doc__ = """
Modules chosen by ``MODEL.VIDEO_REID.FUSION``. The registered object is called with ``obj(cfg)`` and returns a module:

- ``fusion(features)`` maps (B, N, C, H, W) float, the feature maps of B clips of N frames, to (B, C', H, W) float and a
  regularisation, () float >= 0, which training adds with the weight ``MODEL.VIDEO_REID.REG_WEIGHT``. N may differ
  between calls; in testing it does.
- ``fusion.widening`` is C' / C.
"""


def build_clip_fusion(cfg: CfgNode) -> nn.Module:
    """Build the module that ``MODEL.VIDEO_REID.FUSION`` names.

    Raises:
        ValueError: no module has this name.
    """
    name = cfg.MODEL.VIDEO_REID.FUSION
    if name not in CLIP_FUSION_REGISTRY:
        known = ", ".join(sorted(key for key, _ in CLIP_FUSION_REGISTRY))
        raise ValueError(f'MODEL.VIDEO_REID.FUSION: expected one of {known}, found "{name}".')
    return CLIP_FUSION_REGISTRY.get(name)(cfg)


@CLIP_FUSION_REGISTRY.register()
class AveragePooling(nn.Module):
    """The mean over frames: all frames count alike everywhere."""

    widening = 1

    @configurable
    def __init__(self) -> None:
        super().__init__()

    @classmethod
    def from_config(cls, cfg: CfgNode) -> dict:
        """There is nothing to set."""
        del cfg
        return {}

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """The mean, (B, C, H, W), and no regularisation."""
        return features.mean(dim=1), torch.zeros((), dtype=features.dtype, device=features.device)
