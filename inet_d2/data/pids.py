"""Person-id encoding shared by readers, losses and evaluation.

Labelled identities are 0..C-1 without gaps, in every data set and split; readers convert the data set's own
ids.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final, TypeVar

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


def is_unlabelled(pids: ArrayT) -> ArrayT:
    """Tell which ids mark a person of unknown identity.

    Args:
        pids: integer array, tensor or number of any shape, in the encoding of this module.

    Returns:
        Booleans of the same kind and shape.
    """
    return pids == UNLABELLED


def num_pids(records: Iterable[Mapping[str, Any]]) -> int:
    """Count the labelled identities of a data set.

    Args:
        records: Detectron2 records whose annotations carry ``person_id``.

    Returns:
        The number of distinct labelled ids; 0 when there are none.
    """
    found = {annotation["person_id"] for record in records for annotation in record["annotations"]}
    return sum(1 for pid in found if is_labelled(pid))
