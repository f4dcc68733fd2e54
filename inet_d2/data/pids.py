"""Person-id encoding shared by readers, losses and evaluation.

Labelled identities are 0..C-1 without gaps, in every data set and split; readers convert the data set's own
ids.
"""

from typing import Final, TypeVar

UNLABELLED: Final = -1
"""A person whose identity is unknown."""
BACKGROUND: Final = -2
"""A region that shows no person."""
IGNORED: Final = -3
"""A region that no identity loss may use (neither surely a person nor surely background)."""

ArrayT = TypeVar("ArrayT")


def is_labelled(pids: ArrayT) -> ArrayT:
    """Tell which ids name a known identity.

    Args:
        pids: integer array, tensor or number of any shape, in the encoding of this module.

    Returns:
        Booleans of the same kind and shape.
    """
    return pids >= 0
