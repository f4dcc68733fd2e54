"""Subgroups of an iteration: an anchor, its positive and its negatives (section 3.2 of the I-Net paper).

Shape letters: R regions of the images at hand, A anchors among them, K negatives, D embedding size.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

GRADIENTS = ("anchor", "full")


@dataclass(frozen=True)
class Subgroups:
    """All (anchor, positive, negatives) subgroups of one iteration, as cosine similarities.

    Row ``a`` belongs to region ``anchors[a]``; every True in ``is_positive[a]`` is one subgroup, and all subgroups
    of a row share its negatives.

    Attributes:
        anchors: (A,) int64, rows of the embeddings that have at least one positive.
        positive_similarity: (A, R) float in [-1, 1].
        is_positive: (A, R) bool.
        negative_similarity: (A, K) float in [-1, 1]; -inf where an entry is no negative of this anchor.
    """

    anchors: Tensor
    positive_similarity: Tensor
    is_positive: Tensor
    negative_similarity: Tensor


def form_subgroups(
    embeddings: Tensor,
    is_positive: Tensor,
    negatives: Tensor,
    is_negative: Tensor,
    *,
    gradient: str = "anchor",
) -> Subgroups:
    """Compare every anchor with its positives and negatives.

    Args:
        embeddings: (R, D) float, unit length.
        is_positive: (R, R) bool; ``[i, p]`` says that region p is a positive of anchor i.
        negatives: (K, D) float, unit length; K may be 0.
        is_negative: (R, K) bool.
        gradient: "anchor" holds positives and negatives constant (Eq. 2-4), "full" does not.

    Returns:
        The subgroups of the A regions that have a positive; A may be 0.

    Raises:
        ValueError: ``gradient`` is neither "anchor" nor "full".

    Source: I-Net (arXiv 1804.00376), section 3.2.
    """
    if gradient not in GRADIENTS:
        raise ValueError(f'form_subgroups: gradient: expected "anchor" or "full", found "{gradient}".')
    anchors = is_positive.any(dim=1).nonzero(as_tuple=True)[0]
    queries = embeddings[anchors]
    positives = embeddings
    if gradient == "anchor":
        positives, negatives = positives.detach(), negatives.detach()
    return Subgroups(
        anchors=anchors,
        positive_similarity=queries @ positives.T,
        is_positive=is_positive[anchors],
        negative_similarity=(queries @ negatives.T).masked_fill(~is_negative[anchors], -torch.inf),
    )
