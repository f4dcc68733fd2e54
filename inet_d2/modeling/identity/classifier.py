"""The classifier over C identities and background, its columns, and its cross-entropy."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from inet_d2.data.pids import BACKGROUND, UNLABELLED


class IdentityClassifier(nn.Module):
    """Linear classifier of embeddings that can be asked for a few columns only.

    Args:
        embed_dim: D.
        num_classes: number of outputs; for I-Net C + 1, background being the last (section 3.3).
        cosine: use unit-length class weights and no bias, so that logits are ``scale`` times cosines.
        scale: multiplies the logits.
        sparse_gradient: where only some columns are asked for, give the weight a row-sparse gradient, so that neither
            the backward pass nor the optimiser step depends on ``num_classes``. The optimiser has to support it; see
            ``inet_d2/engine/row_sparse.py``.
    """

    def __init__(
        self,
        *,
        embed_dim: int,
        num_classes: int,
        cosine: bool = False,
        scale: float = 1.0,
        sparse_gradient: bool = False,
    ) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.cosine = cosine
        self.scale = scale
        self.sparse_gradient = sparse_gradient
        self.weight = nn.Parameter(torch.empty(num_classes, embed_dim))
        nn.init.normal_(self.weight, std=0.01)
        if cosine:
            self.register_parameter("bias", None)
        else:
            self.bias = nn.Parameter(torch.zeros(num_classes))

    def forward(self, embeddings: Tensor, classes: Tensor | None = None) -> Tensor:
        """Logits of all classes, or of ``classes`` only.

        Args:
            embeddings: (n, D) float.
            classes: (M,) int64 columns to compute; None means all.

        Returns:
            (n, M) or (n, num_classes) float; the cost follows the number of columns asked for.
        """
        weight, bias = self.weight, self.bias
        if classes is not None:
            weight = F.embedding(classes, weight, sparse=self.sparse_gradient)
            bias = None if bias is None else bias[classes]
        if self.cosine:
            weight = F.normalize(weight)
        return self.scale * F.linear(embeddings, weight, bias)


def class_of_pid(pids: Tensor, *, background_class: int) -> Tensor:
    """Turn pids into classifier columns: background becomes the last class, unlabelled people keep -1."""
    return torch.where(pids == BACKGROUND, background_class, pids.clamp(min=UNLABELLED))


def identity_cross_entropy(logits: Tensor, targets: Tensor, is_person: Tensor, *, person_share: float = 0.0) -> Tensor:
    """Cross-entropy of identities, optionally balanced between people and background.

    Args:
        logits: (n, M) float.
        targets: (n,) int64 columns.
        is_person: (n,) bool, False for background.
        person_share: 0 for the plain mean over n (Eq. 5); otherwise the weight of the people's mean, the background's
            mean having the rest. A group that is empty contributes 0.

    Returns:
        () float >= 0; a graph-connected 0 when n is 0.

    Source: I-Net, Eq. 5; the balance is ours.
    """
    if len(targets) == 0:
        return logits.sum() * 0.0
    losses = F.cross_entropy(logits, targets, reduction="none")
    if person_share == 0.0:
        return losses.mean()
    weights = torch.where(is_person, person_share, 1.0 - person_share)
    counts = torch.where(is_person, is_person.sum(), (~is_person).sum())
    return (losses * weights / counts).sum()
