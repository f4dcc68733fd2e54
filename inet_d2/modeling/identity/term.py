"""The interface of an identity loss, and the registry that a configuration chooses from."""

from typing import ClassVar

from detectron2.config import CfgNode
from detectron2.utils.registry import Registry
from torch import Tensor, nn

from inet_d2.modeling.identity.batch import IdentityBatch

IDENTITY_TERM_REGISTRY = Registry("IDENTITY_TERM")
IDENTITY_TERM_REGISTRY.__doc__ = """
Identity losses: classes derived from :class:`IdentityTerm` that can be called with a configuration. A class is used
where ``MODEL.ROI_REID_HEAD.<its config_node>.ENABLED`` is True.
"""


class IdentityTerm(nn.Module):
    """One identity loss with its numbers and, if it has any, its state (in buffers).

    A subclass sets ``config_node``, is registered in ``IDENTITY_TERM_REGISTRY`` and implements :meth:`forward`; its
    node has the keys ENABLED and LOSS_WEIGHT. The loss appears in the log as ``loss_<config_node in lower case>``.

    Attributes:
        config_node: name of the node under MODEL.ROI_REID_HEAD.
        needs_pairs: consecutive images must be pairs that show a common identity.
        needs_dictionary: ``negatives``, ``negative_pids``, ``stored`` or ``subgroups`` of the batch are used.
        needs_classifier: ``classifier`` of the batch is used.

    Args:
        loss_weight: what the loss is multiplied by, once, by the caller.
    """

    config_node: ClassVar[str]
    needs_pairs: bool = False
    needs_dictionary: bool = False
    needs_classifier: bool = False

    def __init__(self, *, loss_weight: float) -> None:
        super().__init__()
        self.loss_weight = loss_weight

    def forward(self, batch: IdentityBatch) -> Tensor:
        """Unweighted loss, () float; a graph-connected 0 where the batch has nothing for it. Changes no state."""
        raise NotImplementedError

    def update(self, batch: IdentityBatch) -> None:
        """Take the regions of an iteration into the state, once all losses have been computed."""


def build_identity_terms(cfg: CfgNode) -> dict[str, IdentityTerm]:
    """Build the losses that are switched on, with a weight other than 0.

    Returns:
        Losses by log name (without ``loss_``), in the order of their nodes in the configuration.
    """
    classes = {term_class.config_node: term_class for _, term_class in IDENTITY_TERM_REGISTRY}
    nodes = {name: node for name, node in cfg.MODEL.ROI_REID_HEAD.items() if name in classes}
    return {name.lower(): classes[name](cfg) for name, node in nodes.items() if node.ENABLED and node.LOSS_WEIGHT}
