"""How far the people of an exported graph are from those of the model."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import nn

TOLERANCE = 1e-4  # of scores and embeddings; of boxes as a part of the longer side of the picture


class Outputs(NamedTuple):
    """(n, 4) boxes XYXY in the network's frame, (n,) scores, (n, D) embeddings, all float32."""

    boxes: np.ndarray
    scores: np.ndarray
    embeddings: np.ndarray


class Differences(NamedTuple):
    """Numbers of people, and the largest absolute differences between them; boxes in pixels."""

    expected: int
    found: int
    boxes: float
    scores: float
    embeddings: float

    def fit(self, longer_side: int) -> bool:
        """Whether there are as many people, and all differences are within the tolerance."""
        values = (self.boxes / longer_side, self.scores, self.embeddings)
        return self.expected == self.found and all(value <= TOLERANCE for value in values)


@torch.no_grad()
def model_outputs(model: nn.Module, image: np.ndarray) -> Outputs:
    """What a model detects in an image, (1, 3, H, W) float32."""
    height, width = image.shape[-2:]
    inputs = {"image": torch.from_numpy(image[0]), "height": height, "width": width}
    found = model.inference([inputs], do_postprocess=False)[0]
    return Outputs(found.pred_boxes.tensor.numpy(), found.scores.numpy(), found.pred_embeddings.numpy())


@torch.no_grad()
def model_embeddings(model: nn.Module, image: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """What a model makes of boxes (n, 4) in an image, (1, 3, H, W) float32; (n, D)."""
    inputs = {"image": torch.from_numpy(image[0]), "gallery_boxes": torch.from_numpy(boxes)}
    return model.inference([inputs], do_postprocess=False)[0].pred_embeddings.numpy()


def compare(expected: Sequence[np.ndarray], found: Sequence[np.ndarray]) -> Differences:
    """Compare people, each with the one whose box and score are nearest.

    The order of two people of nearly equal score may differ.

    Args:
        expected: boxes (n, 4), scores (n,), embeddings (n, D).
        found: the same for m people.

    Returns:
        Differences; those of people are infinite where n and m differ.
    """
    counts = len(expected[0]), len(found[0])
    if counts[0] != counts[1]:
        return Differences(*counts, np.inf, np.inf, np.inf)
    if not counts[0]:
        return Differences(0, 0, 0.0, 0.0, 0.0)
    ours, theirs = (np.concatenate([x[0], x[1][:, None]], axis=1) for x in (expected, found))
    nearest = np.abs(ours[:, None] - theirs).sum(axis=2).argmin(axis=1)
    largest = (float(np.abs(a - b[nearest]).max()) for a, b in zip(expected, found, strict=True))
    return Differences(*counts, *largest)


def compare_rows(expected: np.ndarray, found: np.ndarray) -> Differences:
    """Compare embeddings (n, D) of given boxes with those of the same boxes, row by row."""
    counts = len(expected), len(found)
    different = float(np.abs(expected - found).max(initial=0)) if counts[0] == counts[1] else np.inf
    return Differences(*counts, 0.0, 0.0, different)
