from fvcore.common.param_scheduler import ParamScheduler
from torch.optim.lr_scheduler import LRScheduler


class WarmupParamScheduler(ParamScheduler):
    """`scheduler` with a warm-up in front of it.

    The warm-up starts at `warmup_factor * scheduler(0)` and takes the share `warmup_length` of the training,
    "linear" or "constant". With `rescale_interval`, `scheduler` starts from its beginning after it.
    """

    def __init__(self, scheduler: ParamScheduler, warmup_factor: float, warmup_length: float,
                 warmup_method: str = "linear", rescale_interval: bool = False) -> None:  # fmt: skip
        if warmup_method not in ("linear", "constant"):
            raise ValueError(f"Unknown warmup method: {warmup_method}")
        self._scheduler, self._length, self._rescale = scheduler, warmup_length, rescale_interval
        self._start = self._end = warmup_factor * scheduler(0.0)
        if warmup_method == "linear":
            self._end = scheduler(0.0 if rescale_interval else warmup_length)

    def __call__(self, where: float) -> float:
        if where < self._length:
            share = where / self._length
            return self._end * share + self._start * (1 - share)
        return self._scheduler((where - self._length) / (1 - self._length) if self._rescale else where)


class LRMultiplier(LRScheduler):
    """A learning-rate scheduler: initial rate times `multiplier(iteration / max_iter)`."""

    def __init__(self, optimizer, multiplier: ParamScheduler, max_iter: int, last_iter: int = -1) -> None:
        self._multiplier, self._max_iter = multiplier, max_iter
        super().__init__(optimizer, last_epoch=last_iter)

    def state_dict(self) -> dict:
        return {"base_lrs": self.base_lrs, "last_epoch": self.last_epoch}

    def get_lr(self) -> list[float]:
        multiplier = self._multiplier(self.last_epoch / self._max_iter)
        return [base_lr * multiplier for base_lr in self.base_lrs]
