"""Hard example priority softmax (HEP), section 3.3 and Eq. 5 of the I-Net paper: a softmax over a pool of classes."""

import random

import torch
from detectron2.config import CfgNode, configurable
from torch import Tensor

from inet_d2.modeling.identity.batch import IdentityBatch
from inet_d2.modeling.identity.classifier import class_of_pid
from inet_d2.modeling.identity.softmax import SoftmaxTerm
from inet_d2.modeling.identity.term import IDENTITY_TERM_REGISTRY


def hardest_classes(negative_similarity: Tensor, negative_classes: Tensor, *, top: int) -> Tensor:
    """Classes of the ``top`` most similar negatives of each anchor, hardest first.

    Args:
        negative_similarity: (A, K) float, -inf where an entry is no negative of this anchor.
        negative_classes: (K,) int64, class of each negative; negative numbers have no class (people without identity).
        top: entries to look at per anchor.

    Returns:
        (H,) int64, distinct, by decreasing similarity to the nearest anchor. Entries without a class take part in
        the ranking and are then dropped, as the paper has it, so H is usually much smaller than ``A * top``.

    Source: I-Net, section 3.3, step 2.
    """
    num_anchors, num_negatives = negative_similarity.shape
    if num_anchors == 0 or num_negatives == 0:
        return negative_classes.new_empty(0)
    similarity, columns = negative_similarity.detach().topk(min(top, num_negatives), dim=1)
    classes = negative_classes[columns]
    counts = (similarity > -torch.inf) & (classes >= 0)
    classes, inverse = classes[counts].unique(return_inverse=True)
    best = similarity.new_full((len(classes),), -torch.inf)
    best = best.scatter_reduce(0, inverse, similarity[counts], "amax")
    return classes[best.argsort(descending=True)]


def priority_pool(own_classes: Tensor, hard_classes: Tensor, *, num_classes: int, size: int) -> Tensor:
    """Fill the label pool: own classes, then hard ones, then random ones.

    Args:
        own_classes: (n,) int64, classes of this iteration's regions, repeated as they come. All of them stay in the
            pool, also beyond ``size``: a true label is never dropped.
        hard_classes: (H,) int64, distinct, the most important first.
        num_classes: number of classes there are; the pool never grows beyond it.
        size: M, classes wanted.

    Returns:
        (max(min(size, num_classes), distinct own classes),) int64, distinct. The random part comes from Python's
        ``random``, whose cost does not depend on ``num_classes``.

    Source: I-Net, section 3.3, steps 1 to 3.
    """
    own = own_classes.unique()
    size = max(min(size, num_classes), len(own))
    # Drawing as many distinct classes as the pool has places is always enough: only those that are in the pool
    # already have to be passed over.
    drawn = torch.tensor(random.sample(range(num_classes), min(size, num_classes)), dtype=torch.int64)
    candidates = torch.cat([own, hard_classes, drawn.to(own.device)])
    return _distinct_in_order(candidates)[:size]


def _distinct_in_order(values: Tensor) -> Tensor:
    distinct, inverse = values.unique(return_inverse=True)
    positions = torch.arange(len(values), device=values.device)
    first = positions.new_full((len(distinct),), len(values)).scatter_reduce(0, inverse, positions, "amin")
    return distinct[first.argsort()]


@IDENTITY_TERM_REGISTRY.register()
class HEPTerm(SoftmaxTerm):
    """Hard example priority softmax: one pool of classes for the whole batch; see ``priority_pool``.

    Args:
        num_classes: M of Eq. 5.
        top_negatives: hardest negatives per subgroup that give their class priority.
        **kwargs: arguments of :class:`SoftmaxTerm`.
    """

    config_node = "HEP"
    needs_pairs = True
    needs_dictionary = True

    @configurable
    def __init__(self, *, num_classes: int, top_negatives: int, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.num_classes = num_classes
        self.top_negatives = top_negatives

    @classmethod
    def from_config(cls, cfg: CfgNode) -> dict:
        """Arguments of the parent, and MODEL.ROI_REID_HEAD.HEP."""
        hep = cfg.MODEL.ROI_REID_HEAD.HEP
        return {**super().from_config(cfg), "num_classes": hep.NUM_CLASSES, "top_negatives": hep.TOP_NEGATIVES}

    def _classify(self, batch: IdentityBatch, embeddings: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        hard = hardest_classes(
            batch.subgroups().negative_similarity,
            class_of_pid(batch.negative_pids, background_class=self.num_pids),
            top=self.top_negatives,
        )
        pool = priority_pool(targets, hard, num_classes=self.num_pids + 1, size=self.num_classes)
        columns = (targets[:, None] == pool).int().argmax(dim=1)
        return batch.classifier(embeddings, pool), columns
