import itertools
from collections.abc import Iterator

import torch
from torch.utils.data import Sampler

from ..utils import comm


class TrainingSampler(Sampler):
    """Endless shuffled indices; of w processes, process r takes elements r, r + w, r + 2w ... of one stream."""

    def __init__(self, size: int, shuffle: bool = True, seed: int | None = None) -> None:
        if size <= 0:
            raise ValueError(f"TrainingSampler: expected a size above 0, found {size}")
        self._size, self._shuffle = size, shuffle
        self._seed = int(comm.shared_random_seed() if seed is None else seed)

    def __iter__(self) -> Iterator[int]:
        yield from itertools.islice(self._stream(), comm.get_rank(), None, comm.get_world_size())

    def _stream(self) -> Iterator[int]:
        generator = torch.Generator()
        generator.manual_seed(self._seed)
        while True:
            yield from torch.randperm(self._size, generator=generator).tolist() if self._shuffle else range(self._size)


class InferenceSampler(Sampler):
    """Every index once; each process has a contiguous part, the first ones one more where they do not divide."""

    def __init__(self, size: int) -> None:
        self._indices = torch.arange(size).tensor_split(comm.get_world_size())[comm.get_rank()].tolist()

    def __iter__(self) -> Iterator[int]:
        yield from self._indices

    def __len__(self) -> int:
        return len(self._indices)
