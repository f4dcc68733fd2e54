"""Anchors whose corners lie on whole pixels, as the published weights of NAE and SeqNet expect them."""

from collections.abc import Sequence

import torch
from detectron2.modeling.anchor_generator import ANCHOR_GENERATOR_REGISTRY, DefaultAnchorGenerator
from torch import Tensor


@ANCHOR_GENERATOR_REGISTRY.register()
class RoundedAnchorGenerator(DefaultAnchorGenerator):
    """Detectron2's generator with rounded corners, and with the ratios, not the sizes, in the outer loop.

    Both matter to weights that were trained with them: another order mixes up the outputs of the RPN, and unrounded
    corners move its boxes by up to half a pixel. MODEL.ANCHOR_GENERATOR.OFFSET has to be 0.

    Args:
        **kwargs: arguments of ``DefaultAnchorGenerator``.

    Source: the anchor generator of torchvision 0.4, on which NAE and SeqNet are built.
    """

    def generate_cell_anchors(
        self, sizes: Sequence[float] = (32, 64, 128, 256, 512), aspect_ratios: Sequence[float] = (0.5, 1, 2)
    ) -> Tensor:
        """Anchors around the origin.

        Args:
            sizes: square roots of areas, pixels.
            aspect_ratios: height / width.

        Returns:
            (ratios * sizes, 4) float32 XYXY of whole numbers; halves are rounded to even.
        """
        stretch = torch.as_tensor(aspect_ratios, dtype=torch.float32).sqrt()[:, None]
        size = torch.as_tensor(sizes, dtype=torch.float32)
        half_width, half_height = ((size / stretch / 2).flatten(), (size * stretch / 2).flatten())
        return torch.stack([-half_width, -half_height, half_width, half_height], dim=1).round()
