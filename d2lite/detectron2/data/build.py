import logging
import operator

import torch
from torch.utils.data import DataLoader, IterableDataset

from .._lite import unsupported
from ..config import configurable
from ..utils import comm
from ..utils.env import seed_all_rng
from .catalog import DatasetCatalog
from .common import AspectRatioGroupedDataset, DatasetFromList, MapDataset, ToIterableDataset
from .dataset_mapper import DatasetMapper
from .samplers import InferenceSampler, TrainingSampler


def get_detection_dataset_dicts(names, filter_empty=True, min_keypoints=0, proposal_files=None) -> list[dict]:
    """The records of one or several registered data sets; without those that have only crowds, if any has boxes."""
    if min_keypoints or proposal_files:
        unsupported("get_detection_dataset_dicts with keypoints or proposal files")
    names = [names] if isinstance(names, str) else names
    records = []
    for name in names:
        records += DatasetCatalog.get(name)
        assert records, f"Dataset '{name}' is empty!"
    if filter_empty and "annotations" in records[0]:
        kept = [d for d in records if any(a.get("iscrowd", 0) == 0 for a in d["annotations"])]
        counts = (len(records) - len(kept), len(kept))
        logging.getLogger(__name__).info("Removed %d images with no usable annotations. %d images left.", *counts)
        records = kept
    assert records, f"No valid data found in {','.join(names)}."
    return records


def trivial_batch_collator(batch: list) -> list:
    return batch


def worker_init_reset_seed(worker_id: int) -> None:
    seed_all_rng(torch.initial_seed() % 2**31 + worker_id)


def _mapped(dataset, mapper):
    dataset = DatasetFromList(dataset, copy=False) if isinstance(dataset, list) else dataset
    if isinstance(dataset, IterableDataset):
        unsupported("A data loader of an IterableDataset")
    return dataset if mapper is None else MapDataset(dataset, mapper)


def _train_loader_from_config(cfg, mapper=None, *, dataset=None, sampler=None):
    load = cfg.DATALOADER
    if dataset is None:
        dataset = get_detection_dataset_dicts(cfg.DATASETS.TRAIN, filter_empty=load.FILTER_EMPTY_ANNOTATIONS)
    if sampler is None and load.SAMPLER_TRAIN != "TrainingSampler":
        unsupported(f"DATALOADER.SAMPLER_TRAIN '{load.SAMPLER_TRAIN}'")
    return {
        "dataset": dataset, "sampler": sampler or TrainingSampler(len(dataset), seed=cfg.SEED),
        "mapper": mapper or DatasetMapper(cfg, True), "total_batch_size": cfg.SOLVER.IMS_PER_BATCH,
        "aspect_ratio_grouping": load.ASPECT_RATIO_GROUPING, "num_workers": load.NUM_WORKERS,
    }  # fmt: skip


@configurable(from_config=_train_loader_from_config)
def build_detection_train_loader(dataset, *, mapper, sampler=None, total_batch_size, aspect_ratio_grouping=True,
                                 num_workers=0, collate_fn=None, **kwargs):  # fmt: skip
    """Endless batches of total_batch_size / processes items, from a configuration or from these arguments.

    The items of `dataset` go through `mapper`, in the order of `sampler` (shuffled); a batch is a list.
    """
    dataset, processes = _mapped(dataset, mapper), comm.get_world_size()
    if total_batch_size <= 0 or total_batch_size % processes:
        raise AssertionError(f"Total batch size ({total_batch_size}) must be divisible by #gpus ({processes}).")
    batch_size = total_batch_size // processes
    dataset = ToIterableDataset(dataset, sampler or TrainingSampler(len(dataset)), shard_chunk_size=batch_size)
    options = {"num_workers": num_workers, "worker_init_fn": worker_init_reset_seed, **kwargs}
    if not aspect_ratio_grouping:
        collate_fn = collate_fn or trivial_batch_collator
        return DataLoader(dataset, batch_size=batch_size, drop_last=True, collate_fn=collate_fn, **options)
    if collate_fn is not None:
        unsupported("build_detection_train_loader with aspect_ratio_grouping and collate_fn")
    return AspectRatioGroupedDataset(DataLoader(dataset, collate_fn=operator.itemgetter(0), **options), batch_size)


def _test_loader_from_config(cfg, dataset_name, mapper=None):
    dataset = get_detection_dataset_dicts(dataset_name, filter_empty=False)
    mapper = mapper or DatasetMapper(cfg, False)
    return {"dataset": dataset, "mapper": mapper, "num_workers": cfg.DATALOADER.NUM_WORKERS}


@configurable(from_config=_test_loader_from_config)
def build_detection_test_loader(dataset, *, mapper, sampler=None, batch_size: int = 1, num_workers: int = 0,
                                collate_fn=None) -> DataLoader:  # fmt: skip
    """Batches (lists) in which every item is once, in order; from a configuration or from these arguments."""
    dataset, collate_fn = _mapped(dataset, mapper), collate_fn or trivial_batch_collator
    sampler = sampler or InferenceSampler(len(dataset))
    return DataLoader(dataset, batch_size, sampler=sampler, num_workers=num_workers, collate_fn=collate_fn)
