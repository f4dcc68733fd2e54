"""One training iteration: forward, backward, a look at the gradients, step."""

import time
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import torch
from detectron2.engine import HookBase, SimpleTrainer
from detectron2.utils import comm
from detectron2.utils.events import get_event_storage
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from inet_d2.engine.run_stopped import RunStoppedError
from inet_d2.files import written_aside

Batch = list[dict[str, Any]]


class TrainStep(SimpleTrainer):
    """Detectron2's iteration, which stops where a loss or a gradient is not finite, and keeps that batch.

    Args:
        model: maps a batch to its losses by name.
        data_loader: endless batches.
        optimizer: of the model's parameters.
        output_dir: where the batch is saved.
        precision: of convolutions and linear layers, by autocast; None for that of the parameters. With float16 the
            loss is scaled, so that small gradients are not lost; the scale is part of the state.
        iter_size: batches of one iteration; their losses and gradients are averaged.
    """

    def __init__(
        self,
        model: nn.Module,
        data_loader: Iterable[Batch],
        optimizer: torch.optim.Optimizer,
        *,
        output_dir: str,
        precision: torch.dtype | None = None,
        iter_size: int = 1,
    ) -> None:
        super().__init__(model, data_loader, optimizer)
        self._output_dir = output_dir
        self._batches = None
        self._iter_size = iter_size
        self._precision = precision
        self._device = next(model.parameters()).device.type
        self._scaler = torch.amp.GradScaler(self._device, enabled=precision == torch.float16)

    def run_step(self) -> None:
        """Train on the next ``iter_size`` batches.

        Raises:
            RunStoppedError: a loss or a gradient is not finite; parameters and checkpoints are as they were before.
        """
        self.optimizer.zero_grad()
        batches, losses, data_time = [], [], 0.0
        for last in [False] * (self._iter_size - 1) + [True]:
            start = time.perf_counter()
            if self._batches is None:
                self._batches = iter(self.data_loader)
            batches.append(next(self._batches))
            data_time += time.perf_counter() - start
            with self._exchanging_gradients(last):
                losses.append(self._forward(batches[-1]))
                self._scaler.scale(sum(losses[-1].values()) / self._iter_size).backward()
        self._scaler.unscale_(self.optimizer)
        self._check(batches, losses)
        # On the CPU, so that the device is waited for once and not for each loss.
        means = torch.stack([torch.stack([x[name].detach() for x in losses]).mean() for name in losses[0]]).cpu()
        if self._scaler.is_enabled():
            get_event_storage().put_scalar("grad_scale", self._scaler.get_scale())
        self._write_metrics(dict(zip(losses[0], means, strict=True)), data_time)
        # With a scale: no step where it was too large, and a smaller one for the next iteration.
        self._scaler.step(self.optimizer)
        self._scaler.update()

    def close_loader(self) -> None:
        """End the loader's processes; the next step begins its stream anew."""
        if hasattr(self._batches, "close"):
            self._batches.close()
        self._batches = None

    def _forward(self, batch: Batch) -> dict[str, Tensor]:
        try:
            with torch.autocast(self._device, self._precision, enabled=self._precision is not None):
                return self.model(batch)
        except FloatingPointError as error:  # the engine's own look at its proposals
            self._stop(batch, [f"proposals ({str(error).rstrip('.')})"])

    def _exchanging_gradients(self, last: bool) -> AbstractContextManager:
        """Processes exchange the sum of an iteration's gradients, once."""
        waits = isinstance(self.model, DistributedDataParallel) and not last
        return self.model.no_sync() if waits else nullcontext()

    def _check(self, batches: list[Batch], losses: list[dict[str, Tensor]]) -> None:
        """Stop where something is not finite, in all processes: a gradient that is not is the same everywhere."""
        wrong = [non_finite(x) for x in losses]
        gradients = non_finite_gradients(self.model)
        if self._scaler.is_enabled() and gradients and self._scaler.get_scale() > 1:
            # Too large a scale: the step is left out. A loss that is not finite, in any process, has no such excuse.
            gradients = gradients if any(comm.all_gather(any(wrong))) else []
        for batch, names in zip(batches, wrong, strict=True):
            if names:
                self._stop(batch, names)
        if gradients:
            self._stop([x for batch in batches for x in batch], [f"the gradient of {name}" for name in gradients])

    def _stop(self, batch: Batch, wrong: list[str]) -> None:
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

    def state_dict(self) -> dict[str, Any]:
        """State of iteration and optimiser, and with float16 the scale."""
        scale = {"grad_scaler": self._scaler.state_dict()} if self._scaler.is_enabled() else {}
        return {**super().state_dict(), **scale}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over a state; one that was saved without a scale leaves it at its first value."""
        super().load_state_dict(state_dict)
        if self._scaler.is_enabled() and "grad_scaler" in state_dict:
            self._scaler.load_state_dict(state_dict["grad_scaler"])


class LoaderClosed(HookBase):
    """Hook that ends the loader's processes with the training.

    Left to the collector of garbage, they are not told to end, and PyTorch waits five seconds for each.
    """

    def after_train(self) -> None:
        """Close the loader of the step."""
        self.trainer._trainer.close_loader()


def non_finite(tensors: dict[str, Tensor]) -> list[str]:
    """Names of the tensors that hold NaN or infinity; one look, and one wait for the device, where none does."""
    # A sum over NaN or infinity is neither a number nor finite; finite ones rarely overflow, and then are asked again.
    sums = [value.detach().sum() for value in tensors.values()]
    if not sums or bool(torch.stack(sums).isfinite().all()):
        return []
    return [name for name, value in tensors.items() if not bool(torch.isfinite(value).all())]


def non_finite_gradients(model: nn.Module) -> list[str]:
    """Names of the parameters whose gradient holds NaN or infinity."""
    named = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    return non_finite({name: grad.coalesce().values() if grad.is_sparse else grad for name, grad in named.items()})


def plain_input(model_input: dict[str, Any]) -> dict[str, Any]:
    """A training input as tensors, numbers and words alone, which can be read again without running code."""
    plain = {key: value for key, value in model_input.items() if isinstance(value, (torch.Tensor, int, float, str))}
    instances = model_input["instances"]
    plain["image_size"] = list(instances.image_size)
    plain["boxes"] = instances.gt_boxes.tensor
    plain["classes"], plain["pids"] = instances.gt_classes, instances.gt_pids
    return plain
