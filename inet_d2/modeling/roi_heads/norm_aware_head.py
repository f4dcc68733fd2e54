"""Norm-aware embedding: the direction of a vector says who it is, its length whether it is a person at all."""

import torch
from detectron2.config import CfgNode, configurable
from detectron2.layers import ShapeSpec
from torch import Tensor, nn
from torch.nn import functional as F

from inet_d2.modeling.precision import at_least_float32
from inet_d2.modeling.roi_heads.point_pooling import largest_of_points
from inet_d2.modeling.roi_heads.reid_head import ROI_REID_HEAD_REGISTRY

_INITIAL_STD = 0.01


@ROI_REID_HEAD_REGISTRY.register()
class NormAwareHead(nn.Module):
    """Two linear layers with batch norm, on a region before and after the fifth stage, side by side.

    Args:
        pooled_dim: channels of a pooled region.
        region_dim: length of the features that the fifth stage makes of it.
        embed_dim: D, one half from each of the two; even.

    Raises:
        ValueError: ``embed_dim`` is odd.

    Source: Chen et al. 2020, "Norm-Aware Embedding for Efficient Person Search" (NAE), Eq. 2 and 3, and its published
    code, from which the initial values are.
    """

    needs_region_features = True

    @configurable
    def __init__(self, *, pooled_dim: int, region_dim: int, embed_dim: int) -> None:
        super().__init__()
        if embed_dim % 2:
            raise ValueError(
                f"MODEL.ROI_REID_HEAD.EMBED_DIM: expected an even number for NormAwareHead, found {embed_dim}."
            )
        self.pooled_projector = _projector(pooled_dim, embed_dim // 2)
        self.region_projector = _projector(region_dim, embed_dim // 2)
        # Learns where heads score by the length (`score_by_length`): processes wait for a gradient of all that learns.
        self.rescaler = nn.BatchNorm1d(1).requires_grad_(False)

    @classmethod
    def from_config(cls, cfg: CfgNode, pooled_shape: ShapeSpec, feature_shape: ShapeSpec) -> dict:
        """Arguments from MODEL.ROI_REID_HEAD.EMBED_DIM and the shapes of a region.

        Raises:
            ValueError: EMBEDDING, NORM or SEPARATE_FC ask for what this head has not.
        """
        reid = cfg.MODEL.ROI_REID_HEAD
        if (reid.EMBEDDING, reid.NORM, reid.SEPARATE_FC) != ("learned", "", False):
            raise ValueError(
                'MODEL.ROI_REID_HEAD.NAME is "NormAwareHead", which has batch norms of its own and no fully-connected '
                f'layers: expected EMBEDDING "learned", NORM "" and SEPARATE_FC False, found "{reid.EMBEDDING}", '
                f'"{reid.NORM}" and {reid.SEPARATE_FC}.'
            )
        return {
            "pooled_dim": pooled_shape.channels,
            "region_dim": feature_shape.channels,
            "embed_dim": reid.EMBED_DIM,
        }

    def forward(self, pooled: Tensor, region_features: Tensor) -> Tensor:
        """Embed regions.

        Args:
            pooled: (R, C, H, W) features from RoI pooling; their maximum over H and W is taken.
            region_features: (R, F) what the fifth stage made of them.

        Returns:
            (R, D) float, unit length.
        """
        return F.normalize(self._project(pooled, region_features))

    def score_by_length(self) -> None:
        """Let the layer learn that only :meth:`embed_and_score` passes; heads that call it do this first."""
        self.rescaler.requires_grad_(True)

    def embed_and_score(self, pooled: Tensor, region_features: Tensor) -> tuple[Tensor, Tensor]:
        """Embed regions, and tell from the same vectors whether they are people.

        Args:
            pooled: see :meth:`forward`.
            region_features: see :meth:`forward`.

        Returns:
            ``(embeddings, logits)``: (R, D), unit length, and (R,), whose sigmoid is the probability of a person.
        """
        vectors = self._project(pooled, region_features)
        norms = vectors.norm(dim=1, keepdim=True)
        return F.normalize(vectors), self.rescaler(norms)[:, 0]

    def _project(self, pooled: Tensor, region_features: Tensor) -> Tensor:
        before, after = self.pooled_projector(largest_of_points(pooled)), self.region_projector(region_features)
        vectors = torch.cat([before, after], dim=1)
        return at_least_float32(vectors)


def _projector(input_dim: int, output_dim: int) -> nn.Sequential:
    projector = nn.Sequential(nn.Linear(input_dim, output_dim), nn.BatchNorm1d(output_dim))
    for layer in projector:
        nn.init.normal_(layer.weight, std=_INITIAL_STD)
        nn.init.zeros_(layer.bias)
    return projector
