"""The embeddings of a gallery, ready to be searched and to be kept in a file.

Shapes: I images, N boxes over all images, D embedding size, K matches.
"""

import os
import zipfile
from collections.abc import Collection
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from inet_d2.files import written_aside

FIELDS = (
    "gallery_names",
    "gallery_counts",
    "gallery_boxes",
    "gallery_scores",
    "gallery_embeddings",
    "source",
)


@dataclass(frozen=True, eq=False)
class RankedMatches:
    """The best matches of one query, most similar first.

    Attributes:
        names: (K,) str, the image of each match.
        boxes: (K, 4) float32 XYXY, pixels of that image.
        scores: (K,) float32, detection scores in [0, 1].
        similarities: (K,) float32, cosine similarity to the query in [-1, 1].
    """

    names: np.ndarray
    boxes: np.ndarray
    scores: np.ndarray
    similarities: np.ndarray

    def __len__(self) -> int:
        return len(self.names)


class _Image(NamedTuple):
    boxes: np.ndarray
    scores: np.ndarray
    embeddings: np.ndarray


class GalleryIndex:
    """Boxes, detection scores and embeddings of gallery images.

    Attributes:
        source: free text that says what the index was made from; a cache compares it before it uses a file.
    """

    def __init__(self, source: str = "") -> None:
        self.source = source
        self._images: dict[str, _Image] = {}

    @property
    def num_images(self) -> int:
        """I, also counting images without a box."""
        return len(self._images)

    @property
    def num_boxes(self) -> int:
        """N, the boxes over all images."""
        return sum(len(image.boxes) for image in self._images.values())

    def add(self, image_name: str, boxes: np.ndarray, scores: np.ndarray, embeddings: np.ndarray) -> None:
        """Add one image.

        Args:
            image_name: not in the index yet.
            boxes: (n, 4) XYXY, pixels of the image; n may be 0.
            scores: (n,) detection scores.
            embeddings: (n, D) unit length.

        Raises:
            ValueError: the image is there already, the lengths differ, or D is not that of the index.
        """
        if image_name in self._images:
            raise ValueError(f"gallery index: expected every image once, found {image_name} again; leave it out")
        boxes, scores, embeddings = (np.array(x, dtype=np.float32) for x in (boxes, scores, embeddings))
        num_boxes = len(boxes)
        if boxes.shape != (num_boxes, 4) or scores.shape != (num_boxes,) or len(embeddings) != num_boxes:
            raise ValueError(
                f"gallery index: {image_name}: expected boxes (n, 4), scores (n,) and embeddings (n, D), "
                f"found {boxes.shape}, {scores.shape} and {embeddings.shape}"
            )
        if num_boxes:
            self._check_size(embeddings, image_name)
        else:
            embeddings = embeddings.reshape(0, 0)
        self._images[image_name] = _Image(boxes, scores, embeddings)

    def rank(
        self,
        query_embedding: np.ndarray,
        topk: int = 10,
        *,
        min_score: float = 0.0,
        excluded_images: Collection[str] = (),
    ) -> RankedMatches:
        """Find the boxes that look most like the query.

        Args:
            query_embedding: (D,) unit length.
            topk: largest number of matches, >= 1.
            min_score: boxes with a lower detection score are left out.
            excluded_images: images that are left out, for example the query's own.

        Returns:
            At most ``topk`` matches; boxes of equal similarity come in the order in which they were added.

        Raises:
            ValueError: ``topk`` is below 1 or D is not that of the index.
        """
        if topk < 1:
            raise ValueError(f"gallery index: topk: expected at least 1, found {topk}")
        query = np.asarray(query_embedding, dtype=np.float32)
        if query.ndim != 1:
            raise ValueError(f"gallery index: query embedding: expected shape (D,), found {query.shape}")
        names, boxes, scores, embeddings = self._arrays()
        if len(embeddings):
            self._check_size(query[None], "query embedding")
        else:
            embeddings = embeddings.reshape(0, len(query))
        rows = np.flatnonzero((scores >= min_score) & ~np.isin(names, list(excluded_images)))
        similarities = embeddings[rows] @ query
        order = np.argsort(-similarities, kind="stable")[:topk]
        best = rows[order]
        return RankedMatches(names[best], boxes[best], scores[best], similarities[order])

    def save(self, path: str | os.PathLike) -> None:
        """Write the index; the file is complete or as it was before.

        Args:
            path: file to write, usually ``*.npz``; its folder exists. The fields are those of a predictions
                file, without the queries and with ``source``.
        """
        _, boxes, scores, embeddings = self._arrays()
        with written_aside(path) as aside, aside.open("wb") as file:
            np.savez(
                file,
                gallery_names=np.array(list(self._images), dtype=str),
                gallery_counts=self._counts(),
                gallery_boxes=boxes,
                gallery_scores=scores,
                gallery_embeddings=embeddings,
                source=np.array(self.source),
            )

    @classmethod
    def load(cls, path: str | os.PathLike) -> "GalleryIndex":
        """Read an index that :meth:`save` wrote.

        Args:
            path: file to read.

        Returns:
            The index.

        Raises:
            FileNotFoundError: no such file.
            ValueError: the file is no index, or its fields do not fit together.
        """
        try:
            with np.load(path, allow_pickle=False) as file:
                missing = [field for field in FIELDS if field not in file.files]
                arrays = {} if missing else {field: file[field] for field in FIELDS}
        except (ValueError, EOFError, zipfile.BadZipFile, AttributeError) as error:
            raise ValueError(f"{path}: expected a gallery index (.npz), found another file ({error})") from error
        if missing:
            raise ValueError(f"{path}: expected a gallery index, but field {missing[0]} is missing; build it anew")
        _check_fields(path, arrays)
        index = cls(str(arrays["source"]))
        ends = np.cumsum(arrays["gallery_counts"])
        for name, start, end in zip(arrays["gallery_names"], ends - arrays["gallery_counts"], ends, strict=True):
            rows = slice(start, end)
            boxes, scores, embeddings = (arrays[f"gallery_{part}"][rows] for part in _Image._fields)
            index.add(str(name), boxes, scores, embeddings)
        return index

    def _check_size(self, embeddings: np.ndarray, where: str) -> None:
        known = next((i.embeddings.shape[1] for i in self._images.values() if len(i.boxes)), None)
        if embeddings.ndim != 2 or known not in (None, embeddings.shape[1]):
            expected = "(n, D)" if known is None else f"(n, {known})"
            raise ValueError(
                f"gallery index: {where}: expected embeddings {expected}, found {embeddings.shape}; "
                "use one model for the whole index and its queries"
            )

    def _counts(self) -> np.ndarray:
        return np.array([len(image.boxes) for image in self._images.values()], dtype=np.int64)

    def _arrays(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Names, boxes, scores and embeddings, one row per box."""
        filled = [image for image in self._images.values() if len(image.boxes)]
        names = np.repeat(np.array(list(self._images), dtype=str), self._counts())
        if not filled:
            return names, np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros((0, 0), np.float32)
        return names, *(np.concatenate(column) for column in zip(*filled, strict=True))


def _check_fields(path: str | os.PathLike, arrays: dict[str, np.ndarray]) -> None:
    counts = arrays["gallery_counts"]
    num_images, num_boxes = len(arrays["gallery_names"]), len(arrays["gallery_boxes"])
    expected = {
        "gallery_counts": (num_images,),
        "gallery_boxes": (num_boxes, 4),
        "gallery_scores": (num_boxes,),
        "gallery_embeddings": (num_boxes, *arrays["gallery_embeddings"].shape[1:2]),
    }
    for field, shape in expected.items():
        if arrays[field].shape != shape:
            raise ValueError(f"{path}: {field}: expected shape {shape}, found {arrays[field].shape}; build it anew")
    if (counts < 0).any() or counts.sum() != num_boxes:
        raise ValueError(
            f"{path}: gallery_counts: expected counts that add up to {num_boxes} boxes, found "
            f"{counts.sum()}; build it anew"
        )
