"""EventStorage, the collector of scalars during training, and the writers that publish them."""

import datetime
import json
import logging
from collections import defaultdict
from contextlib import contextmanager
from itertools import takewhile

import torch
from fvcore.common.history_buffer import HistoryBuffer

from .file_io import PathManager

_STACK: list["EventStorage"] = []


def get_event_storage() -> "EventStorage":
    """The innermost EventStorage whose `with` block is running."""
    assert _STACK, "there is no EventStorage: open one with `with EventStorage():`"
    return _STACK[-1]


class EventStorage:
    def __init__(self, start_iter: int = 0) -> None:
        self.iter = start_iter
        self._prefix, self._history = "", defaultdict(HistoryBuffer)
        self._hints: dict[str, bool] = {}
        self._latest: dict[str, tuple[float, int]] = {}
        self._images: list[tuple[str, object, int]] = []

    def put_scalar(self, name: str, value, smoothing_hint: bool = True, cur_iter: int | None = None) -> None:
        """Record `value` for iteration `cur_iter` (now); hint False asks writers not to smooth it."""
        name = self._prefix + name
        known = self._hints.setdefault(name, smoothing_hint)
        assert known == smoothing_hint, f"scalar {name}: smoothing_hint was {known} before, is {smoothing_hint} now"
        self._latest[name] = (float(value), self.iter if cur_iter is None else cur_iter)
        self._history[name].update(*self._latest[name])

    def put_scalars(self, *, smoothing_hint: bool = True, **kwargs) -> None:
        for name, value in kwargs.items():
            self.put_scalar(name, value, smoothing_hint)

    def put_image(self, img_name: str, img_tensor) -> None:
        """Keep an RGB picture (3, H, W), uint8 or float in [0, 1], until the TensorBoard writer takes it."""
        self._images.append((img_name, img_tensor, self.iter))

    def clear_images(self) -> None:
        self._images = []

    @contextmanager
    def name_scope(self, name: str):
        """Inside, scalar names get the prefix "name/"."""
        outer, self._prefix = self._prefix, f"{name.rstrip('/')}/"
        yield
        self._prefix = outer

    def step(self) -> None:
        self.iter += 1

    def history(self, name: str) -> HistoryBuffer:
        return self._history[name]

    def smoothing_hints(self) -> dict[str, bool]:
        return self._hints

    def histories(self) -> dict[str, HistoryBuffer]:
        return self._history

    def latest(self) -> dict[str, tuple[float, int]]:
        """{name: (value, iteration)} of the last value of every scalar."""
        return self._latest

    def count_samples(self, name: str, window_size: int = 20) -> int:
        """How many values `name` has in the `window_size` iterations that end at its last one."""
        values = self._history[name].values()
        first = values[-1][1] - window_size + 1
        return sum(1 for _ in takewhile(lambda value: value[1] >= first, reversed(values)))

    def latest_with_smoothing_hint(self, window_size: int = 20) -> dict[str, tuple[float, int]]:
        """Like latest(), with the median of the window for scalars that may be smoothed."""
        result = dict(self._latest)
        for name in filter(self._hints.get, result):
            median = self._history[name].median(self.count_samples(name, window_size))
            result[name] = (median, result[name][1])
        return result

    def __enter__(self) -> "EventStorage":
        _STACK.append(self)
        return self

    def __exit__(self, *exc) -> None:
        assert _STACK.pop() is self


class EventWriter:
    """Base of the writers, which have `write()`; scalars are smoothed over 20 iterations."""

    _window_size, _last_write = 20, -1

    def close(self) -> None:
        pass

    def _news(self) -> list[tuple[str, float, int]]:
        """(name, value, iteration) of the scalars that are newer than those of the last call."""
        latest = get_event_storage().latest_with_smoothing_hint(self._window_size)
        news = [(name, value, at) for name, (value, at) in latest.items() if at > self._last_write]
        self._last_write = max((at for *_, at in news), default=self._last_write)
        return news


class JSONWriter(EventWriter):
    """Append one JSON object per iteration that has news, for `json_file` to be read line by line."""

    def __init__(self, json_file: str) -> None:
        self._file = PathManager.open(json_file, "a")
        self.close = self._file.close

    def write(self) -> None:
        lines: dict[int, dict] = defaultdict(dict)
        for name, value, iteration in self._news():
            lines[iteration].update({name: value, "iteration": iteration})
        self._file.writelines(json.dumps(lines[i], sort_keys=True) + "\n" for i in lines)
        self._file.flush()


class TensorboardXWriter(EventWriter):
    def __init__(self, log_dir: str) -> None:
        self._log_dir, self._writer = log_dir, None

    def write(self) -> None:
        if self._writer is None:
            from torch.utils.tensorboard import SummaryWriter

            self._writer = SummaryWriter(self._log_dir)
            self.close = self._writer.close
        for scalar in self._news():
            self._writer.add_scalar(*scalar)
        storage = get_event_storage()
        for picture in storage._images:
            self._writer.add_image(*picture)
        storage.clear_images()


class CommonMetricPrinter(EventWriter):
    """Log one line with the time that is left, the losses, times, learning rate and memory."""

    def __init__(self, max_iter: int | None = None) -> None:
        self._max_iter = max_iter

    def write(self) -> None:
        storage = get_event_storage()
        if storage.iter == self._max_iter:
            return  # after the last step there is nothing new to say
        histories, line = storage.histories(), " "
        windows = {name: storage.count_samples(name, self._window_size) for name in histories}
        if self._max_iter is not None and "time" in windows:
            eta = histories["time"].median(1000) * (self._max_iter - storage.iter - 1)
            storage.put_scalar("eta_seconds", eta, smoothing_hint=False)
            line += f"eta: {datetime.timedelta(seconds=int(eta))}  "
        line += f"iter: {storage.iter}  "
        for word in ("loss", "[metric]"):
            names = [name for name in windows if word in name]
            line += "  ".join(f"{name}: {histories[name].median(windows[name]):.4g}" for name in names) + "  "
        for name in filter(windows.get, ("time", "data_time")):
            history = histories[name]
            mean = history.global_avg() if name == "time" else history.avg(windows[name])
            line += f"{name}: {mean:.4f}  last_{name}: {history.latest():.4f}  "
        line += f" lr: {histories['lr'].latest():.5g}  " if "lr" in windows else " lr: N/A  "
        if torch.cuda.is_available():
            line += f"max_mem: {torch.cuda.max_memory_allocated() / 2**20:.0f}M"
        logging.getLogger(__name__).info(line)
