"""How far embeddings have moved since they were stored, and what that does to a loss that compares with stored ones."""

import torch
from torch import Tensor

from inet_d2.modeling.identity.olp import olp_loss
from inet_d2.modeling.identity.subgroups import form_subgroups


def embedding_drift(now: Tensor, before: Tensor, pids: Tensor, *, scale: float = 1.0) -> dict[str, float]:
    """Compare the embeddings of the same regions by two states of a network.

    A loss whose negatives are stored can be lowered in two ways: people become different from each other, or everybody
    moves away from where everybody was. ``others_now`` falls in the first way only, ``others_stored`` in both.

    Args:
        now: (R, D) float, unit length, by the network as it is.
        before: (R, D) float, unit length, by the network as it was.
        pids: (R,) int64, the person of each region; some person has two regions, and there are two people.
        scale: multiplies cosines in the loss, as MODEL.ROI_REID_HEAD.OLP.SCALE.

    Returns:
        - ``drift``: 1 - mean cosine of a region's embedding now and before, in [0, 2];
        - ``others_now``, ``others_stored``: mean cosine of a region now and a region of somebody else, now and before;
        - ``loss_now``, ``loss_stored``: OLP (Eq. 1) with everybody else's regions, now or before, as negatives;
        - ``rank1``: share of the regions with a positive whose most similar other region is the same person's, in
          [0, 1].

    Raises:
        ValueError: nobody has two regions, or there is one person only.
    """
    is_other = pids[:, None] != pids
    is_positive = ~is_other
    is_positive.fill_diagonal_(False)
    if not is_positive.any() or not is_other.any():
        raise ValueError(
            f"embedding drift: expected people with two regions, found {len(pids.unique())} in {len(pids)}"
        )
    subgroups_now = form_subgroups(now, is_positive, now, is_other)
    subgroups_stored = form_subgroups(now, is_positive, before, is_other)
    similarity = (now @ now.T).fill_diagonal_(-torch.inf)
    best = similarity.argmax(dim=1)[subgroups_now.anchors]
    figures = {
        "drift": 1 - (now * before).sum(dim=1).mean(),
        "others_now": (now @ now.T)[is_other].mean(),
        "others_stored": (now @ before.T)[is_other].mean(),
        "loss_now": olp_loss(subgroups_now, scale=scale),
        "loss_stored": olp_loss(subgroups_stored, scale=scale),
        "rank1": (pids[best] == pids[subgroups_now.anchors]).float().mean(),
    }
    return {name: float(value) for name, value in figures.items()}
