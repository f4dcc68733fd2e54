"""Verification loss: are two regions the same person?"""

import torch
from detectron2.config import CfgNode, configurable
from torch import Tensor, nn
from torch.nn import functional as F

from inet_d2.data.pids import is_labelled
from inet_d2.modeling.identity.batch import IdentityBatch
from inet_d2.modeling.identity.term import IDENTITY_TERM_REGISTRY, IdentityTerm


def squared_difference_logits(embeddings: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Linear classifier of the squared difference of every two embeddings.

    ``w . (x - y)^2 + b`` is expanded, so that no (R, R, D) tensor is made. With equal weights and unit embeddings it
    is a scaled and shifted cosine.

    Args:
        embeddings: (R, D) float.
        weight: (D,) float.
        bias: () float.

    Returns:
        (R, R) float, symmetric; large means the same person.

    Source: Zheng, Zheng, Yang 2017 (arXiv 1611.05666), the square layer and the classifier behind it.
    """
    squares = embeddings.square() @ weight
    return squares[:, None] + squares - 2 * (embeddings * weight) @ embeddings.T + bias


def verification_loss(logits: Tensor, is_same: Tensor, is_different: Tensor) -> Tensor:
    """Binary cross-entropy of pairs; same and different ones weigh one half each, however many there are.

    Args:
        logits: (R, R) float, large for the same person.
        is_same: (R, R) bool, pairs of one person.
        is_different: (R, R) bool, pairs of two people; pairs in neither mask take no part.

    Returns:
        () float >= 0; a kind without any pair contributes 0, so that it is a graph-connected 0 without pairs.

    Source: Zheng, Zheng, Yang 2017 (arXiv 1611.05666), verification loss; the balance is ours.
    """
    same, different = F.softplus(-logits[is_same]), F.softplus(logits[is_different])
    return sum(x.sum() / max(x.numel(), 1) for x in (same, different)) / 2


@IDENTITY_TERM_REGISTRY.register()
class VerificationTerm(IdentityTerm):
    """Classifies pairs of people as same or different; see :func:`verification_loss`.

    Pairs are people in the two images of a pair, of whom at least one has an identity. The classifier of squared
    differences has D weights and a bias that learn; at first it is ``scale * (cosine - threshold)``.

    Args:
        embed_dim: D.
        scale: > 0, first slope of the decision.
        threshold: in [-1, 1], cosine at which the first decision is even.
        loss_weight: see :class:`IdentityTerm`.
    """

    config_node = "VERIFICATION"
    needs_pairs = True

    @configurable
    def __init__(self, *, embed_dim: int, scale: float, threshold: float, loss_weight: float) -> None:
        super().__init__(loss_weight=loss_weight)
        # Of unit vectors, |x - y|^2 = 2 - 2 cosine.
        self.weight = nn.Parameter(torch.full((embed_dim,), -scale / 2))
        self.bias = nn.Parameter(torch.tensor(scale * (1.0 - threshold)))

    @classmethod
    def from_config(cls, cfg: CfgNode) -> dict:
        """Arguments from MODEL.ROI_REID_HEAD.VERIFICATION and EMBED_DIM."""
        reid = cfg.MODEL.ROI_REID_HEAD
        return {
            "embed_dim": reid.EMBED_DIM,
            "scale": reid.VERIFICATION.SCALE,
            "threshold": reid.VERIFICATION.THRESHOLD,
            "loss_weight": reid.VERIFICATION.LOSS_WEIGHT,
        }

    def forward(self, batch: IdentityBatch) -> Tensor:
        """Loss over all pairs of people across the images of a pair."""
        logits = squared_difference_logits(batch.embeddings, self.weight, self.bias)
        both = batch.is_person[:, None] & batch.is_person
        known = is_labelled(batch.pids)
        is_different = batch.is_cross_image & both & (known[:, None] | known) & ~batch.is_positive
        return verification_loss(logits, batch.is_positive, is_different)
