"""Boxes and scores out of a file of predictions, to be put under another model."""

from pathlib import Path

import numpy as np

from inet_d2.npz_file import open_npz

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
    remedy = "give the predictions.npz of an evaluation, or leave it empty"
    with open_npz(path, option="TEST.SEARCH.BOXES_FROM", remedy=remedy) as content:
        if any(field not in content for field in FIELDS):
            raise ValueError(f"expected the fields {', '.join(FIELDS)}, found {', '.join(content.files)}")
        names, counts, boxes, scores = (content[field] for field in FIELDS)
        if len(names) != len(counts) or boxes.shape != (counts.sum(), 4) or scores.shape != (counts.sum(),):
            raise ValueError(
                f"expected as many boxes and scores as gallery_counts say, {counts.sum()}, found {boxes.shape} and "
                f"{scores.shape}"
            )
        ends = np.cumsum(counts)[:-1]
        parts = zip(np.split(boxes.astype(np.float32), ends), np.split(scores.astype(np.float32), ends), strict=True)
        return dict(zip(names.tolist(), parts, strict=True))
