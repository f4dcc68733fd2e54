"""On-line pairing loss (OLP), Eq. 1-4 of the I-Net paper."""

import torch
from detectron2.config import CfgNode, configurable
from torch import Tensor
from torch.nn import functional as F

from inet_d2.modeling.identity.batch import IdentityBatch
from inet_d2.modeling.identity.subgroups import GRADIENTS, Subgroups
from inet_d2.modeling.identity.term import IDENTITY_TERM_REGISTRY, IdentityTerm


def olp_loss(subgroups: Subgroups, *, scale: float = 1.0) -> Tensor:
    """Pull the two views of a person together and push all negatives away.

    Eq. 1 is ``-log(e^p / (e^p + sum_j e^n_j))``, which equals ``softplus(logsumexp(n) - p)``; that form needs one
    log-sum-exp per anchor instead of one per subgroup and does not overflow at large scales.

    Args:
        subgroups: see :func:`form_subgroups`.
        scale: > 0, multiplies cosine similarities before the softmax; the paper has 1.

    Returns:
        () float >= 0: mean over the m subgroups; a graph-connected 0 when there is none. A subgroup without any
        negative contributes 0.

    Source: I-Net, Eq. 1.
    """
    if len(subgroups.anchors) == 0:
        return subgroups.positive_similarity.sum() * 0.0
    all_negatives = torch.logsumexp(scale * subgroups.negative_similarity, dim=1, keepdim=True)
    losses = F.softplus(all_negatives - scale * subgroups.positive_similarity)
    # Not losses[is_positive].mean(), whose size, and that of its gradient, a GPU would have to be waited for.
    return losses.where(subgroups.is_positive, 0.0).sum() / subgroups.is_positive.sum()


@IDENTITY_TERM_REGISTRY.register()
class OLPTerm(IdentityTerm):
    """On-line pairing loss; see :func:`olp_loss`.

    Args:
        scale: multiplies cosine similarities.
        gradient: who learns from a subgroup, "anchor" alone or all ("full"); see :func:`form_subgroups`.
        loss_weight: see :class:`IdentityTerm`.

    Raises:
        ValueError: ``gradient`` is unknown.
    """

    config_node = "OLP"
    needs_pairs = True
    needs_dictionary = True

    @configurable
    def __init__(self, *, scale: float, gradient: str, loss_weight: float) -> None:
        super().__init__(loss_weight=loss_weight)
        if gradient not in GRADIENTS:
            raise ValueError(f'MODEL.ROI_REID_HEAD.OLP.GRADIENT: expected "anchor" or "full", found "{gradient}".')
        self.scale = scale
        self.gradient = gradient

    @classmethod
    def from_config(cls, cfg: CfgNode) -> dict:
        """Arguments from MODEL.ROI_REID_HEAD.OLP."""
        olp = cfg.MODEL.ROI_REID_HEAD.OLP
        return {"scale": olp.SCALE, "gradient": olp.GRADIENT, "loss_weight": olp.LOSS_WEIGHT}

    def forward(self, batch: IdentityBatch) -> Tensor:
        """Loss over the batch's subgroups."""
        return olp_loss(batch.subgroups(self.gradient), scale=self.scale)
