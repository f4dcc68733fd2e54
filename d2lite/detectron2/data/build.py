import operator

import torch
from torch.utils.data import DataLoader, Dataset

from .._lite import unsupported
from ..config import CfgNode
from ..utils import comm
from ..utils.env import seed_all_rng
from .common import AspectRatioGroupedDataset, DatasetFromList, MapDataset, ToIterableDataset
from .samplers import InferenceSampler, TrainingSampler


def worker_init_reset_seed(worker_id: int) -> None:
    seed_all_rng(torch.initial_seed() % 2**31 + worker_id)


def _mapped(dataset, mapper) -> Dataset:
    if isinstance(dataset, CfgNode):
        unsupported("A data loader from a configuration alone (give it dataset= and mapper=)")
    return MapDataset(DatasetFromList(dataset, copy=False) if isinstance(dataset, list) else dataset, mapper)


def build_detection_train_loader(dataset, *, mapper, sampler=None, total_batch_size, aspect_ratio_grouping=True,
                                 num_workers=0, collate_fn=None):  # fmt: skip
    """Endless batches of total_batch_size / processes items.

    The items of `dataset` go through `mapper`, in the order of `sampler` (shuffled); a batch is a list.
    """
    dataset, processes = _mapped(dataset, mapper), comm.get_world_size()
    if total_batch_size <= 0 or total_batch_size % processes:
        raise AssertionError(
            f"total_batch_size: expected a multiple of {processes} processes, found {total_batch_size}"
        )
    batch_size = total_batch_size // processes
    dataset = ToIterableDataset(dataset, sampler or TrainingSampler(len(dataset)), shard_chunk_size=batch_size)
    options = {"num_workers": num_workers, "worker_init_fn": worker_init_reset_seed}
    if not aspect_ratio_grouping:
        return DataLoader(dataset, batch_size=batch_size, drop_last=True, collate_fn=collate_fn or list, **options)
    if collate_fn is not None:
        unsupported("build_detection_train_loader with aspect_ratio_grouping and collate_fn")
    return AspectRatioGroupedDataset(DataLoader(dataset, collate_fn=operator.itemgetter(0), **options), batch_size)


def build_detection_test_loader(dataset, *, mapper, sampler=None, batch_size: int = 1, num_workers: int = 0,
                                collate_fn=None) -> DataLoader:  # fmt: skip
    """Batches (lists) in which every item is once, in order."""
    dataset = _mapped(dataset, mapper)
    sampler = sampler or InferenceSampler(len(dataset))
    return DataLoader(dataset, batch_size, sampler=sampler, num_workers=num_workers, collate_fn=collate_fn or list)
