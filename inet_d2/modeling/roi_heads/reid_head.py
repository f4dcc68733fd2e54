"""The layers that turn a region's features into its embedding (paper section 3.1)."""

from detectron2.config import CfgNode, configurable
from detectron2.layers import ShapeSpec
from detectron2.modeling.roi_heads import build_box_head
from torch import Tensor, nn
from torch.nn import functional as F


class EmbeddingHead(nn.Module):
    """A linear layer (or none), an optional batch norm, and unit length.

    Args:
        input_dim: length of the features it is given.
        embed_dim: D, length of the embedding; None to take the features as they are.
        norm: "" or "BN"; needs ``embed_dim``.
        fc: fully-connected layers of its own, applied to the pooled features; None to share the box head's.

    Raises:
        ValueError: ``norm`` is unknown.
    """

    @configurable
    def __init__(self, *, input_dim: int, embed_dim: int | None, norm: str = "", fc: nn.Module | None = None) -> None:
        super().__init__()
        if norm not in ("", "BN"):
            raise ValueError(f'MODEL.ROI_REID_HEAD.NORM: expected "" or "BN", got "{norm}".')
        self.fc = fc
        self.embedding = nn.Identity()
        if embed_dim is not None:
            self.embedding = nn.Linear(input_dim, embed_dim)
            nn.init.kaiming_normal_(self.embedding.weight, nonlinearity="linear")
            nn.init.zeros_(self.embedding.bias)
        self.norm = nn.BatchNorm1d(embed_dim) if norm else None

    @classmethod
    def from_config(cls, cfg: CfgNode, pooled_shape: ShapeSpec, feature_shape: ShapeSpec) -> dict:
        """Arguments from MODEL.ROI_REID_HEAD and the shapes of a region before and after the box head.

        Raises:
            ValueError: EMBEDDING is unknown.
        """
        reid = cfg.MODEL.ROI_REID_HEAD
        if reid.EMBEDDING not in ("learned", "box_head"):
            raise ValueError(
                f'MODEL.ROI_REID_HEAD.EMBEDDING: expected "learned" or "box_head", got "{reid.EMBEDDING}".'
            )
        if reid.EMBEDDING == "box_head":
            return {"input_dim": feature_shape.channels, "embed_dim": None}
        return {
            "input_dim": feature_shape.channels,
            "embed_dim": reid.EMBED_DIM,
            "norm": reid.NORM,
            "fc": build_box_head(cfg, pooled_shape) if reid.SEPARATE_FC else None,
        }

    def forward(self, pooled: Tensor, region_features: Tensor | None) -> Tensor:
        """Embed regions.

        Args:
            pooled: (R, C, H, W) features from RoI pooling.
            region_features: (R, F) what the box head, or the fifth stage, made of them; not used when this head has
                layers of its own.

        Returns:
            (R, D) float, unit length.
        """
        x = region_features if self.fc is None else self.fc(pooled)
        x = self.embedding(x)
        if self.norm is not None:
            x = self.norm(x)
        return F.normalize(x)
