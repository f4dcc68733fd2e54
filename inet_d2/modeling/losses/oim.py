"""On-line instance matching (OIM): embeddings against a table of identities and a queue of unlabelled people.

Shape letters: R regions, D embedding size, C identities, Q queue entries in use, U identities among the regions.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from inet_d2.data.pids import is_labelled


def oim_loss(embeddings: Tensor, pids: Tensor, lookup_table: Tensor, queue: Tensor, *, scale: float) -> Tensor:
    """Cross-entropy of each labelled person over all known identities and the unlabelled people in the queue.

    A row of zeros in the table belongs to an identity that has not been seen yet: it is left out of the sum over
    identities, except for the person's own, whose similarity then is 0. (The published code counts such rows as
    similarities of 0.)

    Args:
        embeddings: (R, D) float, unit length.
        pids: (R,) int64, encoding of ``inet_d2/data/pids.py``; only labelled regions, in [0, C), have a loss.
        lookup_table: (C, D) float, unit length or zero; no gradient. It is copied, so that later changes do no harm.
        queue: (Q, D) float, unit length; no gradient; Q may be 0. Only entries in use.
        scale: > 0, the inverse of the paper's temperature.

    Returns:
        () float >= 0, mean over labelled regions; a graph-connected 0 when there is none.

    Source: Xiao et al. 2017 (arXiv 1604.01850v3), On-line Instance Matching: -log p_t.
    """
    labelled = is_labelled(pids)
    embeddings, targets = embeddings[labelled], pids[labelled, None]
    if len(targets) == 0:
        return embeddings.sum() * 0.0
    table = torch.cat([lookup_table, queue]).detach()
    unseen = ~table.any(dim=1)
    left_out = unseen.repeat(len(targets), 1).scatter_(1, targets, False)
    logits = (scale * embeddings @ table.T).masked_fill(left_out, -torch.inf)
    return F.cross_entropy(logits, targets[:, 0])


@torch.no_grad()
def momentum_update(
    lookup_table: Tensor, embeddings: Tensor, pids: Tensor, *, momentum: float
) -> tuple[Tensor, Tensor]:
    """New rows of the lookup table after an iteration.

    Each region moves its identity's row v to ``momentum * v + (1 - momentum) * x``, one after the other in the order
    given; all steps are computed at once, as a weighted sum, and the result is scaled to unit length.

    Args:
        lookup_table: (C, D) float; it is not changed.
        embeddings: (R, D) float, unit length.
        pids: (R,) int64; regions without identity take no part.
        momentum: in [0, 1), the part of the old row that each step keeps.

    Returns:
        ``(identities, rows)``: (U,) int64, distinct, and (U, D) float, what their rows become.

    Source: Xiao et al. 2017, v_t <- gamma v_t + (1 - gamma) x. Unit length: later public code.
    """
    labelled = is_labelled(pids)
    pids, order = pids[labelled].sort(stable=True)
    embeddings = embeddings[labelled][order].to(lookup_table.dtype)
    identities, row_of, counts = pids.unique(return_inverse=True, return_counts=True)
    # How many steps of the same identity follow this one.
    later = counts.cumsum(0)[row_of] - 1 - torch.arange(len(pids), device=pids.device)
    weights = (1.0 - momentum) * momentum ** later.to(embeddings.dtype)
    rows = lookup_table[identities] * (momentum ** counts.to(embeddings.dtype))[:, None]
    return identities, F.normalize(rows.index_add(0, row_of, weights[:, None] * embeddings))
