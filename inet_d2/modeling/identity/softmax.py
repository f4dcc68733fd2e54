"""Identity softmax over all classes (Table 3 of the I-Net paper).

The function is :func:`inet_d2.modeling.identity.classifier.identity_cross_entropy`, which every loss that classifies
shares.
"""

from detectron2.config import CfgNode, configurable
from torch import Tensor

from inet_d2.data.pids import IGNORED, UNLABELLED
from inet_d2.modeling.identity.batch import IdentityBatch
from inet_d2.modeling.identity.classifier import class_of_pid, identity_cross_entropy
from inet_d2.modeling.identity.term import IDENTITY_TERM_REGISTRY, IdentityTerm


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
