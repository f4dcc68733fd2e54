"""The interface of a descriptor, and the registry that a configuration chooses from."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from fvcore.common.config import CfgNode
from fvcore.common.registry import Registry

DESCRIPTOR_REGISTRY = Registry("DESCRIPTOR")
DESCRIPTOR_REGISTRY.__doc__ = """
Descriptors of person crops: classes derived from :class:`Descriptor`, used where ``TWO_STEP.DESCRIPTOR`` is their name.
"""


class Descriptor:
    """Turns crops of people into rows of numbers.

    Args:
        size: (h, w) of the crops in pixels.
    """

    def __init__(self, *, size: tuple[int, int]) -> None:
        self.size = (int(size[0]), int(size[1]))

    @classmethod
    def from_config(cls, node: CfgNode) -> dict[str, Any]:
        """Arguments of ``__init__`` from the configuration node ``TWO_STEP``."""
        raise NotImplementedError

    def fit(self, batches: Iterable[np.ndarray]) -> None:
        """Learn from training crops; nothing for a descriptor that has nothing to learn.

        Args:
            batches: arrays as for :meth:`describe`; it may be gone through several times.
        """

    def describe(self, crops: np.ndarray) -> np.ndarray:
        """Describe crops, each by itself.

        Args:
            crops: (n, h, w, 3) uint8 RGB.

        Returns:
            (n, D) float32.
        """
        raise NotImplementedError


def build_descriptor(node: CfgNode) -> Descriptor:
    """Build the descriptor that a configuration names.

    Args:
        node: ``cfg.TWO_STEP``.

    Returns:
        The descriptor, not fitted.

    Raises:
        ValueError: there is no descriptor of that name, or a setting does not fit it.
    """
    name = node.DESCRIPTOR
    if name not in DESCRIPTOR_REGISTRY:
        known = ", ".join(known for known, _ in DESCRIPTOR_REGISTRY)
        raise ValueError(f"TWO_STEP.DESCRIPTOR: expected one of {known}, found {name!r}")
    descriptor_class = DESCRIPTOR_REGISTRY.get(name)
    return descriptor_class(**descriptor_class.from_config(node))
