"""Triplet loss with the hardest positive and the hardest negative of each anchor."""

import torch
from detectron2.config import CfgNode, configurable
from torch import Tensor
from torch.nn import functional as F

from inet_d2.modeling.identity.batch import IdentityBatch
from inet_d2.modeling.identity.subgroups import Subgroups, form_subgroups
from inet_d2.modeling.identity.term import IDENTITY_TERM_REGISTRY, IdentityTerm


def triplet_loss(subgroups: Subgroups, *, margin: float) -> Tensor:
    """Keep the farthest view of a person nearer than the nearest other person, by a margin.

    The distance of two unit vectors is ``1 - cosine``, half their squared Euclidean distance.

    Args:
        subgroups: see :func:`form_subgroups`; form them with ``gradient="full"`` to let
            positives and negatives learn too, as the source has it.
        margin: >= 0, in units of cosine.

    Returns:
        () float >= 0: mean over anchors; a graph-connected 0 when there is no anchor or no negative. An anchor without
        negatives contributes 0.

    Source: Hermans, Beyer, Leibe 2017 (arXiv 1703.07737), "batch hard"; their distance is Euclidean.
    """
    positives, negatives = subgroups.positive_similarity, subgroups.negative_similarity
    if len(subgroups.anchors) == 0 or negatives.shape[1] == 0:
        return positives.sum() * 0.0
    farthest_positive = positives.masked_fill(~subgroups.is_positive, torch.inf).amin(dim=1)
    nearest_negative = negatives.amax(dim=1)
    return F.relu(margin + nearest_negative - farthest_positive).mean()


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
        if self.needs_dictionary:
            return triplet_loss(batch.subgroups("full"), margin=self.margin)
        people = batch.embeddings[batch.is_person]
        is_negative = batch.pids[:, None] != batch.pids[batch.is_person]
        subgroups = form_subgroups(batch.embeddings, batch.is_positive, people, is_negative, gradient="full")
        return triplet_loss(subgroups, margin=self.margin)
