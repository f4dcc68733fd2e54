"""Detectron2's box predictor without a classifier: the score comes from the norm of the embedding."""

import torch
from detectron2.config import configurable
from detectron2.layers import ShapeSpec
from detectron2.modeling.roi_heads.fast_rcnn import FastRCNNOutputLayers
from torch import Tensor, nn

_INITIAL_STD = 0.01


class NormScoredOutputLayers(FastRCNNOutputLayers):
    """Box deltas with a batch norm behind them ("BN neck"); class scores are made of given logits.

    Losses and detections are those of the parent: the softmax over (z, 0) is the sigmoid of z, and its cross-entropy
    the binary one, so that a person logit z becomes the two columns person and background.

    Args:
        input_shape: of the region features.
        num_classes: 1.
        **kwargs: arguments of ``FastRCNNOutputLayers``.

    Raises:
        ValueError: more than one class.

    Source: NAE and SeqNet, published code.
    """

    @configurable
    def __init__(self, input_shape: ShapeSpec, *, num_classes: int, **kwargs: object) -> None:
        super().__init__(input_shape, num_classes=num_classes, **kwargs)
        if num_classes != 1:
            raise ValueError(f"MODEL.ROI_HEADS.NUM_CLASSES: expected 1, people, found {num_classes}.")
        del self.cls_score
        self.box_norm = nn.BatchNorm1d(4)
        for layer in (self.bbox_pred, self.box_norm):
            nn.init.normal_(layer.weight, std=_INITIAL_STD)

    def forward(self, x: Tensor, person_logits: Tensor) -> tuple[Tensor, Tensor]:
        """Scores and deltas.

        Args:
            x: (R, F) or (R, F, 1, 1) region features.
            person_logits: (R,).

        Returns:
            ``(scores, deltas)``: (R, 2) logits of person and background, and (R, 4).
        """
        scores = torch.stack([person_logits, torch.zeros_like(person_logits)], dim=1)
        return scores, self.box_norm(self.bbox_pred(x.flatten(start_dim=1)))
