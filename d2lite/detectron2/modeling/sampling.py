import torch
from torch import Tensor


def subsample_labels(labels: Tensor, num_samples: int, positive_fraction: float, bg_label: int):
    """Random indices of positives, up to their fraction of `num_samples`, and of negatives (= `bg_label`).

    Rows labelled -1 are never drawn. Always two calls of `torch.randperm`, positives first.
    """
    positive = ((labels != -1) & (labels != bg_label)).nonzero(as_tuple=True)[0]
    negative = (labels == bg_label).nonzero(as_tuple=True)[0]
    num_pos = min(positive.numel(), int(num_samples * positive_fraction))
    num_neg = min(negative.numel(), num_samples - num_pos)
    pos_order = torch.randperm(positive.numel(), device=labels.device)[:num_pos]
    neg_order = torch.randperm(negative.numel(), device=labels.device)[:num_neg]
    return positive[pos_order], negative[neg_order]
