"""Clipping the gradient of a whole model, which Detectron2's optimisers clip parameter by parameter."""

import torch
from torch.optim import Optimizer

WHOLE_MODEL = "full_model"


def clip_whole_model(optimizer: Optimizer, *, max_norm: float, norm_type: float = 2.0) -> None:
    """Make every step of an optimiser scale all gradients together, so that their joint norm is at most ``max_norm``.

    With mixed precision the step sees unscaled gradients, so that the same bound holds there.

    Args:
        optimizer: changed in place.
        max_norm: > 0.
        norm_type: p of the p-norm.

    Raises:
        ValueError: ``max_norm`` is not above 0.
    """
    if not max_norm > 0:
        raise ValueError(f"SOLVER.CLIP_GRADIENTS.CLIP_VALUE: expected a norm above 0, found {max_norm}")

    def clip(stepping: Optimizer, args: tuple, kwargs: dict) -> None:
        parameters = [p for group in stepping.param_groups for p in group["params"] if p.grad is not None]
        torch.nn.utils.clip_grad_norm_(parameters, max_norm, norm_type)

    optimizer.register_step_pre_hook(clip)
