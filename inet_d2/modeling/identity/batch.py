"""What one training iteration offers to the identity losses.

Shape letters: N images (two consecutive ones are a pair), R regions, S of them stored, D embedding size,
K negatives.
"""

from dataclasses import dataclass, field
from functools import cached_property

from torch import Tensor

from inet_d2.data.pids import is_labelled
from inet_d2.modeling.identity.classifier import IdentityClassifier
from inet_d2.modeling.identity.subgroups import Subgroups, form_subgroups


@dataclass(frozen=True)
class IdentityBatch:
    """The regions of one iteration and what they are compared with.

    Attributes:
        embeddings: (R, D) float, unit length.
        pids: (R,) int64, encoding of ``inet_d2/data/pids.py``.
        images: (R,) int64 in [0, N), not decreasing; images 2i and 2i + 1 are a pair if the loader makes pairs.
        is_person: (R,) bool, labelled people and, unless they are switched off, unlabelled ones.
        classifier: C + 1 outputs, background last; None if no loss needs it.
        stored: (S,) int64, regions that go into the dictionary afterwards; None without a dictionary.
        negatives: (K, D) float, the dictionary as it stands and this iteration's entries; None without a dictionary.
        negative_pids: (K,) int64; None without a dictionary.
    """

    embeddings: Tensor
    pids: Tensor
    images: Tensor
    is_person: Tensor
    classifier: IdentityClassifier | None = None
    stored: Tensor | None = None
    negatives: Tensor | None = None
    negative_pids: Tensor | None = None
    _subgroups: dict[str, Subgroups] = field(default_factory=dict, init=False, repr=False)

    @cached_property
    def is_cross_image(self) -> Tensor:
        """(R, R) bool: regions of different images of one pair."""
        return cross_image(self.images)

    @cached_property
    def is_positive(self) -> Tensor:
        """(R, R) bool: see :func:`cross_image_positives`."""
        return cross_image_positives(self.pids, self.images)

    def subgroups(self, gradient: str = "anchor") -> Subgroups:
        """Subgroups with the negatives of this batch; losses that ask for the same ones share them.

        Args:
            gradient: who learns from them, see :func:`form_subgroups`; the values are the same.

        Raises:
            ValueError: the batch has no negatives, or ``gradient`` is unknown.
        """
        if self.negatives is None:
            raise ValueError(
                "IdentityBatch.subgroups: expected a dictionary, found none; set needs_dictionary on the identity term."
            )
        if gradient not in self._subgroups:
            is_negative = self.pids[:, None] != self.negative_pids
            self._subgroups[gradient] = form_subgroups(
                self.embeddings, self.is_positive, self.negatives, is_negative, gradient=gradient
            )
        return self._subgroups[gradient]


def cross_image(images: Tensor) -> Tensor:
    """Which regions are in the two different images of one pair.

    Args:
        images: (R,) int64; images 2i and 2i + 1 are a pair.

    Returns:
        (R, R) bool, symmetric.
    """
    pairs = images // 2
    return (pairs[:, None] == pairs) & (images[:, None] != images)


def cross_image_positives(pids: Tensor, images: Tensor) -> Tensor:
    """Which regions are positives of which anchors.

    Args:
        pids: (R,) int64.
        images: (R,) int64; images 2i and 2i + 1 are a pair.

    Returns:
        (R, R) bool, symmetric: same identity, same pair, different image.

    Source: I-Net, section 3.2; all combinations of both directions, every shared identity of the pair.
    """
    return (pids[:, None] == pids) & is_labelled(pids)[:, None] & cross_image(images)
