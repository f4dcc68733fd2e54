import torch
from torch import nn

from ...utils.registry import Registry

META_ARCH_REGISTRY = Registry("META_ARCH")


def build_model(cfg) -> nn.Module:
    """The model that MODEL.META_ARCHITECTURE names, on MODEL.DEVICE; loads no weights."""
    return META_ARCH_REGISTRY.get(cfg.MODEL.META_ARCHITECTURE)(cfg).to(torch.device(cfg.MODEL.DEVICE))
