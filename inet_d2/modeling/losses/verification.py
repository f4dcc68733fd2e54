"""Verification loss: are two regions the same person?"""

from torch import Tensor
from torch.nn import functional as F


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
