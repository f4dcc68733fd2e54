"""State of the identity losses: of one training set, of no use to a run on another, and of none in testing."""

from collections.abc import Iterable, Mapping

from torch import Tensor

PREFIX = "roi_heads.identity_losses."
"""Of its entries in a model's state: classifier, dictionary, tables and queues."""
ENTRY = "identities"
"""Of a checkpoint: the fingerprint of the identities that its state is of (``training_identities``)."""


def leave_out(state: dict[str, Tensor], expected: Mapping[str, Tensor], *, is_same: bool) -> list[str]:
    """Take the identity losses' state out of what a model is about to load, in place.

    Args:
        state: of a checkpoint, by name.
        expected: the model's own.
        is_same: the checkpoint is of the same identities; only entries of other shapes are taken out then.

    Returns:
        Names that were taken out and that the model has.
    """
    names = [name for name in state if name.startswith(PREFIX) and name in expected]
    left = [name for name in names if not is_same or state[name].shape != expected[name].shape]
    for name in left:
        del state[name]
    return left


def parts_of(names: Iterable[str]) -> str:
    """What entries belong to, for a message: ``classifier, oim``."""
    paths = (name.removeprefix(PREFIX).removeprefix("terms.") for name in names)
    return ", ".join(sorted({path.partition(".")[0] for path in paths}))
