import torch
from torch import Tensor


def _draw(mask: Tensor, count: int) -> Tensor:
    """Indices of up to `count` set elements, in random order. Draws one permutation, even of nothing."""
    indices = mask.nonzero().flatten()
    return indices[torch.randperm(len(indices), device=mask.device)[:count]]


def subsample_labels(labels: Tensor, num_samples: int, positive_fraction: float, bg_label: int):
    """Random indices of positives, up to their fraction of `num_samples`, and of negatives (= `bg_label`).

    Rows labelled -1 are never drawn. Always two calls of `torch.randperm`, positives first.
    """
    is_negative = labels == bg_label
    positives = _draw(~is_negative & (labels != -1), int(num_samples * positive_fraction))
    return positives, _draw(is_negative, num_samples - len(positives))
