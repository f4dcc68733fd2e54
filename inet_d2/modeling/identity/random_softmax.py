"""Random sampling softmax, the ancestor of HEP.

Each region is classified among its own class, background and random other classes.
"""

import torch
from detectron2.config import CfgNode, configurable
from torch import Tensor

from inet_d2.modeling.identity.batch import IdentityBatch
from inet_d2.modeling.identity.softmax import SoftmaxTerm
from inet_d2.modeling.identity.term import IDENTITY_TERM_REGISTRY


def random_class_sets(targets: Tensor, *, background_class: int, size: int) -> tuple[Tensor, Tensor]:
    """Draw the classes that each region is compared with.

    Args:
        targets: (n,) int64 in [0, background_class], the regions' own classes.
        background_class: C, the last class.
        size: M >= 2, distinct classes wanted per region: its own, background, and random ones for the rest.

    Returns:
        ``(classes, left_out)``: (n, min(M, C + 1) + 1) int64, the region's own class first, and a bool mask of the
        entries to leave out. What remains of a row is distinct, min(M, C + 1) classes.

    Source: Xiao et al. 2016 (arXiv 1604.01850v1), random sampling softmax, and its published code.
    """
    size = min(size, background_class + 1)
    fill = draw_distinct(len(targets), population=background_class, size=size - 1, device=targets.device)
    own = targets[:, None]
    is_person = own != background_class
    # A person has one random class less than a background region: its own where that was drawn, or any one.
    repeated = fill == own
    places = torch.arange(size - 1, device=targets.device)
    any_one = places == torch.randint(size - 1, own.shape, device=targets.device)
    repeated = torch.where(is_person & ~repeated.any(dim=1, keepdim=True), any_one, repeated)
    classes = torch.cat([own, torch.full_like(own, background_class), fill], dim=1)
    return classes, torch.cat([torch.zeros_like(is_person), ~is_person, repeated], dim=1)


def draw_distinct(rows: int, *, population: int, size: int, device: torch.device | None = None) -> Tensor:
    """Draw ``size`` distinct numbers below ``population`` for each row, every subset being equally likely.

    Args:
        rows: number of independent draws.
        population: numbers are in [0, population); the cost does not depend on it.
        size: at most ``population``.
        device: where the result lies.

    Returns:
        (rows, size) int64; the order within a row is not random.

    Source: Floyd's sampling algorithm (Bentley and Floyd 1987, "A sample of brilliance"), all rows at once.
    """
    drawn = torch.empty(rows, size, dtype=torch.int64, device=device)
    for place, limit in enumerate(range(population - size, population)):
        number = torch.randint(limit + 1, (rows,), device=device)
        taken = (drawn[:, :place] == number[:, None]).any(dim=1)
        drawn[:, place] = torch.where(taken, limit, number)
    return drawn


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
                f"must be at least 2, found {num_classes}."
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
