"""Spatial-temporal attention: which parts of which frames show most of a person (STA, Fu et al., AAAI 2019).

Nothing here has parameters: where the features of a frame are strong is where it is looked at.

Shapes: B clips, N frames of each, C channels, H x W cells of a feature map, K parts (stripes of H / K rows).
"""

import torch
from detectron2.config import CfgNode, configurable
from torch import Tensor, nn

from inet_d2.modeling.clip_fusion import CLIP_FUSION_REGISTRY


def attention_maps(features: Tensor) -> Tensor:
    """The share of each cell in the strength of its frame.

    Args:
        features: (B, N, C, H, W) float.

    Returns:
        (B, N, H, W) float >= 0; the cells of a frame sum to 1, or are all 0 where all its features are.

    Source: arXiv 1811.04129, g_n: squares summed over channels, over their sum.
    """
    strength = features.square().sum(dim=2)
    total = strength.sum(dim=(2, 3), keepdim=True)
    return strength / total.clamp(min=torch.finfo(features.dtype).tiny)


def attention_scores(maps: Tensor, num_parts: int) -> Tensor:
    """The share of each frame in the attention to each part.

    Args:
        maps: (B, N, H, W) of :func:`attention_maps`.
        num_parts: K, a divisor of H.

    Returns:
        (B, N, K) float >= 0; the frames of a part sum to 1, or are all 0 where none shows anything there.

    Raises:
        ValueError: K does not divide H.

    Source: arXiv 1811.04129, S(n, k).
    """
    if num_parts < 1 or maps.shape[2] % num_parts:
        raise ValueError(
            f"attention_scores: expected parts that divide the {maps.shape[2]} rows of the feature map, found "
            f"{num_parts}; change MODEL.VIDEO_REID.NUM_PARTS or the height in INPUT.CLIP.SIZE."
        )
    strength = maps.unflatten(2, (num_parts, -1)).sum(dim=(3, 4))
    return strength / strength.sum(dim=1, keepdim=True).clamp(min=torch.finfo(maps.dtype).tiny)


def fuse(features: Tensor, scores: Tensor) -> Tensor:
    """Join the best view of each part and the weighted mean of all views.

    Args:
        features: (B, N, C, H, W) float.
        scores: (B, N, K) of :func:`attention_scores`.

    Returns:
        (B, 2C, H, W) float: first the discriminative representation (of each part the frame with the largest score, of
        equal ones the first), then the global one (the sum over frames, weighted by the scores).

    Source: arXiv 1811.04129, section on feature fusion.
    """
    num_parts, (batch, _, channels, height, width) = scores.shape[2], features.shape
    parts = features.unflatten(3, (num_parts, height // num_parts))  # (B, N, C, K, H / K, W)
    best = scores.argmax(dim=1)[:, None, None, :, None, None]
    discriminative = parts.gather(1, best.expand(batch, 1, channels, num_parts, height // num_parts, width)).squeeze(1)
    weighted = (scores[:, :, None, :, None, None] * parts).sum(dim=1)
    return torch.cat([discriminative.flatten(2, 3), weighted.flatten(2, 3)], dim=1)


def frame_difference(maps: Tensor, first: Tensor, second: Tensor) -> Tensor:
    """How differently two frames of each clip are looked at.

    Args:
        maps: (B, N, H, W) of :func:`attention_maps`.
        first: (B,) int64 frames.
        second: (B,) int64 frames.

    Returns:
        (B,) float >= 0, Frobenius norm of the difference; its gradient is 0 where the maps are equal.

    Source: arXiv 1811.04129, inter-frame regularisation.
    """
    clips = torch.arange(len(maps), device=maps.device)
    return torch.linalg.vector_norm((maps[clips, first] - maps[clips, second]).flatten(1), dim=1)


@CLIP_FUSION_REGISTRY.register()
class SpatialTemporalAttention(nn.Module):
    """Fuses the frames of clips by attention; see :func:`fuse`.

    Args:
        num_parts: K.
    """

    widening = 2

    @configurable
    def __init__(self, *, num_parts: int) -> None:
        super().__init__()
        self.num_parts = num_parts

    @classmethod
    def from_config(cls, cfg: CfgNode) -> dict:
        """Arguments from MODEL.VIDEO_REID."""
        return {"num_parts": cfg.MODEL.VIDEO_REID.NUM_PARTS}

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Fused maps, and in training the difference of two frames drawn from each clip.

        Args:
            features: (B, N, C, H, W) float.

        Returns:
            (B, 2C, H, W) float, and () float: the mean over clips; 0 in testing and for clips of one frame.

        Raises:
            ValueError: K does not divide H.
        """
        maps = attention_maps(features)
        fused = fuse(features, attention_scores(maps, self.num_parts))
        batch, frames = maps.shape[:2]
        if not self.training or frames == 1:
            return fused, torch.zeros((), dtype=features.dtype, device=features.device)
        first = torch.randint(frames, (batch,), device=maps.device)
        second = (first + torch.randint(1, frames, (batch,), device=maps.device)) % frames
        return fused, frame_difference(maps, first, second).mean()
