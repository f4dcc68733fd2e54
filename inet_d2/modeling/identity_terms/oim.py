"""OIM with its state: the lookup table of identities and the queue of unlabelled people."""

import torch
from detectron2.config import CfgNode, configurable
from torch import Tensor

from inet_d2.data.pids import UNLABELLED
from inet_d2.modeling.feature_dictionary import FeatureDictionary
from inet_d2.modeling.identity_batch import IdentityBatch
from inet_d2.modeling.identity_terms.term import IDENTITY_TERM_REGISTRY, IdentityTerm
from inet_d2.modeling.losses.oim import momentum_update, oim_loss


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
    ) -> None:
        super().__init__(loss_weight=loss_weight)
        if not 0.0 <= momentum < 1.0:
            raise ValueError(f"MODEL.ROI_REID_HEAD.OIM.MOMENTUM: expected a number in [0, 1), got {momentum}.")
        self.momentum = momentum
        self.scale = scale
        self.use_unlabelled = use_unlabelled
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
            "loss_weight": reid.OIM.LOSS_WEIGHT,
        }

    def forward(self, batch: IdentityBatch) -> Tensor:
        """Mean over the labelled regions of all images; background takes no part."""
        queue, _ = self.queue.contents()
        return oim_loss(batch.embeddings, batch.pids, self.lookup_table, queue, scale=self.scale)

    @torch.no_grad()
    def update(self, batch: IdentityBatch) -> None:
        """Move the rows of the identities seen, and queue the unlabelled people."""
        identities, rows = momentum_update(
            self.lookup_table, batch.embeddings.detach(), batch.pids, momentum=self.momentum
        )
        self.lookup_table[identities] = rows
        if self.use_unlabelled:
            unlabelled = batch.pids == UNLABELLED
            self.queue.update(batch.embeddings[unlabelled].detach(), batch.pids[unlabelled])
