import logging
import math
import time
import weakref
from contextlib import ExitStack

import torch

from ..utils import comm
from ..utils.events import EventStorage, get_event_storage

logger = logging.getLogger(__name__)


def _log_failure(kind: type[BaseException] | None, error: BaseException | None, trace) -> None:
    """Write the traceback of an error that leaves the training into the log; an interruption needs none."""
    if isinstance(error, Exception):
        logger.error("Training stopped by an error.", exc_info=(kind, error, trace))


class HookBase:
    """Something that a trainer calls around its training and its steps; `trainer` is set by the trainer."""

    trainer: "TrainerBase" = None

    def _nothing(self) -> None:
        pass

    before_train = after_train = before_step = after_backward = after_step = _nothing

    def state_dict(self) -> dict:
        return {}


class TrainerBase:
    """The loop: hooks around `run_step()`, which subclasses have, inside an EventStorage."""

    def __init__(self) -> None:
        self._hooks: list[HookBase] = []
        self.iter = self.start_iter = self.max_iter = 0
        self.storage: EventStorage = None

    def register_hooks(self, hooks: list[HookBase | None]) -> None:
        self._hooks += [hook for hook in hooks if hook is not None]
        for hook in self._hooks:
            hook.trainer = weakref.proxy(self)

    def train(self, start_iter: int, max_iter: int) -> None:
        """Run iterations `start_iter` to `max_iter - 1`; `after_train` runs also after an exception."""
        logger.info("Training, iterations %d to %d.", start_iter, max_iter - 1)
        self.start_iter, self.max_iter, self.iter = start_iter, max_iter, start_iter
        with EventStorage(start_iter) as self.storage, ExitStack() as at_the_end:
            at_the_end.callback(self._call_hooks, "after_train")
            at_the_end.push(_log_failure)  # comes before after_train
            self._call_hooks("before_train")
            self._run_iterations()

    def _run_iterations(self) -> None:
        for iteration in range(self.start_iter, self.max_iter):
            self.iter = iteration
            self._call_hooks("before_step")
            self.run_step()
            self._call_hooks("after_step")
        self.iter += 1  # == max_iter tells after_train that training came to its end

    def _call_hooks(self, name: str) -> None:
        self.storage.iter = self.iter
        for hook in self._hooks:
            getattr(hook, name)()

    def state_dict(self) -> dict:
        hooks = {}
        for hook in self._hooks:
            if state := hook.state_dict():
                hooks.setdefault(type(hook).__qualname__, state)
        return {"iteration": self.iter, **({"hooks": hooks} if hooks else {})}

    def load_state_dict(self, state_dict: dict) -> None:
        self.iter = state_dict["iteration"]
        hooks = {type(hook).__qualname__: hook for hook in reversed(self._hooks)}
        saved = state_dict.get("hooks", {})
        for name in saved.keys() & hooks.keys():
            hooks[name].load_state_dict(saved[name])
        if unknown := sorted(saved.keys() - hooks.keys()):
            logger.warning("Left out of the checkpoint: the state of %s, for which there is no hook.", unknown)


class SimpleTrainer(TrainerBase):
    """One optimizer, one dict of losses that are summed per step."""

    def __init__(self, model, data_loader, optimizer) -> None:
        super().__init__()
        model.train()
        self.model, self.data_loader, self.optimizer = model, data_loader, optimizer
        self._data_iter = None

    def run_step(self) -> None:
        assert self.model.training, "SimpleTrainer: expected a model in training mode; call model.train()"
        start = time.perf_counter()
        if self._data_iter is None:
            self._data_iter = iter(self.data_loader)
        data = next(self._data_iter)
        data_time = time.perf_counter() - start
        losses = self.model(data)
        self.optimizer.zero_grad()
        sum(losses.values()).backward()
        self._write_metrics(losses, data_time)
        self.optimizer.step()

    def _write_metrics(self, losses: dict[str, torch.Tensor], data_time: float) -> None:
        """Record the mean losses over ranks; a sum that is not finite stops the training."""
        storage = get_event_storage()
        storage.put_scalar("rank_data_time", data_time)
        ranks = comm.gather({**{k: float(v.detach()) for k, v in losses.items()}, "data_time": data_time})
        if not ranks:
            return
        storage.put_scalar("data_time", max(metrics["data_time"] for metrics in ranks))
        means = {name: sum(metrics[name] for metrics in ranks) / len(ranks) for name in losses}
        total = sum(means.values())
        if not math.isfinite(total):
            raise FloatingPointError(f"iteration {storage.iter}: expected finite losses, found {means}")
        storage.put_scalar("total_loss", total)
        if len(means) > 1:
            storage.put_scalars(**means)

    def state_dict(self) -> dict:
        return {**super().state_dict(), "optimizer": self.optimizer.state_dict()}

    def load_state_dict(self, state_dict: dict) -> None:
        super().load_state_dict(state_dict)
        self.optimizer.load_state_dict(state_dict["optimizer"])
