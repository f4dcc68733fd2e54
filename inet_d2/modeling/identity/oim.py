"""On-line instance matching (OIM): embeddings against a table of identities and a queue of unlabelled people.

Shape letters: R regions, D embedding size, C identities, Q queue entries in use, U identities among the regions.
"""

import torch
from detectron2.config import CfgNode, configurable
from torch import Tensor
from torch.nn import functional as F

from inet_d2.data.pids import UNLABELLED, is_labelled
from inet_d2.modeling.identity.batch import IdentityBatch
from inet_d2.modeling.identity.dictionary import FeatureDictionary
from inet_d2.modeling.identity.term import IDENTITY_TERM_REGISTRY, IdentityTerm


def oim_loss(
    embeddings: Tensor,
    pids: Tensor,
    lookup_table: Tensor,
    queue: Tensor,
    *,
    scale: float,
    count_empty: bool = False,
) -> Tensor:
    """Cross-entropy of each labelled person over all known identities and the unlabelled people in the queue.

    A row of zeros in the table belongs to an identity that has not been seen yet: it is left out of the sum over
    identities, except for the person's own, whose similarity then is 0.

    Args:
        embeddings: (R, D) float, unit length.
        pids: (R,) int64, encoding of ``inet_d2/data/pids.py``; only labelled regions, in [0, C), have a loss.
        lookup_table: (C, D) float, unit length or zero; no gradient. It is copied, so that later changes do no harm.
        queue: (Q, D) float, unit length or zero; no gradient; Q may be 0.
        scale: > 0, the inverse of the paper's temperature.
        count_empty: rows of zeros count as similarities of 0, as in the published code.

    Returns:
        () float >= 0, mean over labelled regions; a graph-connected 0 when there is none.

    Source: Xiao et al. 2017 (arXiv 1604.01850v3), On-line Instance Matching: -log p_t.
    """
    labelled = is_labelled(pids)
    embeddings, targets = embeddings[labelled], pids[labelled, None]
    if len(targets) == 0:
        return embeddings.sum() * 0.0
    table = torch.cat([lookup_table, queue]).detach()
    logits = scale * embeddings @ table.T
    if not count_empty:
        unseen = ~table.any(dim=1)
        left_out = unseen.repeat(len(targets), 1).scatter_(1, targets, False)
        logits = logits.masked_fill(left_out, -torch.inf)
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


@torch.no_grad()
def stepwise_update(
    lookup_table: Tensor, embeddings: Tensor, pids: Tensor, *, momentum: float
) -> tuple[Tensor, Tensor]:
    """New rows of the lookup table, with unit length after every region instead of once at the end.

    Args:
        lookup_table: see :func:`momentum_update`.
        embeddings: see there; a region's place decides which step it is.
        pids: see there.
        momentum: see there.

    Returns:
        ``(identities, rows)``, see :func:`momentum_update`.

    Source: the published code of OIM, NAE and SeqNet.
    """
    labelled = is_labelled(pids)
    pids, order = pids[labelled].sort(stable=True)
    embeddings = embeddings[labelled][order].to(lookup_table.dtype)
    identities, row_of, counts = pids.unique(return_inverse=True, return_counts=True)
    step = torch.arange(len(pids), device=pids.device) - (counts.cumsum(0) - counts)[row_of]
    rows = lookup_table[identities]
    # All identities take their first step at once, then their second: as many turns as one of them has regions.
    for turn in range(int(counts.max()) if len(counts) else 0):
        now = step == turn
        moved = momentum * rows[row_of[now]] + (1.0 - momentum) * embeddings[now]
        rows[row_of[now]] = F.normalize(moved)
    return identities, rows


@IDENTITY_TERM_REGISTRY.register()
class OIMTerm(IdentityTerm):
    """On-line instance matching; see :func:`oim_loss`. All state is in buffers and thus part of a checkpoint.

    The state changes in :meth:`update` only, after all images of the batch have their loss; the published code changes
    it during the backward pass. All D dimensions are stored (the published queue keeps 64 of 256 by an oversight).

    Args:
        num_pids: C, rows of the lookup table; they start at zero.
        embed_dim: D.
        queue_size: Q; entries that are not filled yet take no part.
        momentum: in [0, 1), the part of an identity's row that a new region leaves as it is.
        scale: > 0, inverse temperature.
        use_unlabelled: keep unlabelled people in the queue; without them the queue stays empty.
        as_published: count rows that are not filled yet as similarities of 0, and give a row unit length after every
            region, as the published code does.
        loss_weight: see :class:`IdentityTerm`.

    Raises:
        ValueError: ``momentum`` is out of its range.

    Source: Xiao et al. 2017 (arXiv 1604.01850v3) and its published code.
    """

    config_node = "OIM"
    lookup_table: Tensor

    @configurable
    def __init__(
        self,
        *,
        num_pids: int,
        embed_dim: int,
        queue_size: int,
        momentum: float,
        scale: float,
        use_unlabelled: bool,
        loss_weight: float,
        as_published: bool = False,
    ) -> None:
        super().__init__(loss_weight=loss_weight)
        if not 0.0 <= momentum < 1.0:
            raise ValueError(f"MODEL.ROI_REID_HEAD.OIM.MOMENTUM: expected a number in [0, 1), found {momentum}.")
        self.momentum = momentum
        self.scale = scale
        self.use_unlabelled = use_unlabelled
        self.as_published = as_published
        self.register_buffer("lookup_table", torch.zeros(num_pids, embed_dim))
        self.queue = FeatureDictionary(size=queue_size, embed_dim=embed_dim)

    @classmethod
    def from_config(cls, cfg: CfgNode) -> dict:
        """Arguments from MODEL.ROI_REID_HEAD.OIM, NUM_PIDS and EMBED_DIM."""
        reid = cfg.MODEL.ROI_REID_HEAD
        return {
            "num_pids": reid.NUM_PIDS,
            "embed_dim": reid.EMBED_DIM,
            "queue_size": reid.OIM.QUEUE_SIZE,
            "momentum": reid.OIM.MOMENTUM,
            "scale": reid.OIM.SCALE,
            "use_unlabelled": reid.OIM.USE_UNLABELLED,
            "as_published": reid.OIM.AS_PUBLISHED,
            "loss_weight": reid.OIM.LOSS_WEIGHT,
        }

    def forward(self, batch: IdentityBatch) -> Tensor:
        """Mean over the labelled regions of all images; background takes no part."""
        queue = self.queue.embeddings if self.as_published else self.queue.contents()[0]
        return oim_loss(
            batch.embeddings, batch.pids, self.lookup_table, queue, scale=self.scale, count_empty=self.as_published
        )

    @torch.no_grad()
    def update(self, batch: IdentityBatch) -> None:
        """Move the rows of the identities seen, and queue the unlabelled people."""
        move = stepwise_update if self.as_published else momentum_update
        identities, rows = move(self.lookup_table, batch.embeddings.detach(), batch.pids, momentum=self.momentum)
        self.lookup_table[identities] = rows
        if self.use_unlabelled:
            unlabelled = batch.pids == UNLABELLED
            self.queue.update(batch.embeddings[unlabelled].detach(), batch.pids[unlabelled])
