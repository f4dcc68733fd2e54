import itertools
import logging
import operator

import torch
from torch.utils.data import DataLoader, IterableDataset

from .._lite import unsupported
from ..config import configurable
from ..utils import comm
from ..utils.env import seed_all_rng
from .catalog import DatasetCatalog
from .common import AspectRatioGroupedDataset, DatasetFromList, MapDataset, ToIterableDataset, _MappedIterable
from .dataset_mapper import DatasetMapper
from .samplers import InferenceSampler, TrainingSampler

logger = logging.getLogger(__name__)


def filter_images_with_only_crowd_annotations(dataset_dicts: list[dict]) -> list[dict]:
    """The records with an annotation that is no crowd."""
    kept = [d for d in dataset_dicts if any(a.get("iscrowd", 0) == 0 for a in d["annotations"])]
    counts = (len(dataset_dicts) - len(kept), len(kept))
    logger.info("Removed %d images with no usable annotations. %d images left.", *counts)
    return kept


def get_detection_dataset_dicts(
    names, filter_empty=True, min_keypoints=0, proposal_files=None, check_consistency=True
) -> list[dict]:
    """The records of one or several registered data sets."""
    if min_keypoints or proposal_files:
        unsupported("get_detection_dataset_dicts with keypoints or proposal files")
    names = [names] if isinstance(names, str) else names
    assert len(names), names
    parts = {name: DatasetCatalog.get(name) for name in names}
    for name, records in parts.items():
        assert len(records), f"Dataset '{name}' is empty!"
    records = list(itertools.chain(*parts.values()))
    filter_empty = filter_empty and "annotations" in records[0]
    records = filter_images_with_only_crowd_annotations(records) if filter_empty else records
    assert len(records), f"No valid data found in {','.join(names)}."
    return records


def trivial_batch_collator(batch: list) -> list:
    return batch


def worker_init_reset_seed(worker_id: int) -> None:
    seed_all_rng(torch.initial_seed() % 2**31 + worker_id)


def _mapped(dataset, mapper):
    dataset = DatasetFromList(dataset, copy=False) if isinstance(dataset, list) else dataset
    if mapper is None:
        return dataset
    return (_MappedIterable if isinstance(dataset, IterableDataset) else MapDataset)(dataset, mapper)


def build_batch_data_loader(
    dataset, sampler, total_batch_size, *, aspect_ratio_grouping=False, num_workers=0, collate_fn=None, **kwargs
):
    """Endless batches of total_batch_size / number of processes mapped items, by default as plain lists."""
    world_size = comm.get_world_size()
    if total_batch_size <= 0 or total_batch_size % world_size:
        raise AssertionError(f"Total batch size ({total_batch_size}) must be divisible by #gpus ({world_size}).")
    batch_size = total_batch_size // world_size
    if isinstance(dataset, IterableDataset):
        assert sampler is None, "sampler must be None if dataset is IterableDataset"
    else:
        dataset = ToIterableDataset(dataset, sampler, shard_chunk_size=batch_size)
    options = {"num_workers": num_workers, "worker_init_fn": worker_init_reset_seed, **kwargs}
    if not aspect_ratio_grouping:
        collate_fn = collate_fn or trivial_batch_collator
        return DataLoader(dataset, batch_size=batch_size, drop_last=True, collate_fn=collate_fn, **options)
    loader = DataLoader(dataset, collate_fn=operator.itemgetter(0), **options)
    grouped = AspectRatioGroupedDataset(loader, batch_size)
    return grouped if collate_fn is None else _MappedIterable(grouped, collate_fn)


def _train_loader_from_config(cfg, mapper=None, *, dataset=None, sampler=None):
    loading = cfg.DATALOADER
    if dataset is None:
        dataset = get_detection_dataset_dicts(cfg.DATASETS.TRAIN, filter_empty=loading.FILTER_EMPTY_ANNOTATIONS)
    if sampler is None and not isinstance(dataset, IterableDataset):
        if loading.SAMPLER_TRAIN != "TrainingSampler":
            unsupported(f"DATALOADER.SAMPLER_TRAIN '{loading.SAMPLER_TRAIN}'")
        sampler = TrainingSampler(len(dataset), seed=cfg.SEED)
    return {
        "dataset": dataset,
        "sampler": sampler,
        "mapper": mapper or DatasetMapper(cfg, True),
        "total_batch_size": cfg.SOLVER.IMS_PER_BATCH,
        "aspect_ratio_grouping": loading.ASPECT_RATIO_GROUPING,
        "num_workers": loading.NUM_WORKERS,
    }


@configurable(from_config=_train_loader_from_config)
def build_detection_train_loader(
    dataset, *, mapper, sampler=None, total_batch_size, aspect_ratio_grouping=True, num_workers=0, collate_fn=None,
    **kwargs,
):  # fmt: skip
    """Endless training batches, from a configuration or from these arguments.

    Items of `dataset` go through `mapper` in `num_workers` processes, in the order of `sampler` (shuffled).
    """
    dataset = _mapped(dataset, mapper)
    if sampler is None and not isinstance(dataset, IterableDataset):
        sampler = TrainingSampler(len(dataset))
    options = {"aspect_ratio_grouping": aspect_ratio_grouping, "num_workers": num_workers, **kwargs}
    return build_batch_data_loader(dataset, sampler, total_batch_size, collate_fn=collate_fn, **options)


def _test_loader_from_config(cfg, dataset_name, mapper=None):
    dataset = get_detection_dataset_dicts(dataset_name, filter_empty=False)
    mapper = mapper or DatasetMapper(cfg, False)
    return {"dataset": dataset, "mapper": mapper, "num_workers": cfg.DATALOADER.NUM_WORKERS}


@configurable(from_config=_test_loader_from_config)
def build_detection_test_loader(
    dataset, *, mapper, sampler=None, batch_size: int = 1, num_workers: int = 0, collate_fn=None
) -> DataLoader:
    """Batches in which every item is once, in order, as plain lists; from a configuration or these arguments."""
    dataset = _mapped(dataset, mapper)
    if sampler is None and not isinstance(dataset, IterableDataset):
        sampler = InferenceSampler(len(dataset))
    collate_fn = collate_fn or trivial_batch_collator
    return DataLoader(dataset, batch_size, sampler=sampler, num_workers=num_workers, collate_fn=collate_fn)
