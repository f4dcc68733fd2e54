"""Triplet loss with the hardest positive and the hardest negative of each anchor."""

import torch
from torch import Tensor
from torch.nn import functional as F

from inet_d2.modeling.losses.olp import Subgroups


def triplet_loss(subgroups: Subgroups, *, margin: float) -> Tensor:
    """Keep the farthest view of a person nearer than the nearest other person, by a margin.

    The distance of two unit vectors is ``1 - cosine``, half their squared Euclidean distance.

    Args:
        subgroups: see :func:`inet_d2.modeling.losses.olp.form_subgroups`; form them with ``gradient="full"`` to let
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
