"""A loader that says what it waits for, and what it could not load."""

import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from torch.utils.data import DataLoader, Dataset, Sampler

from inet_d2.data.bad_samples import BadSamples, LoadingError, file_names, some_names

_logger = logging.getLogger(__name__)


class GuardedLoader:
    """Batches of a loader whose samples are :class:`LoadedSample`.

    Args:
        loader: its ``batch_sampler`` gives the same batches whenever it is iterated; its batches are lists of samples.
        items: what its samples are made from, by index; asked for the names of files.
        collate_fn: joins the values of a batch's samples.
        bad_samples: the account of what could not be loaded.
        patience: seconds without a batch after which a warning says what is waited for; 0 for never.
    """

    def __init__(
        self,
        loader: DataLoader,
        items: Sequence[Any] | Dataset,
        collate_fn: Callable[[list[Any]], Any],
        *,
        bad_samples: BadSamples,
        patience: float,
    ) -> None:
        self.bad_samples = bad_samples
        self.patience = patience
        self._loader, self._items, self._collate = loader, items, collate_fn

    @property
    def batch_sampler(self) -> Sampler:
        """Which samples are in which batch."""
        return self._loader.batch_sampler

    @property
    def dataset(self) -> Dataset:
        """The data set that loads the samples."""
        return self._loader.dataset

    def __len__(self) -> int:
        return len(self._loader)

    def __iter__(self) -> Iterator[Any]:
        """Iterate.

        Yields:
            Joined batches.

        Raises:
            LoadingError: see :meth:`BadSamples.add`; or a loader process is lost.
        """
        batches, places = iter(self._loader), iter(self.batch_sampler)
        while True:
            place = next(places, ())
            with warned_when_slow(self.patience, lambda place=place: self._describe(place)):
                samples = _next_of(batches)
            if samples is None:
                return
            self.bad_samples.add(samples)
            yield self._collate([sample.value for sample in samples])

    def _describe(self, place: Iterable[Any]) -> str:
        """The files of a batch, from the keys or indices of its samples."""
        indices = [key[1] if isinstance(key, tuple) else key for key in place]
        names = [name for index in indices for name in file_names(self._items[index])]
        return some_names(list(dict.fromkeys(names))) or f"the samples {some_names([str(i) for i in indices])}"


def _next_of(batches: Iterator[list]) -> list | None:
    try:
        return next(batches, None)
    except RuntimeError as error:
        if "DataLoader worker" not in str(error):
            raise
        raise LoadingError(
            f"a loader process was lost ({str(error).strip().partition(chr(10))[0].rstrip('.')}); it may have run out "
            "of memory: lower DATALOADER.NUM_WORKERS, and go on with --resume."
        ) from error


@contextmanager
def warned_when_slow(seconds: float, describe: Callable[[], str]) -> Iterator[None]:
    """Warn as long as the block takes, every so many seconds.

    Args:
        seconds: until the first warning and between two; 0 for none.
        describe: what is waited for.
    """
    if not seconds:
        yield
        return
    done = threading.Event()

    def watch() -> None:
        waited = 0.0
        while not done.wait(seconds):
            waited += seconds
            _logger.warning(
                "No batch for %g seconds; waiting for %s. Is the disk or the network that holds them slow? "
                "(DATALOADER.PATIENCE)",
                waited,
                describe(),
            )

    threading.Thread(target=watch, daemon=True, name="loader-watch").start()
    try:
        yield
    finally:
        done.set()
