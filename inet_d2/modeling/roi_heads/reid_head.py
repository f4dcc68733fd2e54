"""The layers that turn a region's features into its embedding (paper section 3.1)."""

from detectron2.config import CfgNode, configurable
from detectron2.layers import ShapeSpec, get_norm
from detectron2.modeling.roi_heads import build_box_head
from detectron2.utils.registry import Registry
from torch import Tensor, nn
from torch.nn import functional as F

from inet_d2.modeling.precision import at_least_float32

ROI_REID_HEAD_REGISTRY = Registry("ROI_REID_HEAD")
ROI_REID_HEAD_REGISTRY.__doc__ = """
Embedding heads, chosen by ``MODEL.ROI_REID_HEAD.NAME``. The registered object is called with
``obj(cfg, pooled_shape, feature_shape)``, the shapes of a region before and after the box head, and returns a module:

- ``head(pooled, region_features)`` maps (R, C, H, W) pooled features, and (R, F) what the box head or the fifth stage
  made of them, to embeddings of unit length, (R, D) float; D is ``MODEL.ROI_REID_HEAD.EMBED_DIM`` where a loss is on.
- ``head.needs_region_features``: whether it uses the second argument; where not, it may get None.
"""


def build_reid_head(cfg: CfgNode, pooled_shape: ShapeSpec, feature_shape: ShapeSpec) -> nn.Module:
    """Build the embedding head that ``MODEL.ROI_REID_HEAD.NAME`` names.

    Args:
        cfg: configuration.
        pooled_shape: channels, height and width of a pooled region.
        feature_shape: channels of what the box head, or the fifth stage, makes of it.

    Returns:
        A module as ``ROI_REID_HEAD_REGISTRY`` says.

    Raises:
        ValueError: no head has this name.
    """
    name = cfg.MODEL.ROI_REID_HEAD.NAME
    if name not in ROI_REID_HEAD_REGISTRY:
        known = ", ".join(sorted(key for key, _ in ROI_REID_HEAD_REGISTRY))
        raise ValueError(f'MODEL.ROI_REID_HEAD.NAME: expected one of {known}, found "{name}".')
    return ROI_REID_HEAD_REGISTRY.get(name)(cfg, pooled_shape, feature_shape)


@ROI_REID_HEAD_REGISTRY.register()
class EmbeddingHead(nn.Module):
    """A linear layer (or none), an optional normalisation, and unit length.

    Args:
        input_dim: length of the features it is given.
        embed_dim: D, length of the embedding; None to take the features as they are.
        norm: a name that Detectron2's ``get_norm`` knows, "BN" for instance, or "" for none; needs ``embed_dim``.
        fc: fully-connected layers of its own, applied to the pooled features; None to share the box head's.

    Raises:
        ValueError: ``norm`` is unknown.
    """

    @configurable
    def __init__(self, *, input_dim: int, embed_dim: int | None, norm: str = "", fc: nn.Module | None = None) -> None:
        super().__init__()
        self.fc = fc
        self.embedding = nn.Identity()
        if embed_dim is not None:
            self.embedding = nn.Linear(input_dim, embed_dim)
            nn.init.kaiming_normal_(self.embedding.weight, nonlinearity="linear")
            nn.init.zeros_(self.embedding.bias)
        self.norm = _build_norm(norm, embed_dim)

    @classmethod
    def from_config(cls, cfg: CfgNode, pooled_shape: ShapeSpec, feature_shape: ShapeSpec) -> dict:
        """Arguments from MODEL.ROI_REID_HEAD and the shapes of a region before and after the box head.

        Raises:
            ValueError: EMBEDDING is unknown.
        """
        reid = cfg.MODEL.ROI_REID_HEAD
        if reid.EMBEDDING not in ("learned", "box_head"):
            raise ValueError(
                f'MODEL.ROI_REID_HEAD.EMBEDDING: expected "learned" or "box_head", found "{reid.EMBEDDING}".'
            )
        if reid.EMBEDDING == "box_head":
            return {"input_dim": feature_shape.channels, "embed_dim": None}
        return {
            "input_dim": feature_shape.channels,
            "embed_dim": reid.EMBED_DIM,
            "norm": reid.NORM,
            "fc": build_box_head(cfg, pooled_shape) if reid.SEPARATE_FC else None,
        }

    @property
    def needs_region_features(self) -> bool:
        """Whether it works on the box head's output; False where it has layers of its own."""
        return self.fc is None

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
        x = at_least_float32(self.embedding(x))
        if self.norm is not None:
            # Detectron2's norms are for maps: (R, D) is refused by "BN" and silently misread by "FrozenBN" and "LN".
            # A map of one pixel gives the numbers that BatchNorm1d gives for (R, D), to the last bit on the CPU.
            x = self.norm(x[:, :, None, None]).flatten(1)
        return F.normalize(x)


def _build_norm(name: str, channels: int | None) -> nn.Module | None:
    try:
        return get_norm(name, channels)
    except KeyError:
        raise ValueError(
            'MODEL.ROI_REID_HEAD.NORM: expected "" or one of "BN", "SyncBN", "FrozenBN", "GN" (see Detectron2\'s '
            f'get_norm), found "{name}".'
        ) from None
