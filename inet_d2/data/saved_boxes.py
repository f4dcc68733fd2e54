"""Boxes and scores out of a file of predictions, to be put under another model."""

import zipfile
from pathlib import Path

import numpy as np

FIELDS = ("gallery_names", "gallery_counts", "gallery_boxes", "gallery_scores")


def load_saved_boxes(path: str | Path) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Read the detections of ``predictions.npz``; embeddings, the bulk of such files, stay unread.

    Args:
        path: written by an evaluation, ``tools/two_step_search.py`` or ``tools/train_detector.py``.

    Returns:
        For each image (n, 4) float32 XYXY in the original frame and (n,) float32 scores; n may be 0.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no file of predictions.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(
            f"TEST.SEARCH.BOXES_FROM: {path} does not exist; give the predictions.npz of an evaluation, or leave "
            "it empty"
        )
    try:
        with np.load(path, allow_pickle=False) as content:
            names, counts, boxes, scores = (content[field] for field in FIELDS)
    except (KeyError, ValueError, AttributeError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(
            f"TEST.SEARCH.BOXES_FROM: {path}: expected the fields {', '.join(FIELDS)} ({error}); write it again "
            "with an evaluation"
        ) from error
    if len(names) != len(counts) or boxes.shape != (counts.sum(), 4) or scores.shape != (counts.sum(),):
        raise ValueError(
            f"TEST.SEARCH.BOXES_FROM: {path}: expected as many boxes and scores as gallery_counts say, {counts.sum()}, "
            f"found {boxes.shape} and {scores.shape}; write it again with an evaluation"
        )
    ends = np.cumsum(counts)[:-1]
    parts = zip(np.split(boxes.astype(np.float32), ends), np.split(scores.astype(np.float32), ends), strict=True)
    return dict(zip(names.tolist(), parts, strict=True))
