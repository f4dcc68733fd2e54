"""Identity losses that compare embeddings of image pairs: OLP, triplet, verification."""

import torch
from detectron2.config import CfgNode, configurable
from torch import Tensor, nn

from inet_d2.data.pids import is_labelled
from inet_d2.modeling.identity_batch import IdentityBatch
from inet_d2.modeling.identity_terms.term import IDENTITY_TERM_REGISTRY, IdentityTerm
from inet_d2.modeling.losses.olp import form_subgroups, olp_loss
from inet_d2.modeling.losses.triplet import triplet_loss
from inet_d2.modeling.losses.verification import squared_difference_logits, verification_loss


@IDENTITY_TERM_REGISTRY.register()
class OLPTerm(IdentityTerm):
    """On-line pairing loss; see :func:`olp_loss`.

    Args:
        scale: multiplies cosine similarities.
        loss_weight: see :class:`IdentityTerm`.
    """

    config_node = "OLP"
    needs_pairs = True
    needs_dictionary = True

    @configurable
    def __init__(self, *, scale: float, loss_weight: float) -> None:
        super().__init__(loss_weight=loss_weight)
        self.scale = scale

    @classmethod
    def from_config(cls, cfg: CfgNode) -> dict:
        """Arguments from MODEL.ROI_REID_HEAD.OLP."""
        olp = cfg.MODEL.ROI_REID_HEAD.OLP
        return {"scale": olp.SCALE, "loss_weight": olp.LOSS_WEIGHT}

    def forward(self, batch: IdentityBatch) -> Tensor:
        """Loss over the batch's subgroups."""
        return olp_loss(batch.subgroups, scale=self.scale)


@IDENTITY_TERM_REGISTRY.register()
class TripletTerm(IdentityTerm):
    """Batch-hard triplets of the people of a pair; see :func:`triplet_loss`.

    Positives are the same person in the other image of the pair. All three parts of a triplet learn, as far as they
    are regions of this iteration.

    Args:
        margin: in units of cosine.
        use_dictionary: take negatives from the dictionary too, backgrounds included, instead of from the people of this
            batch alone.
        loss_weight: see :class:`IdentityTerm`.
    """

    config_node = "TRIPLET"
    needs_pairs = True

    @configurable
    def __init__(self, *, margin: float, use_dictionary: bool, loss_weight: float) -> None:
        super().__init__(loss_weight=loss_weight)
        self.margin = margin
        self.needs_dictionary = use_dictionary

    @classmethod
    def from_config(cls, cfg: CfgNode) -> dict:
        """Arguments from MODEL.ROI_REID_HEAD.TRIPLET."""
        triplet = cfg.MODEL.ROI_REID_HEAD.TRIPLET
        return {
            "margin": triplet.MARGIN,
            "use_dictionary": triplet.USE_DICTIONARY,
            "loss_weight": triplet.LOSS_WEIGHT,
        }

    def forward(self, batch: IdentityBatch) -> Tensor:
        """Mean over the people that the other image of their pair shows too."""
        negatives, negative_pids = batch.embeddings[batch.is_person], batch.pids[batch.is_person]
        if self.needs_dictionary:
            negatives, negative_pids = batch.negatives, batch.negative_pids
        is_negative = batch.pids[:, None] != negative_pids
        subgroups = form_subgroups(batch.embeddings, batch.is_positive, negatives, is_negative, gradient="full")
        return triplet_loss(subgroups, margin=self.margin)


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
