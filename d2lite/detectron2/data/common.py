import copy
import itertools
import logging
import pickle
import random
from collections.abc import Callable, Iterable, Iterator

import numpy as np
import torch
from torch.utils import data

logger = logging.getLogger(__name__)


class MapDataset(data.Dataset):
    """`map_func` of every item; where it returns None, that of another item, drawn at random, takes its place."""

    def __init__(self, dataset: data.Dataset, map_func: Callable) -> None:
        self._dataset = dataset
        self._map_func = map_func
        self._rng = random.Random(42)
        self._candidates = set(range(len(dataset)))

    def __len__(self) -> int:
        return len(self._dataset)

    def __getitem__(self, idx: int):
        for attempt in itertools.count(1):
            item = self._map_func(self._dataset[int(idx)])
            if item is not None:
                self._candidates.add(idx)
                return item
            self._candidates.discard(idx)
            idx = self._rng.sample(list(self._candidates), k=1)[0]
            if attempt >= 3:
                logger.warning("Failed to apply `_map_func` for idx: %s, retry count: %s", idx, attempt)


class _MappedIterable(data.IterableDataset):
    """`map_func` of everything that comes, except where it returns None."""

    def __init__(self, dataset: Iterable, map_func: Callable) -> None:
        self._dataset = dataset
        self._map_func = map_func

    def __iter__(self) -> Iterator:
        return (item for item in map(self._map_func, self._dataset) if item is not None)


class DatasetFromList(data.Dataset):
    """A list as a data set; serialized, it is one block of bytes that worker processes share."""

    def __init__(self, lst: list, copy: bool = True, serialize: bool = True) -> None:
        self._copy, self._items = copy, None if serialize else lst
        if serialize:
            blobs = [np.frombuffer(pickle.dumps(item, protocol=-1), dtype=np.uint8) for item in lst]
            self._ends = np.cumsum([len(blob) for blob in blobs], dtype=np.int64)
            self._blob = torch.from_numpy(np.concatenate(blobs)) if blobs else torch.empty(0)

    def __len__(self) -> int:
        return len(self._ends if self._items is None else self._items)

    def __getitem__(self, idx: int):
        if self._items is not None:
            return copy.deepcopy(self._items[idx]) if self._copy else self._items[idx]
        start = 0 if idx == 0 else self._ends[idx - 1].item()
        return pickle.loads(memoryview(self._blob[start : self._ends[idx].item()].numpy()))


class ToIterableDataset(data.IterableDataset):
    """The items that a sampler names. Of w workers, worker i takes chunks i, i + w, i + 2w ... of the sampler."""

    def __init__(self, dataset, sampler, shard_sampler: bool = True, shard_chunk_size: int = 1) -> None:
        self.dataset = dataset
        self.sampler = sampler
        self.shard_sampler = shard_sampler
        self.shard_chunk_size = shard_chunk_size

    def _indices(self) -> Iterator[int]:
        worker, size = data.get_worker_info(), self.shard_chunk_size
        if worker is None or not self.shard_sampler:
            return iter(self.sampler)
        pairs = enumerate(self.sampler)
        return (index for n, index in pairs if n // size % worker.num_workers == worker.id)

    def __iter__(self) -> Iterator:
        return (self.dataset[index] for index in self._indices())

    def __len__(self) -> int:
        return len(self.sampler)


class AspectRatioGroupedDataset(data.IterableDataset):
    """Batches of dicts that are all wider than high, or all not, by their "width" and "height"."""

    def __init__(self, dataset: Iterable[dict], batch_size: int) -> None:
        self.dataset = dataset
        self.batch_size = batch_size

    def __iter__(self) -> Iterator[list[dict]]:
        buckets = {True: [], False: []}
        for item in self.dataset:
            wide = item["width"] > item["height"]
            buckets[wide].append(item)
            if len(buckets[wide]) == self.batch_size:
                yield buckets[wide]
                buckets[wide] = []
