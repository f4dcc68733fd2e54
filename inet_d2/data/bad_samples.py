"""Samples that cannot be loaded: what workers hand on about them, and the account of those that were replaced.

An error that is raised in a loader process arrives as a traceback without the error's attributes. So faults of data
travel as values beside the samples, and the training process decides what to do.
"""

import logging
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from detectron2.config import CfgNode

_logger = logging.getLogger(__name__)

POLICIES: Final = ("raise", "skip")
_SHOWN: Final = 4


class LoadingError(ValueError):
    """Loading cannot go on: a sample that cannot be read, too many of them, a lost process. One sentence."""


class Fault(NamedTuple):
    """Why a sample could not be loaded: one sentence that names the file, and the traceback for the log."""

    message: str
    trace: str


class LoadedSample(NamedTuple):
    """What a mapper made of an item, None if nothing could be loaded; and what was tried before in vain."""

    value: Any
    faults: tuple[Fault, ...] = ()


class GuardedMapper:
    """Calls a mapper; faults of data (OSError, ValueError) become part of the result.

    Args:
        mapper: turns an item into one or more model inputs.
    """

    def __init__(self, mapper: Callable[[Any], Any]) -> None:
        self.mapper = mapper

    def __call__(self, item: Any) -> LoadedSample:
        """Map an item; errors of other types are faults of the program and are raised."""
        try:
            value = self.mapper(item)
            if value is None:
                raise ValueError("the mapper gave nothing")
            return LoadedSample(value)
        except (OSError, ValueError) as error:
            message, names = str(error), list(dict.fromkeys(file_names(item)))
            if names and not any(name in message for name in names):
                message = f"{some_names(names)}: {message}"
            return LoadedSample(None, (Fault(message, traceback.format_exc()),))


def file_names(item: Any) -> Iterable[str]:
    """The image files that an item of a loader is made from: every ``file_name`` in it."""
    if isinstance(item, Mapping):
        if isinstance(item.get("file_name"), str):
            yield item["file_name"]
        item = list(item.values())
    if isinstance(item, list | tuple):
        for part in item:
            yield from file_names(part)


def some_names(names: Sequence[str]) -> str:
    """The first few names, and how many more there are."""
    rest = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + rest


@dataclass(frozen=True)
class BadSamplePolicy:
    """What becomes of samples that cannot be loaded.

    Attributes:
        skips: take another sample in their place; False ends the run at the first one.
        max_share: of the samples of an epoch, or of all that were taken, that may be replaced.
    """

    skips: bool = False
    max_share: float = 0.0

    @classmethod
    def from_config(cls, cfg: CfgNode) -> "BadSamplePolicy":
        """Read ``DATALOADER.{ON_BAD_SAMPLE, MAX_BAD_SHARE}``.

        Raises:
            ValueError: a value is out of its range.
        """
        on_bad, share = cfg.DATALOADER.ON_BAD_SAMPLE, cfg.DATALOADER.MAX_BAD_SHARE
        if on_bad not in POLICIES:
            raise ValueError(f"DATALOADER.ON_BAD_SAMPLE: expected one of {', '.join(POLICIES)}, found {on_bad!r}.")
        if not 0 <= share < 1:
            raise ValueError(f"DATALOADER.MAX_BAD_SHARE: expected a share in [0, 1), found {share}.")
        return cls(skips=on_bad == "skip", max_share=share)


STRICT: Final = BadSamplePolicy()
"""The first bad sample ends the run."""


@dataclass
class BadSamples:
    """The account of one process: how many samples it took, and which could not be loaded.

    Attributes:
        policy: what may happen.
        epoch: samples that this process takes in an epoch; the share counts from a whole epoch on.
        advice: ends the message of a sample that ends the run.
        num_taken: samples so far.
        num_replaced: how many of them stand in the place of one that could not be loaded.
        reasons: how often each fault was met.
    """

    policy: BadSamplePolicy
    epoch: int
    advice: str
    num_taken: int = 0
    num_replaced: int = 0
    reasons: dict[str, int] = field(default_factory=dict)

    def add(self, samples: Iterable[LoadedSample]) -> None:
        """Count samples; warn of each fault once.

        Raises:
            LoadingError: a sample has no value, or too many were replaced.
        """
        for sample in samples:
            self.num_taken += 1
            self.num_replaced += bool(sample.faults)
            for fault in sample.faults:
                self._note(fault)
            if sample.value is None:
                tries = f" ({len(sample.faults)} samples in a row)" if len(sample.faults) > 1 else ""
                raise LoadingError(f"{sample.faults[-1].message.rstrip('.')}{tries}; {self.advice}.")
        if self.num_replaced > self.policy.max_share * max(self.epoch, self.num_taken):
            raise LoadingError(
                f"{self.num_replaced} of {self.num_taken} samples could not be loaded ({self.worst()}), more than "
                f"DATALOADER.MAX_BAD_SHARE ({self.policy.max_share:g}) allows; repair the data set, or raise the share."
            )

    def worst(self) -> str:
        """The faults that were met most often, and how often."""
        return describe_reasons(self.reasons)

    def _note(self, fault: Fault) -> None:
        if fault.message not in self.reasons:
            _logger.debug("%s", fault.trace)
            if self.policy.skips:
                _logger.warning("Left out, another sample takes its place: %s", fault.message)
        self.reasons[fault.message] = self.reasons.get(fault.message, 0) + 1


def describe_reasons(reasons: Mapping[str, int]) -> str:
    """Faults and how often each was met, the most frequent first."""
    ordered = sorted(reasons, key=lambda reason: -reasons[reason])
    return some_names([f"{reason} [{reasons[reason]} x]" for reason in ordered])
