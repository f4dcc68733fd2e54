"""Identity losses that classify embeddings: HEP, softmax over all classes, random sampling softmax."""

import torch
from detectron2.config import CfgNode, configurable
from torch import Tensor

from inet_d2.data.pids import IGNORED, UNLABELLED
from inet_d2.modeling.identity_batch import IdentityBatch
from inet_d2.modeling.identity_terms.term import IDENTITY_TERM_REGISTRY, IdentityTerm
from inet_d2.modeling.losses.hep import class_of_pid, hardest_classes, priority_pool
from inet_d2.modeling.losses.random_softmax import random_class_sets
from inet_d2.modeling.losses.softmax import identity_cross_entropy


@IDENTITY_TERM_REGISTRY.register()
class SoftmaxTerm(IdentityTerm):
    """Cross-entropy over all C + 1 classes, of all regions but unlabelled people and ignored ones.

    Args:
        num_pids: C; class C is background.
        person_share: see :func:`identity_cross_entropy`.
        loss_weight: see :class:`IdentityTerm`.
    """

    config_node = "SOFTMAX"
    needs_classifier = True

    @configurable
    def __init__(self, *, num_pids: int, person_share: float, loss_weight: float) -> None:
        super().__init__(loss_weight=loss_weight)
        self.num_pids = num_pids
        self.person_share = person_share

    @classmethod
    def from_config(cls, cfg: CfgNode) -> dict:
        """Arguments from MODEL.ROI_REID_HEAD and the node of the loss."""
        reid = cfg.MODEL.ROI_REID_HEAD
        return {
            "num_pids": reid.NUM_PIDS,
            "person_share": reid.CLASSIFIER.PERSON_SHARE,
            "loss_weight": reid[cls.config_node].LOSS_WEIGHT,
        }

    def forward(self, batch: IdentityBatch) -> Tensor:
        """Mean over the regions that have a class."""
        rows = ((batch.pids != UNLABELLED) & (batch.pids != IGNORED)).nonzero(as_tuple=True)[0]
        targets = class_of_pid(batch.pids[rows], background_class=self.num_pids)
        logits, columns = self._classify(batch, batch.embeddings[rows], targets)
        return identity_cross_entropy(logits, columns, targets != self.num_pids, person_share=self.person_share)

    def _classify(self, batch: IdentityBatch, embeddings: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (n, M) of M classes, and which of these columns (n,) is the region's own."""
        return batch.classifier(embeddings), targets


@IDENTITY_TERM_REGISTRY.register()
class HEPTerm(SoftmaxTerm):
    """Hard example priority softmax: one pool of classes for the whole batch; see ``losses/hep.py``.

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
            batch.subgroups.negative_similarity,
            class_of_pid(batch.negative_pids, background_class=self.num_pids),
            top=self.top_negatives,
        )
        pool = priority_pool(targets, hard, num_classes=self.num_pids + 1, size=self.num_classes)
        columns = (targets[:, None] == pool).int().argmax(dim=1)
        return batch.classifier(embeddings, pool), columns


@IDENTITY_TERM_REGISTRY.register()
class RandomSoftmaxTerm(SoftmaxTerm):
    """Random sampling softmax: classes of its own for every region; see :func:`random_class_sets`.

    The published code divides by all regions, unlabelled people included; here it is the mean over those that have a
    class, as in the other classification losses.

    Args:
        num_classes: classes per region, at least 2.
        **kwargs: arguments of :class:`SoftmaxTerm`.

    Raises:
        ValueError: ``num_classes`` is below 2.
    """

    config_node = "RANDOM_SOFTMAX"

    @configurable
    def __init__(self, *, num_classes: int, **kwargs: object) -> None:
        super().__init__(**kwargs)
        if num_classes < 2:
            raise ValueError(
                "MODEL.ROI_REID_HEAD.RANDOM_SOFTMAX.NUM_CLASSES: the own class and background are always there, so it "
                f"must be at least 2, got {num_classes}."
            )
        self.num_classes = num_classes

    @classmethod
    def from_config(cls, cfg: CfgNode) -> dict:
        """Arguments of the parent, and MODEL.ROI_REID_HEAD.RANDOM_SOFTMAX."""
        return {**super().from_config(cfg), "num_classes": cfg.MODEL.ROI_REID_HEAD.RANDOM_SOFTMAX.NUM_CLASSES}

    def _classify(self, batch: IdentityBatch, embeddings: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        classes, left_out = random_class_sets(targets, background_class=self.num_pids, size=self.num_classes)
        # One product with all classes that any region has drawn; its cost does not follow C.
        drawn, columns = classes.unique(return_inverse=True)
        logits = batch.classifier(embeddings, drawn).gather(1, columns)
        return logits.masked_fill(left_out, -torch.inf), torch.zeros_like(targets)
