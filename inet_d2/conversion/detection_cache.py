"""Saved detections of SeqNet's published code (and of COAT's, which is built on it), read without running anything.

Shapes: G gallery images, Q queries, D embedding size.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from inet_d2.conversion.reading import ArrayUnpickler, pickle_with

_GALLERY = ("gallery_dets", "gallery_feats")
_CONTEXT = ("query_dets", "query_feats")
_BOXES = "query_box_feats"


@dataclass(frozen=True, eq=False)
class DetectionCache:
    """Content of an ``eval_cache.pth``; images and queries have no names, only their order.

    Attributes:
        gallery_counts: (G,) int64 detections per image.
        gallery_detections: (N, 5) float32, XYXY in the original image and score; rows of an image stand together.
        gallery_embeddings: (N, D) float32.
        query_embeddings: (Q, D) float32, of the query boxes.
        context_counts: (Q,) int64, people per query image.
        context_detections: (S, 5) float32, for each query its own box first.
        context_embeddings: (S, D) float32.
    """

    gallery_counts: np.ndarray
    gallery_detections: np.ndarray
    gallery_embeddings: np.ndarray
    query_embeddings: np.ndarray
    context_counts: np.ndarray
    context_detections: np.ndarray
    context_embeddings: np.ndarray


def read_detection_cache(path: Path) -> DetectionCache:
    """Read a cache; nothing in it is run.

    Args:
        path: what the published code saved: a dictionary of lists, with an array for each image or query.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it cannot be read, holds something else than arrays, or these do not fit together; the message names
            the field.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path}: expected saved detections, found no file")
    try:
        content = torch.load(path, map_location="cpu", weights_only=False, pickle_module=pickle_with(ArrayUnpickler))
    except Exception as error:  # damaged bytes may fail anywhere in pickle
        reason = str(error).partition("\n")[0] or type(error).__name__
        found = f"found a file that cannot be read ({reason:.120})"
        raise ValueError(f"{path}: expected saved detections, {found}") from error
    try:
        return _collect(content)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def _collect(content: Any) -> DetectionCache:
    names = (*_GALLERY, *_CONTEXT, _BOXES)
    if not isinstance(content, Mapping) or any(name not in content for name in names):
        found = ", ".join(map(str, content)) if isinstance(content, Mapping) else f"a {type(content).__name__}"
        raise ValueError(f"expected the fields {', '.join(names)}, found {found:.200}")
    queries = [_array(_BOXES, row, value).reshape(1, -1) for row, value in enumerate(_list(content, _BOXES))]
    size = queries[0].shape[1] if queries else 0
    gallery = _joined(content, *_GALLERY, size)
    context = _joined(content, *_CONTEXT, size)
    if len(context[0]) != len(queries):
        raise ValueError(f"{_CONTEXT[0]}: expected {len(queries)} items as in {_BOXES}, found {len(context[0])}")
    if any(len(query[0]) != size for query in queries):
        raise ValueError(f"{_BOXES}: expected vectors of one length, {size} as in the first, found another")
    return DetectionCache(*gallery, np.concatenate([np.empty((0, size), np.float32), *queries]), *context)


def _joined(content: Mapping, boxes: str, embeddings: str, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Counts (I,), detections (n, 5) and embeddings (n, D) of two lists over images."""
    found = [_rows(boxes, row, value, 5) for row, value in enumerate(_list(content, boxes))]
    features = [_rows(embeddings, row, value, size) for row, value in enumerate(_list(content, embeddings))]
    counts, others = (np.array([len(x) for x in part], dtype=np.int64) for part in (found, features))
    if len(counts) != len(others):
        raise ValueError(f"{embeddings}: expected {len(counts)} items as in {boxes}, found {len(others)}")
    if np.any(counts != others):
        row = int(np.flatnonzero(counts != others)[0])
        raise ValueError(f"{embeddings}: item {row}: expected {counts[row]} rows as in {boxes}, found {others[row]}")
    return (
        counts,
        np.concatenate([np.empty((0, 5), np.float32), *found]),
        np.concatenate([np.empty((0, size), np.float32), *features]),
    )


def _list(content: Mapping, name: str) -> list:
    value = content[name]
    if not isinstance(value, list | tuple):
        raise ValueError(f"{name}: expected a list, an item for each image or query, found {type(value).__name__}")
    return list(value)


def _rows(name: str, row: int, value: Any, size: int) -> np.ndarray:
    """(n, size) float32; n = 0 for an image without people, whatever its array's shape."""
    array = _array(name, row, value)
    if array.size == 0:
        return np.empty((0, size), np.float32)
    if array.ndim != 2 or array.shape[1] != size:
        raise ValueError(f"{name}: item {row}: expected an array (n, {size}), found {array.shape}")
    return array


def _array(name: str, row: int, value: Any) -> np.ndarray:
    array = np.asarray(value)
    if array.dtype.kind not in "fiu":
        raise ValueError(f"{name}: item {row}: expected numbers, found {array.dtype}")
    return array.astype(np.float32)
