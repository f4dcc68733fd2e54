import pickle
import random
from collections.abc import Callable, Iterable, Iterator

import numpy as np
import torch
from torch.utils import data


class MapDataset(data.Dataset):
    """`map_func` of every item; where it returns None, that of another item, drawn at random, takes its place."""

    def __init__(self, dataset: data.Dataset, map_func: Callable) -> None:
        self._dataset, self._map_func = dataset, map_func
        self._rng, self._candidates = random.Random(42), set(range(len(dataset)))

    def __len__(self) -> int:
        return len(self._dataset)

    def __getitem__(self, idx: int):
        while (item := self._map_func(self._dataset[int(idx)])) is None:
            self._candidates.discard(idx)
            idx = self._rng.sample(list(self._candidates), k=1)[0]
        self._candidates.add(idx)
        return item


class DatasetFromList(data.Dataset):
    """A list as a data set, pickled into one block of bytes that worker processes share; items are copies."""

    def __init__(self, lst: list, copy: bool = True) -> None:
        blobs = [np.frombuffer(pickle.dumps(item, protocol=-1), dtype=np.uint8) for item in lst]
        self._ends = [0, *np.cumsum([len(blob) for blob in blobs]).tolist()]
        self._blob = torch.from_numpy(np.concatenate(blobs)) if blobs else torch.empty(0)

    def __len__(self) -> int:
        return len(self._ends) - 1

    def __getitem__(self, idx: int):
        idx = range(len(self))[idx]
        return pickle.loads(memoryview(self._blob[self._ends[idx] : self._ends[idx + 1]].numpy()))


class ToIterableDataset(data.IterableDataset):
    """The items that a sampler names. Of w workers, worker i takes chunks i, i + w, i + 2w ... of the sampler."""

    def __init__(self, dataset, sampler, shard_chunk_size: int = 1) -> None:
        self.dataset, self.sampler, self.shard_chunk_size = dataset, sampler, shard_chunk_size

    def __iter__(self) -> Iterator:
        worker = data.get_worker_info()
        count, number = (1, 0) if worker is None else (worker.num_workers, worker.id)
        for n, index in enumerate(self.sampler):
            if n // self.shard_chunk_size % count == number:
                yield self.dataset[index]


class AspectRatioGroupedDataset(data.IterableDataset):
    """Batches of dicts that are all wider than high, or all not, by their "width" and "height"."""

    def __init__(self, dataset: Iterable[dict], batch_size: int) -> None:
        self.dataset, self.batch_size = dataset, batch_size

    def __iter__(self) -> Iterator[list[dict]]:
        buckets = {True: [], False: []}
        for item in self.dataset:
            wide = item["width"] > item["height"]
            buckets[wide].append(item)
            if len(buckets[wide]) == self.batch_size:
                yield buckets[wide]
                buckets[wide] = []
