"""One training iteration: forward, backward, a look at the gradients, step."""

import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from detectron2.engine import SimpleTrainer
from detectron2.utils import comm
from torch import nn

from inet_d2.engine.run_stopped import RunStoppedError
from inet_d2.files import written_aside


class TrainStep(SimpleTrainer):
    """Detectron2's iteration, which stops where a loss or a gradient is not finite, and keeps that batch.

    Args:
        model: maps a batch to its losses by name.
        data_loader: endless batches.
        optimizer: of the model's parameters.
        output_dir: where the batch is saved.
    """

    def __init__(
        self,
        model: nn.Module,
        data_loader: Iterable[list[dict[str, Any]]],
        optimizer: torch.optim.Optimizer,
        *,
        output_dir: str,
    ) -> None:
        super().__init__(model, data_loader, optimizer)
        self._output_dir = output_dir
        self._batches = None

    def run_step(self) -> None:
        """Train on the next batch.

        Raises:
            RunStoppedError: a loss or a gradient is not finite; parameters and checkpoints are as they were before.
        """
        start = time.perf_counter()
        if self._batches is None:
            self._batches = iter(self.data_loader)
        batch = next(self._batches)
        data_time = time.perf_counter() - start
        try:
            losses = self.model(batch)
        except FloatingPointError as error:  # the engine's own look at its proposals
            self._stop(batch, [f"proposals ({str(error).rstrip('.')})"])
        self.optimizer.zero_grad()
        sum(losses.values()).backward()
        # The same in every process, since gradients are exchanged; so all of them stop here.
        if wrong := [name for name, value in losses.items() if not bool(torch.isfinite(value))]:
            self._stop(batch, wrong)
        if wrong := non_finite_gradients(self.model):
            self._stop(batch, [f"the gradient of {name}" for name in wrong])
        self._write_metrics(losses, data_time)
        self.optimizer.step()

    def _stop(self, batch: list[dict[str, Any]], wrong: list[str]) -> None:
        path = Path(self._output_dir, f"bad_batch_{comm.get_rank()}.pth")
        with written_aside(path) as aside:
            torch.save({"iteration": self.iter, "batch": [plain_input(x) for x in batch]}, aside)
        rest = f" and {len(wrong) - 4} more" if len(wrong) > 4 else ""
        images = ", ".join(str(x.get("file_name", "?")) for x in batch[:4])
        raise RunStoppedError(
            f"iteration {self.iter}: {', '.join(wrong[:4])}{rest} not finite, on {images}; the batch is in {path} (see "
            "tools/replay_batch.py), and the last checkpoint is sound. Lower SOLVER.BASE_LR or clip gradients "
            "(SOLVER.CLIP_GRADIENTS), and go on with --resume."
        )


def non_finite_gradients(model: nn.Module) -> list[str]:
    """Names of the parameters whose gradient holds NaN or infinity."""
    named = [(name, p.grad) for name, p in model.named_parameters() if p.grad is not None]
    values = [(name, grad.coalesce().values() if grad.is_sparse else grad) for name, grad in named]
    if not values:
        return []
    # One look at all of them is one wait for the device.
    finite = torch.stack([torch.isfinite(value).all() for _, value in values])
    return [name for (name, _), is_finite in zip(values, finite.tolist(), strict=True) if not is_finite]


def plain_input(model_input: dict[str, Any]) -> dict[str, Any]:
    """A training input as tensors, numbers and words alone, which can be read again without running code."""
    plain = {key: value for key, value in model_input.items() if isinstance(value, (torch.Tensor, int, float, str))}
    instances = model_input["instances"]
    plain["image_size"] = list(instances.image_size)
    plain["boxes"] = instances.gt_boxes.tensor
    plain["classes"], plain["pids"] = instances.gt_classes, instances.gt_pids
    return plain
