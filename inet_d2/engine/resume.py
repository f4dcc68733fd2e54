"""What makes a resumed run equal to one that was never stopped, and whether a checkpoint fits the configuration."""

import itertools
import logging
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from detectron2.engine import HookBase
from detectron2.utils import comm
from torch import nn

from inet_d2.data.sample_stream import TrainingBatches
from inet_d2.engine.checkpointer import TAG
from inet_d2.randomness import ITERATION, seed_generators

_logger = logging.getLogger(__name__)


class RunPosition(HookBase):
    """Hook that seeds every iteration and keeps the run's seed and its place in the training stream.

    Args:
        loader: the training loader. If its batches are no :class:`TrainingBatches`, a resumed run begins its stream
            anew, with a warning.
        seed: of the run, where the loader has none; >= 0.
        batches_per_iteration: batches that one iteration takes.
    """

    def __init__(self, loader: Iterable, *, seed: int, batches_per_iteration: int = 1) -> None:
        batches = getattr(loader, "batch_sampler", None)
        self.batches = batches if isinstance(batches, TrainingBatches) else None
        self.seed = seed if self.batches is None else self.batches.seed
        self.batches_per_iteration = batches_per_iteration

    def before_step(self) -> None:
        """Make this iteration's random numbers a function of seed, iteration and process."""
        seed_generators(ITERATION, self.seed, self.trainer.iter, comm.get_rank())

    def state_dict(self) -> dict[str, int]:
        """Seed, items taken by all processes since the run began, and size of the data set."""
        if self.batches is None:
            return {"seed": self.seed}
        done = self.trainer.iter + 1 - self.trainer.start_iter
        new_items = done * self.batches_per_iteration * self.batches.items_per_batch
        return {"seed": self.seed, "num_taken": self.batches.num_taken + new_items, "size": self.batches.size}

    def load_state_dict(self, state: Mapping[str, int]) -> None:
        """Go on with the seed and behind the items of the state."""
        self.seed = state["seed"]
        if self.batches is None or "num_taken" not in state:
            _logger.warning("The training loader cannot go on where the run was stopped; its stream begins anew.")
            return
        if state["size"] != self.batches.size:
            _logger.warning(
                "The training set had %d items and has %d; the run goes on, but not as if it had not been stopped.",
                state["size"],
                self.batches.size,
            )
        self.batches.seed, self.batches.num_taken = state["seed"], state["num_taken"]


def check_checkpoint_fits(
    path: str, checkpoint: Mapping[str, Any], model: nn.Module, optimizer: torch.optim.Optimizer, *, max_iter: int
) -> None:
    """Compare a checkpoint with the model and the optimiser that are about to take it over.

    Args:
        path: for messages.
        checkpoint: as :class:`RunCheckpointer` saves it.
        model: not wrapped.
        optimizer: of its parameters.
        max_iter: SOLVER.MAX_ITER.

    Raises:
        ValueError: names or shapes of the model's state differ, the optimiser is another one or has other groups, or
            the run is longer than ``max_iter`` already.
    """
    remedy = "use the configuration of the run, or leave --resume out and name another OUTPUT_DIR"
    expected, found = model.state_dict(), checkpoint["model"]
    wrong = [
        f"{name} {tuple(found[name].shape) if name in found else 'missing'} instead of {tuple(value.shape)}"
        for name, value in expected.items()
        if name not in found or found[name].shape != value.shape
    ]
    if wrong or (wrong := [f"{name} is not part of the model" for name in found if name not in expected]):
        rest = f" and {len(wrong) - 4} more" if len(wrong) > 4 else ""
        raise ValueError(f"--resume: {path} does not fit the configuration: {', '.join(wrong[:4])}{rest}; {remedy}.")
    saved = checkpoint["trainer"]["_trainer"]["optimizer"]["param_groups"]
    groups = optimizer.param_groups
    # momentum is SGD's, betas are Adam's.
    kinds = [{"momentum", "betas"} & group.keys() for group in (saved[0], groups[0])]
    if kinds[0] != kinds[1]:
        raise ValueError(f"--resume: {path} was trained with another SOLVER.OPTIMIZER; {remedy}.")
    if [len(group["params"]) for group in saved] != [len(group["params"]) for group in groups]:
        raise ValueError(
            f"--resume: {path} has other groups of parameters (SOLVER.LR_FACTOR_*, BIAS_LR_FACTOR, WEIGHT_DECAY_* or "
            f"MODEL.BACKBONE.FREEZE_AT have changed); {remedy}."
        )
    if checkpoint["iteration"] >= max_iter:
        raise ValueError(
            f"--resume: {path} is after {checkpoint['iteration'] + 1} iterations, and SOLVER.MAX_ITER is {max_iter}; "
            "set it to at least as many."
        )


def configured_settings(optimizer: torch.optim.Optimizer) -> list[dict[str, Any]]:
    """The settings of every parameter group, without the parameters."""
    return [{key: value for key, value in group.items() if key != "params"} for group in optimizer.param_groups]


def keep_configured_settings(
    optimizer: torch.optim.Optimizer, settings: list[dict[str, Any]], scheduler: torch.optim.lr_scheduler.LRScheduler
) -> None:
    """Let the configuration decide on learning rates and the like, not the checkpoint that was just loaded.

    With an unchanged configuration this changes nothing.

    Args:
        optimizer: has loaded a checkpoint.
        settings: of its groups, from before that; see :func:`configured_settings`.
        scheduler: has loaded a checkpoint, too; its place in the schedule stays.
    """
    changed = set()
    for group, configured in zip(optimizer.param_groups, settings, strict=True):
        for key, value in configured.items():
            if key != "lr" and group.get(key) != value:
                changed.add(f"{key} {value} instead of {group.get(key)}")
            group[key] = value
    scheduler.base_lrs = [configured["initial_lr"] for configured in settings]
    for group, rate in zip(optimizer.param_groups, scheduler.get_lr(), strict=True):
        group["lr"] = rate
    if changed:
        _logger.info("From here on the optimiser has %s, as configured.", ", ".join(sorted(changed)))


def find_earlier_run(output_dir: str, weights: str) -> list[Path]:
    """What an earlier run left in the folder of a new one and could be taken for the new one's.

    Args:
        output_dir: OUTPUT_DIR.
        weights: MODEL.WEIGHTS of the new run.

    Returns:
        Checkpoints, ``last_checkpoint`` and ``results.json``, as far as they are there.

    Raises:
        ValueError: the new run is to start from one of them.
    """
    folder = Path(output_dir)
    found = [path for path in (folder / TAG, folder / "results.json", *folder.glob("model_*.pth")) if path.is_file()]
    if weights and Path(weights).resolve() in [path.resolve() for path in found]:
        raise ValueError(
            f"OUTPUT_DIR: {folder} holds {weights}, which the new run is to start from and would replace; give another "
            "OUTPUT_DIR, or --resume to go on with that run."
        )
    return found


def set_aside(output_dir: str, found: list[Path]) -> None:
    """Move the files of an earlier run to ``<output_dir>/earlier_<n>``, and remove what a killed save left."""
    folder = Path(output_dir)
    for leftover in folder.glob(".model_*.tmp.pth"):
        leftover.unlink(missing_ok=True)
    if not found:
        return
    number = next(n for n in itertools.count(1) if not (folder / f"earlier_{n}").exists())
    target = folder / f"earlier_{number}"
    target.mkdir()
    for path in found:
        path.rename(target / path.name)
    _logger.warning("%s held an earlier run; its checkpoints and figures are in %s now.", folder, target)
