import time
from collections import Counter

from fvcore.common.checkpoint import PeriodicCheckpointer as _PeriodicCheckpointer

from ..evaluation.testing import flatten_results_dict
from ..utils import comm
from .train_loop import HookBase


class IterationTimer(HookBase):
    """Record `time`, seconds per iteration without hooks, from the third iteration of the run on."""

    def before_step(self) -> None:
        self._start = time.perf_counter()

    def after_step(self) -> None:
        if self.trainer.iter - self.trainer.start_iter >= 2:
            self.trainer.storage.put_scalar("time", time.perf_counter() - self._start)


class PeriodicWriter(HookBase):
    """Let the writers publish the storage every `period` iterations and at the end."""

    def __init__(self, writers: list, period: int = 20) -> None:
        self._writers, self._period = writers, period

    def after_step(self) -> None:
        done, last = self.trainer.iter + 1, self.trainer.max_iter
        if done == last or done % self._period == 0:
            self._write()

    def after_train(self) -> None:
        self._write()
        for writer in self._writers:
            writer.close()

    def _write(self) -> None:
        for writer in self._writers:
            writer.write()


class PeriodicCheckpointer(_PeriodicCheckpointer, HookBase):
    def before_train(self) -> None:
        self.max_iter = self.trainer.max_iter

    def after_step(self) -> None:
        self.step(self.trainer.iter)


class LRScheduler(HookBase):
    """Record the learning rate that the step used, then step the scheduler."""

    def before_train(self) -> None:
        """Choose the group whose rate is recorded: the largest, or one with the most common rate."""
        groups = self.trainer.optimizer.param_groups
        self._group = max(groups, key=lambda group: len(group["params"]))
        if len(self._group["params"]) == 1:
            common = Counter(group["lr"] for group in groups).most_common(1)[0][0]
            self._group = next(group for group in groups if group["lr"] == common)

    def after_step(self) -> None:
        self.trainer.storage.put_scalar("lr", self._group["lr"], smoothing_hint=False)
        self.trainer.scheduler.step()

    def state_dict(self) -> dict:
        return self.trainer.scheduler.state_dict()

    def load_state_dict(self, state_dict: dict) -> None:
        self.trainer.scheduler.load_state_dict(state_dict)


class EvalHook(HookBase):
    """Evaluate every `eval_period` iterations (0: never) and after the training; results become scalars."""

    def __init__(self, eval_period: int, eval_function) -> None:
        self._period, self._function = eval_period, eval_function

    def after_step(self) -> None:
        done = self.trainer.iter + 1
        if self._period > 0 and done % self._period == 0 and done != self.trainer.max_iter:
            self._run()

    def after_train(self) -> None:
        if self.trainer.iter + 1 >= self.trainer.max_iter:
            self._run()

    def _run(self) -> None:
        flat = flatten_results_dict(self._function() or {})
        self.trainer.storage.put_scalars(**flat, smoothing_hint=False)
        comm.synchronize()
