"""What an index takes: people whom a search can rank. Asked before they are written, and when a file is read."""

from typing import Final

import numpy as np

from inet_d2.search.store import People

LENGTH_TOLERANCE: Final = 1e-2
"""Half precision stays far inside of it."""


def check_people(people: People, dimension: int, where: str) -> None:
    """Refuse people that no search could rank.

    Args:
        people: of one picture.
        dimension: D of the index.
        where: index and source; begins the message.

    Raises:
        ValueError: embeddings are not (n, D), or not of unit length, or a number is not finite.
    """
    if people.embeddings.shape != (len(people.boxes), dimension):
        raise ValueError(
            f"{where}: expected embeddings ({len(people.boxes)}, {dimension}), found {people.embeddings.shape}; use "
            "one model for the whole index"
        )
    if not np.isfinite(people.boxes).all() or not np.isfinite(people.scores).all():
        raise ValueError(f"{where}: expected finite boxes and scores, found NaN or infinity; check the model")
    check_unit_length(people.embeddings, where)


def check_unit_length(embeddings: np.ndarray, where: str) -> None:
    """Refuse embeddings whose inner products are no cosines.

    Args:
        embeddings: (n, D).
        where: begins the message.

    Raises:
        ValueError: one is not of unit length, or not finite.
    """
    embeddings = np.asarray(embeddings, np.float32)
    lengths = np.sqrt(np.einsum("nd,nd->n", embeddings, embeddings))
    wrong = np.flatnonzero(~(np.abs(lengths - 1) <= LENGTH_TOLERANCE))
    if wrong.size:
        raise ValueError(
            f"{where}: expected embeddings of unit length, found {wrong.size} of {len(lengths)} others, first one of "
            f"length {lengths[wrong[0]]:g}; scale them to 1, or check the model"
        )
