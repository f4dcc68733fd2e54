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
        (A * min(top, K),) int64, by decreasing similarity to the anchor, repeated as they come, then -1 for the rest:
        entries without a class take part in the ranking and have none here, as the paper has it. So its length does
        not depend on values, for which a GPU would have to be waited.

    Source: I-Net, section 3.3, step 2.
    """
    similarity, columns = negative_similarity.detach().topk(min(top, negative_similarity.shape[1]), dim=1)
    classes = negative_classes[columns]
    counts = (similarity > -torch.inf) & (classes >= 0)
    order = similarity.masked_fill(~counts, -torch.inf).flatten().argsort(descending=True)
    return classes.masked_fill(~counts, -1).flatten()[order]


def priority_pool(own_classes: Tensor, hard_classes: Tensor, *, num_classes: int, size: int) -> Tensor:
    """Fill the label pool: own classes, then hard ones, then random ones.

    Args:
        own_classes: (n,) int64, classes of this iteration's regions, repeated as they come. All of them stay in the
            pool, also beyond ``size``: a true label is never dropped.
        hard_classes: (H,) int64, the most important first; repeats count once, and negative numbers not at all.
        num_classes: number of classes there are; the pool never grows beyond it.
        size: M, classes wanted.

    Returns:
        (max(min(size, num_classes), distinct own classes),) int64, distinct. The random part comes from Python's
        ``random``, whose cost does not depend on ``num_classes``.

    Source: I-Net, section 3.3, steps 1 to 3.
    """
    own = own_classes.sort().values
    size = max(min(size, num_classes), int(_is_first(own).sum()))
    # Drawing as many distinct classes as the pool has places is always enough: only those that are in the pool
    # already have to be passed over.
    drawn = torch.tensor(random.sample(range(num_classes), min(size, num_classes)), dtype=torch.int64)
    candidates = torch.cat([own, hard_classes, drawn.to(own.device, non_blocking=True)])
    in_order, places = candidates.sort(stable=True)
    counts = _is_first(in_order) & (in_order >= 0)
    return candidates[torch.where(counts, places, len(candidates)).sort().values[:size]]


def _is_first(in_order: Tensor) -> Tensor:
    """Which of some sorted values are not the same as the one before."""
    return torch.cat([torch.ones_like(in_order[:1], dtype=torch.bool), in_order[1:] != in_order[:-1]])


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
