"""The two functions that are exported, as modules: image -> people, and image and boxes -> embeddings."""

import copy

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from inet_d2.export.detection import detect, embed_boxes
from inet_d2.export.proposals import propose
from inet_d2.export.selection import frame_limits
from inet_d2.modeling.meta_arch.inet import INet
from inet_d2.modeling.roi_heads.identity_branch import IdentityBranch


class _OneImage(nn.Module):
    """A model's maps of one image.

    Args:
        model: in evaluation mode, on the CPU.
    """

    def __init__(self, model: INet) -> None:
        super().__init__()
        self.backbone, self.heads = model.backbone, _without_losses(model.roi_heads)
        self.register_buffer("mean", model.pixel_mean)
        self.register_buffer("std", model.pixel_std)
        self.smallest_side = model.smallest_side
        # Powers of two, of which the larger one is a multiple of the other; see INet.preprocess_image.
        self.step = max(model.backbone.size_divisibility, model.pad_to, 1)

    def _features(self, image: Tensor) -> dict[str, Tensor]:
        """Normalise, pad with zeros at the right and at the bottom; (1, 3, H, W) -> maps by name."""
        height, width = (self._missing(side) for side in image.shape[-2:])
        return self.backbone(F.pad((image - self.mean) / self.std, (0, width, 0, height)))

    def _missing(self, side: int | Tensor) -> int | Tensor:
        """Pixels up to the next multiple of the step, and to the smallest side."""
        # Not -(-side // step): ONNX divides negative numbers towards zero.
        whole = (side + self.step - 1) // self.step * self.step
        if isinstance(whole, Tensor):  # in a trace; a plain max() would make a constant of it
            return whole.clamp(min=self.smallest_side) - side
        if isinstance(whole, torch.SymInt):  # in torch.export, which is told that no side is that small
            return whole - side
        return max(whole, self.smallest_side) - side


def _without_losses(heads: IdentityBranch) -> IdentityBranch:
    """The same heads without dictionary and classifier, which would lie unused in every file."""
    bare = copy.copy(heads)
    bare._modules = {name: part for name, part in heads._modules.items() if name != "identity_losses"}
    return bare


class WholePicture(_OneImage):
    """Image -> (n, 4) boxes XYXY in its pixels, (n,) scores in [0, 1], (n, D) embeddings of unit length; best first.

    Args:
        model: one that detects.
    """

    input_names, output_names = ("image",), ("boxes", "scores", "embeddings")

    def __init__(self, model: INet) -> None:
        super().__init__(model)
        self.rpn = model.proposal_generator

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Detect and embed people.

        Args:
            image: (1, 3, H, W) float32, values 0-255 in the order of INPUT.FORMAT, of any height and width.
        """
        features, limits = self._features(image), frame_limits(image)
        return tuple(detect(self.heads, features, propose(self.rpn, features, limits), limits))


class GivenBoxes(_OneImage):
    """Image and (n, 4) boxes XYXY in its pixels -> (n, D) embeddings of unit length; n may be 0."""

    input_names, output_names = ("image", "boxes"), ("embeddings",)

    def forward(self, image: Tensor, boxes: Tensor) -> Tensor:
        """Embed boxes.

        Args:
            image: see :meth:`WholePicture.forward`.
            boxes: (n, 4) float32.
        """
        return embed_boxes(self.heads, self._features(image), boxes, frame_limits(image))
