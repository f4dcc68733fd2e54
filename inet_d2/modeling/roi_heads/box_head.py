"""VGG16's fully-connected layers fc6 and fc7 as a Detectron2 box head with dropout."""

from detectron2.config import CfgNode, configurable
from detectron2.layers import ShapeSpec
from detectron2.modeling.roi_heads import ROI_BOX_HEAD_REGISTRY, FastRCNNConvFCHead
from torch import Tensor
from torch.nn import functional as F


@ROI_BOX_HEAD_REGISTRY.register()
class DropoutBoxHead(FastRCNNConvFCHead):
    """Detectron2's box head with dropout after each fully-connected layer, as VGG16 has it in Caffe.

    Parameter names are those of ``FastRCNNConvFCHead`` (fc1 is the paper's fc6, fc2 its fc7).

    Args:
        input_shape: shape of the pooled features.
        dropout: probability in [0, 1) of setting an activation to zero in training.
        **kwargs: arguments of ``FastRCNNConvFCHead``.

    Raises:
        ValueError: ``dropout`` is out of range.
    """

    @configurable
    def __init__(self, input_shape: ShapeSpec, *, dropout: float, **kwargs: object) -> None:
        super().__init__(input_shape, **kwargs)
        if not 0.0 <= dropout < 1.0:
            raise ValueError(f"MODEL.ROI_BOX_HEAD.DROPOUT: expected a number in [0, 1), found {dropout}.")
        self.dropout = dropout

    @classmethod
    def from_config(cls, cfg: CfgNode, input_shape: ShapeSpec) -> dict:
        """Arguments of the parent, and MODEL.ROI_BOX_HEAD.DROPOUT."""
        return {**super().from_config(cfg, input_shape), "dropout": cfg.MODEL.ROI_BOX_HEAD.DROPOUT}

    def forward(self, x: Tensor) -> Tensor:
        """Map (R, C, H, W) pooled features to (R, FC_DIM)."""
        for name, layer in self.named_children():
            x = layer(x)
            if name.startswith("fc_relu") and self.dropout:
                x = F.dropout(x, self.dropout, self.training)
        return x
