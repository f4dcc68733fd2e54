import logging
import math
import time
from collections import Counter
from datetime import timedelta

from fvcore.common.checkpoint import PeriodicCheckpointer as _PeriodicCheckpointer

from ..evaluation.testing import flatten_results_dict
from ..utils import comm
from .train_loop import HookBase

logger = logging.getLogger(__name__)


class CallbackHook(HookBase):
    """Call the given functions (before_train=, after_train=, before_step=, after_step=) with the trainer."""

    def __init__(self, **functions) -> None:
        for name, function in functions.items():
            if function is not None:
                setattr(self, name, lambda function=function: function(self.trainer))


class IterationTimer(HookBase):
    """Record `time`, seconds per iteration without hooks, from the `warmup_iter`-th iteration of the run on."""

    def __init__(self, warmup_iter: int = 3) -> None:
        self._warmup_iter = warmup_iter

    def before_train(self) -> None:
        self._start, self._seconds = time.perf_counter(), 0.0

    def before_step(self) -> None:
        self._step_start = time.perf_counter()

    def after_step(self) -> None:
        seconds = time.perf_counter() - self._step_start
        if self.trainer.iter - self.trainer.start_iter + 1 >= self._warmup_iter:
            self.trainer.storage.put_scalar("time", seconds)
            self._seconds += seconds
        else:
            self._start = time.perf_counter()

    def after_train(self) -> None:
        count = self.trainer.iter + 1 - self.trainer.start_iter - self._warmup_iter
        if count > 0:
            text = "Overall training speed: %d iterations in %s (%.4f s / it)"
            logger.info(text, count, timedelta(seconds=int(self._seconds)), self._seconds / count)
        everything = time.perf_counter() - self._start
        times = (timedelta(seconds=int(s)) for s in (everything, everything - self._seconds))
        logger.info("Total training time: %s (%s on hooks)", *times)


class PeriodicWriter(HookBase):
    """Let the writers publish the storage every `period` iterations and at the end."""

    def __init__(self, writers: list, period: int = 20) -> None:
        self._writers, self._period = writers, period

    def after_step(self) -> None:
        done = self.trainer.iter + 1
        if done % self._period == 0 or done == self.trainer.max_iter:
            for writer in self._writers:
                writer.write()

    def after_train(self) -> None:
        for writer in self._writers:
            writer.write()
            writer.close()


class PeriodicCheckpointer(_PeriodicCheckpointer, HookBase):
    def before_train(self) -> None:
        self.max_iter = self.trainer.max_iter

    def after_step(self) -> None:
        self.step(self.trainer.iter)


class LRScheduler(HookBase):
    """Record the learning rate that the step used, then step the scheduler."""

    def __init__(self, optimizer=None, scheduler=None) -> None:
        self._optimizer, self._scheduler = optimizer, scheduler

    @property
    def scheduler(self):
        return self._scheduler or self.trainer.scheduler

    def before_train(self) -> None:
        """Choose the group whose rate is recorded: the largest, or one with the most common rate."""
        groups = (self._optimizer or self.trainer.optimizer).param_groups
        self._group = max(groups, key=lambda group: len(group["params"]))
        if len(self._group["params"]) == 1:
            common = Counter(group["lr"] for group in groups).most_common(1)[0][0]
            self._group = next(group for group in groups if group["lr"] == common)

    def after_step(self) -> None:
        self.trainer.storage.put_scalar("lr", self._group["lr"], smoothing_hint=False)
        self.scheduler.step()

    def state_dict(self) -> dict:
        return self.scheduler.state_dict()

    def load_state_dict(self, state_dict: dict) -> None:
        self.scheduler.load_state_dict(state_dict)


class EvalHook(HookBase):
    """Evaluate every `eval_period` iterations (0: never) and after the training; results become scalars."""

    def __init__(self, eval_period: int, eval_function, eval_after_train: bool = True) -> None:
        self._period, self._function, self._at_end = eval_period, eval_function, eval_after_train

    def after_step(self) -> None:
        done = self.trainer.iter + 1
        if self._period > 0 and done % self._period == 0 and done != self.trainer.max_iter:
            self._run()

    def after_train(self) -> None:
        if self._at_end and self.trainer.iter + 1 >= self.trainer.max_iter:
            self._run()

    def _run(self) -> None:
        flat = flatten_results_dict(self._function() or {})
        self.trainer.storage.put_scalars(**flat, smoothing_hint=False)
        comm.synchronize()


class BestCheckpointer(EvalHook):
    """Save the model with the best `val_metric` ("max" or "min") so far; stands behind the EvalHook."""

    def __init__(self, eval_period: int, checkpointer, val_metric: str, mode="max", file_prefix="model_best") -> None:
        super().__init__(eval_period, None)
        self._checkpointer, self._metric, self._file_prefix = checkpointer, val_metric, file_prefix
        self._sign, self._best = {"max": 1, "min": -1}[mode], -math.inf

    def _run(self) -> None:
        value, iteration = self.trainer.storage.latest().get(self._metric, (math.nan, None))
        if iteration is None:
            logger.warning("Given val metric %s does not seem to be computed/stored.", self._metric)
        elif math.isfinite(value) and self._sign * value > self._best:
            self._best = self._sign * value
            self._checkpointer.save(self._file_prefix, iteration=iteration)
