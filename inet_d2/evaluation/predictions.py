"""Saved predictions of a model on a test split: every gallery detection and every query, with embeddings.

Shapes: G images, N detections over all images, Q queries, S context people over all queries, D embedding
    size.
"""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from inet_d2.files import written_aside
from inet_d2.npz_file import open_npz

_Arrays = TypeVar("_Arrays", bound="_SavedArrays")


class _SavedArrays:
    """What both kinds of files share: checks, loading, saving aside and renaming."""

    def __post_init__(self) -> None:
        for field in fields(self):  # type: ignore[arg-type]
            object.__setattr__(self, field.name, _checked(field.name, getattr(self, field.name)))
        self.check()

    def check(self) -> None:
        """Refuse arrays that do not fit together."""
        raise NotImplementedError

    @classmethod
    def load(cls: type[_Arrays], path: str | Path) -> _Arrays:
        """Read a file that ``save`` wrote.

        Args:
            path: an .npz file.

        Returns:
            Its content, checked.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: the file is no .npz, or a field is missing or has another type or shape.
        """
        names = [field.name for field in fields(cls)]  # type: ignore[arg-type]
        with open_npz(path, remedy="write the file again with an evaluation (train_net.py --eval-only)") as content:
            missing = [name for name in names if name not in content]
            if missing:
                raise ValueError(
                    f"{missing[0]}: expected the fields {', '.join(names)}, found {', '.join(content.files)}"
                )
            return cls(**{name: content[name] for name in names})

    def save(self, path: str | Path) -> None:
        """Write an .npz file; an older one stays whole until the new one is complete.

        Args:
            path: where; its folder must exist.
        """
        with written_aside(path) as aside, aside.open("wb") as stream:
            np.savez(stream, **{f.name: getattr(self, f.name) for f in fields(self)})  # type: ignore[arg-type]

    def _expect_shape(self, name: str, expected: tuple[int | None, ...], meaning: str) -> None:
        shape = getattr(self, name).shape
        if len(shape) != len(expected) or any(e not in (None, s) for s, e in zip(shape, expected, strict=True)):
            wanted = "(" + ", ".join("any" if size is None else str(size) for size in expected) + ")"
            raise ValueError(f"{name}: expected shape {wanted}, {meaning}, found {shape}")


@dataclass(frozen=True, eq=False)
class SearchPredictions(_SavedArrays):
    """What a model gave on a test split (``P.npz``).

    Attributes:
        gallery_names: (G,) str, each test image once, in any order.
        gallery_counts: (G,) int64 detections per image.
        gallery_boxes: (N, 4) float32 XYXY in the original images; rows of an image stand together, in the
            order of ``gallery_names``.
        gallery_scores: (N,) float32.
        gallery_embeddings: (N, D) float32.
        query_names: (Q,) str, image of each query, in any order.
        query_boxes: (Q, 4) float32 XYXY in the original images.
        query_embeddings: (Q, D) float32.

    Raises:
        ValueError: a field has another type or shape, or a value is not finite.
    """

    gallery_names: np.ndarray
    gallery_counts: np.ndarray
    gallery_boxes: np.ndarray
    gallery_scores: np.ndarray
    gallery_embeddings: np.ndarray
    query_names: np.ndarray
    query_boxes: np.ndarray
    query_embeddings: np.ndarray

    def check(self) -> None:
        """Refuse arrays that do not fit together."""
        images, queries, total = len(self.gallery_names), len(self.query_names), int(self.gallery_counts.sum())
        self._expect_shape("gallery_counts", (images,), "one per gallery_names")
        self._expect_shape("gallery_boxes", (total, 4), "the sum of gallery_counts")
        self._expect_shape("gallery_scores", (total,), "the sum of gallery_counts")
        self._expect_shape("gallery_embeddings", (total, None), "the sum of gallery_counts")
        self._expect_shape("query_boxes", (queries, 4), "one per query_names")
        size = self.gallery_embeddings.shape[1]
        self._expect_shape("query_embeddings", (queries, size), "one per query_names, as long as gallery_embeddings")
        names, repeats = np.unique(self.gallery_names, return_counts=True)
        if np.any(repeats > 1):
            raise ValueError(f"gallery_names: expected every image once, found {names[repeats > 1][0]} repeated")


@dataclass(frozen=True, eq=False)
class ContextPredictions(_SavedArrays):
    """The people of each query image, for context graph matching (``C.npz``).

    Attributes:
        context_counts: (Q,) int64 people per query, in the order of the queries in ``P.npz``; at least 1.
        context_scores: (S,) float32; for each query its own box first.
        context_embeddings: (S, D) float32.

    Raises:
        ValueError: a field has another type or shape, or a value is not finite.
    """

    context_counts: np.ndarray
    context_scores: np.ndarray
    context_embeddings: np.ndarray

    def check(self) -> None:
        """Refuse arrays that do not fit together."""
        total = int(self.context_counts.sum())
        self._expect_shape("context_counts", (None,), "one per query")
        self._expect_shape("context_scores", (total,), "the sum of context_counts")
        self._expect_shape("context_embeddings", (total, None), "the sum of context_counts")
        if np.any(self.context_counts < 1):
            query = int(np.flatnonzero(self.context_counts < 1)[0])
            raise ValueError(f"context_counts: expected at least the query box for each query, found 0 for row {query}")


def _checked(name: str, value: Any) -> np.ndarray:
    """Bring a field to its type or say what is wrong with it."""
    array = np.asarray(value)
    part = name.split("_")[-1]
    if part == "names":
        if array.dtype.kind not in "US" and array.size:
            raise ValueError(f"{name}: expected strings, found {array.dtype}")
        return np.char.decode(array, "utf-8") if array.dtype.kind == "S" else array.astype(str)
    if array.dtype.kind not in "iufb":
        raise ValueError(f"{name}: expected numbers, found {array.dtype}")
    if part == "counts":
        if array.dtype.kind == "f" and np.any(array != np.trunc(array)):
            raise ValueError(f"{name}: expected whole numbers, found fractions")
        if np.any(array < 0):
            raise ValueError(f"{name}: expected numbers of detections >= 0, found {array.min()}")
        return array.astype(np.int64)
    array = array.astype(np.float32)
    if not np.isfinite(array).all():
        raise ValueError(f"{name}: expected finite numbers, found {(~np.isfinite(array)).sum()} NaN or infinite")
    return array
