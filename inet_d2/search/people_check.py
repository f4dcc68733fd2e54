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
        ValueError: embeddings are not (n, D), or of another length than :func:`check_lengths` allows, or a number is
            not finite.
    """
    if people.embeddings.shape != (len(people.boxes), dimension):
        raise ValueError(
            f"{where}: expected embeddings ({len(people.boxes)}, {dimension}), found {people.embeddings.shape}; use "
            "one model for the whole index"
        )
    if not np.isfinite(people.boxes).all() or not np.isfinite(people.scores).all():
        raise ValueError(f"{where}: expected finite boxes and scores, found NaN or infinity; check the model")
    check_lengths(people.embeddings, people.scores, where)


def check_lengths(embeddings: np.ndarray, scores: np.ndarray, where: str) -> None:
    """Refuse embeddings whose inner products are no cosines, nor cosines times the person's score.

    Args:
        embeddings: (n, D).
        scores: (n,), in [0, 1]; the length of an embedding under TEST.SEARCH.CONFIDENCE_WEIGHT.
        where: begins the message.

    Raises:
        ValueError: one has neither unit length nor its score's, or is not finite.
    """
    embeddings = np.asarray(embeddings, np.float32)
    lengths = np.sqrt(np.einsum("nd,nd->n", embeddings, embeddings))
    sound = (np.abs(lengths - 1) <= LENGTH_TOLERANCE) | (np.abs(lengths - scores) <= LENGTH_TOLERANCE)
    wrong = np.flatnonzero(~sound)
    if wrong.size:
        raise ValueError(
            f"{where}: expected embeddings of unit length, found {wrong.size} of {len(lengths)} others, first one of "
            f"length {lengths[wrong[0]]:g}; scale them to 1, or check the model"
        )
