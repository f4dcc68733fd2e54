"""The endless stream of training batches: which sample is in which batch, and what is random about it.

Everything is a function of the seed and of the place in the stream. It is the same for any number of loader
processes, is split over training processes batch by batch, and can be entered at any place, which is how a run resumes.
"""

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from detectron2.utils import comm
from torch.utils.data import DataLoader, Dataset, Sampler

from inet_d2.data.bad_samples import STRICT, BadSamplePolicy, BadSamples, GuardedMapper, LoadedSample
from inet_d2.data.guarded_loader import GuardedLoader
from inet_d2.data.packing import PackedSamples
from inet_d2.randomness import SAMPLE, generators_seeded

# Key of the random numbers of a sample, and its index in the data set.
SampleKey = tuple[tuple[int, ...], int]

ATTEMPTS = 20
"""Samples tried for one place before loading gives up."""


class TrainingBatches(Sampler[list[SampleKey]]):
    """This process's part of every batch, endlessly; each epoch is a new shuffle of the whole data set.

    Args:
        size: items of the data set, >= 1.
        items_per_batch: of all processes together, a multiple of their number.
        seed: >= 0, the same in every process.
        groups: (size,) ints; a batch holds items of one group. None: no groups.

    Attributes:
        num_taken: items that all processes together took in earlier runs; the stream begins behind their batches.

    Raises:
        ValueError: there is no item.
    """

    def __init__(self, size: int, *, items_per_batch: int, seed: int, groups: Sequence[int] | None = None) -> None:
        if size < 1:
            raise ValueError("TrainingBatches: expected a data set with items, found none.")
        self.size = size
        self.items_per_batch = items_per_batch
        self.seed = seed
        self.groups = groups
        self.num_taken = 0

    def __iter__(self) -> Iterator[list[SampleKey]]:
        share = self.items_per_batch // comm.get_world_size()
        first = share * comm.get_rank()
        for batch in itertools.islice(self._batches(), self.num_taken // self.items_per_batch, None):
            yield batch[first : first + share]

    def _batches(self) -> Iterator[list[SampleKey]]:
        waiting: dict[int, list[SampleKey]] = {}
        for position, index in enumerate(self._indices()):
            group = 0 if self.groups is None else self.groups[index]
            batch = waiting.setdefault(group, [])
            batch.append(((SAMPLE, self.seed, position), index))
            if len(batch) == self.items_per_batch:
                yield waiting.pop(group)

    def _indices(self) -> Iterator[int]:
        generator = torch.Generator()
        generator.manual_seed(self.seed)
        while True:
            yield from torch.randperm(self.size, generator=generator).tolist()


class SampleDataset(Dataset):
    """A data set whose items go through a mapper with random numbers of their own.

    Args:
        dataset: anything with a length and items.
        mapper: turns an item into one or more model inputs; draws from the global generators.
        skips: take another item in the place of one that cannot be loaded. Which one, and its random numbers, follow
            from the sample's key and the number of the attempt.
        groups: as for :class:`TrainingBatches`; the other item is one of the same group.
    """

    def __init__(
        self,
        dataset: Sequence[Any] | Dataset,
        mapper: Callable[[Any], Any],
        *,
        skips: bool = False,
        groups: Sequence[int] | None = None,
    ) -> None:
        self.dataset = dataset
        self.mapper = GuardedMapper(mapper)
        self.attempts = ATTEMPTS if skips else 1
        self.groups = None if groups is None else np.asarray(groups)

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, sample: SampleKey) -> LoadedSample:
        key, index = sample
        with generators_seeded(*key):
            found = self.mapper(self.dataset[index])
        faults = found.faults
        for attempt in range(1, self.attempts):
            if found.value is not None:
                break
            with generators_seeded(*key, attempt):
                found = self.mapper(self.dataset[self._other(index)])
            faults += found.faults
        return LoadedSample(found.value, faults)

    def _other(self, index: int) -> int:
        """A random item of the same group; it may be the same one."""
        if self.groups is None:
            return np.random.randint(len(self.dataset))  # noqa: NPY002
        return np.random.choice(np.flatnonzero(self.groups == self.groups[index]))  # noqa: NPY002


def build_stream_loader(
    dataset: Sequence[Any] | Dataset,
    mapper: Callable[[Any], Any],
    batches: TrainingBatches,
    *,
    num_workers: int,
    collate_fn: Callable[[list[Any]], Any] = list,
    policy: BadSamplePolicy = STRICT,
    patience: float = 0.0,
) -> GuardedLoader:
    """Build the loader of a stream.

    Args:
        dataset: see :class:`SampleDataset`.
        mapper: see :class:`SampleDataset`.
        batches: the stream over its indices.
        num_workers: loader processes; 0 loads in the training process.
        collate_fn: joins the mapped items of a batch.
        policy: what becomes of samples that cannot be loaded.
        patience: see :class:`GuardedLoader`.

    Returns:
        Endless loader; ``batch_sampler`` is ``batches``.
    """
    loader = DataLoader(
        SampleDataset(dataset, mapper, skips=policy.skips, groups=batches.groups),
        batch_sampler=batches,
        num_workers=num_workers,
        collate_fn=PackedSamples if num_workers else list,
        # Its own, because drawing the seed of the workers must not move the training's generators.
        generator=torch.Generator(),
    )
    advice = "then go on with --resume"
    if not policy.skips:
        advice += ", or set DATALOADER.ON_BAD_SAMPLE to skip"
    account = BadSamples(policy, epoch=len(dataset) // comm.get_world_size(), advice=advice)
    return GuardedLoader(loader, dataset, collate_fn, bad_samples=account, patience=patience)
