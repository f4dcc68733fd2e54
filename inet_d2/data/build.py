"""Loaders: image pairs, single images and person crops for training, test images with query boxes for search."""

import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from detectron2.config import CfgNode
from detectron2.data import DatasetFromList
from detectron2.utils import comm
from detectron2.utils.registry import Registry

from inet_d2.data.bad_samples import BadSamplePolicy
from inet_d2.data.crops import CropDataset, PersonCropMapper
from inet_d2.data.datasets.builtin import load_protocol, load_records
from inet_d2.data.datasets.protocol import SearchProtocol
from inet_d2.data.evaluation_loader import build_evaluation_loader, patience_of
from inet_d2.data.paired_mapper import PairedDatasetMapper
from inet_d2.data.pairs import PairDataset
from inet_d2.data.person_mapper import PersonImageMapper
from inet_d2.data.records import people_of, records_by_name
from inet_d2.data.sample_stream import TrainingBatches, build_stream_loader
from inet_d2.data.search_mapper import SearchDatasetMapper
from inet_d2.data.training_records import load_training_records

_logger = logging.getLogger(__name__)

TRAIN_LOADER_REGISTRY = Registry("TRAIN_LOADER")
TRAIN_LOADER_REGISTRY.__doc__ = """
Builders of training loaders, chosen by ``DATALOADER.TRAIN_LOADER``: functions ``f(cfg)`` that return an
endless iterable of batches, each a flat list of model inputs of length ``SOLVER.IMS_PER_BATCH`` / number of
processes. Register yours with :func:`register_train_loader`, which asks what a batch is made of.
"""
LOADER_ITEMS = ("pairs", "single images", "crops", "clips")

Record = dict[str, Any]
ModelInput = dict[str, Any]


def flatten_items(items: list[list[ModelInput]]) -> list[ModelInput]:
    """Join the model inputs of a batch's items, in order; inputs of one item stay together."""
    return [model_input for item in items for model_input in item]


def register_train_loader(*, gives: str) -> Callable[[Callable], Callable]:
    """Decorator that registers a builder in ``TRAIN_LOADER_REGISTRY``, under its name.

    Args:
        gives: what its batches are made of: "pairs" (images 2i and 2i + 1 show a common identity), "single images",
            "crops" (one person each) or "clips" (several frames of one person each). It is kept in the builder's
            attribute ``gives``.

    Raises:
        ValueError: ``gives`` is none of these.
    """
    if gives not in LOADER_ITEMS:
        raise ValueError(f'register_train_loader: gives: expected one of {", ".join(LOADER_ITEMS)}, found "{gives}".')

    def register(builder: Callable) -> Callable:
        builder.gives = gives
        TRAIN_LOADER_REGISTRY.register(builder)
        return builder

    return register


def find_train_loader(cfg: CfgNode) -> Callable[[CfgNode], Iterable[list[ModelInput]]]:
    """The builder that ``DATALOADER.TRAIN_LOADER`` names.

    Raises:
        ValueError: no loader has this name.
    """
    name = cfg.DATALOADER.TRAIN_LOADER
    if name not in TRAIN_LOADER_REGISTRY:
        known = ", ".join(sorted(key for key, _ in TRAIN_LOADER_REGISTRY))
        raise ValueError(f"DATALOADER.TRAIN_LOADER is {name!r}, which is not registered; choose one of: {known}")
    return TRAIN_LOADER_REGISTRY.get(name)


def build_train_loader(cfg: CfgNode) -> Iterable[list[ModelInput]]:
    """Build the training loader that ``DATALOADER.TRAIN_LOADER`` names: an endless iterable of batches.

    Raises:
        ValueError: no loader has this name, or the configuration does not fit the data (see the loaders).
    """
    return find_train_loader(cfg)(cfg)


@register_train_loader(gives="pairs")
def build_pair_train_loader(cfg: CfgNode) -> Iterable[list[ModelInput]]:
    """Build the loader of the joint stage: batches of same-identity image pairs.

    One dataset item is one pair, so both images of a pair always land in one batch, next to each other, for
    any number of workers and processes. ``DATALOADER.ASPECT_RATIO_GROUPING`` is ignored for the same reason:
    grouping sorts single images into batches by shape and would tear pairs apart.

    Args:
        cfg: configuration; ``SOLVER.IMS_PER_BATCH`` counts images and must be even.

    Returns:
        Endless iterable of batches, every pair once per epoch; rows 2p and 2p + 1 are pair p.

    Raises:
        ValueError: no training set or one twice, a batch size that does not fit, ``NUM_PIDS`` that differs
            from the training set, or no pair at all.
    """
    records = load_training_records(cfg.DATASETS.TRAIN, cfg.MODEL.ROI_REID_HEAD.NUM_PIDS)
    dataset = PairDataset(records)
    _logger.info("%s: %d same-identity image pairs", " + ".join(cfg.DATASETS.TRAIN), len(dataset))
    return build_item_loader(cfg, dataset, PairedDatasetMapper(cfg, is_train=True), images_per_item=2)


@register_train_loader(gives="single images")
def build_image_train_loader(cfg: CfgNode) -> Iterable[list[ModelInput]]:
    """Build the loader of the baselines: batches of single images, as in Detectron2, with identities beside boxes.

    Args:
        cfg: configuration; ``DATALOADER.FILTER_EMPTY_ANNOTATIONS`` leaves out images without people, and
            ``DATALOADER.ASPECT_RATIO_GROUPING`` makes batches of images that are all wide or all tall.

    Returns:
        Endless iterable of batches, every image once per epoch.

    Raises:
        ValueError: no training set or one twice, a batch size that does not fit, ``NUM_PIDS`` that differs
            from the training set, or no image.
    """
    records = load_training_records(cfg.DATASETS.TRAIN, cfg.MODEL.ROI_REID_HEAD.NUM_PIDS)
    images = records
    if cfg.DATALOADER.FILTER_EMPTY_ANNOTATIONS:
        images = [r for r in records if people_of(r)]
    _logger.info(
        "%s: %d images, %d without people left out",
        " + ".join(cfg.DATASETS.TRAIN),
        len(images),
        len(records) - len(images),
    )
    if not images:
        raise ValueError(
            f"{' + '.join(cfg.DATASETS.TRAIN)}: expected images with people, found none; check the data set"
        )
    groups = _aspect_groups(images) if cfg.DATALOADER.ASPECT_RATIO_GROUPING else None
    batches = _batches(cfg, len(images), images_per_item=1, groups=groups)
    dataset, mapper = DatasetFromList(images, copy=False), PersonImageMapper(cfg, is_train=True)
    return build_stream_loader(dataset, mapper, batches, **_loading(cfg))


@register_train_loader(gives="crops")
def build_crop_train_loader(cfg: CfgNode) -> Iterable[list[ModelInput]]:
    """Build the loader of the first stage: batches of person crops, several per identity.

    ``DATALOADER.ASPECT_RATIO_GROUPING`` is ignored: all crops have one size.

    Args:
        cfg: configuration; ``SOLVER.IMS_PER_BATCH`` counts crops and must be a multiple of
            ``INPUT.PERSON_CROP.PER_IDENTITY``.

    Returns:
        Endless iterable of batches, every identity once per epoch; its crops are consecutive rows.

    Raises:
        ValueError: no training set or one twice, a batch size that does not fit, ``NUM_PIDS`` that differs
            from the training set, or no labelled person.
    """
    records = load_training_records(cfg.DATASETS.TRAIN, cfg.MODEL.ROI_REID_HEAD.NUM_PIDS)
    dataset = CropDataset(records)
    _logger.info(
        "%s: %d identities, %d boxes to crop, %d boxes without area left out",
        " + ".join(cfg.DATASETS.TRAIN),
        len(dataset),
        dataset.num_appearances,
        dataset.num_dropped_boxes,
    )
    given, mapper = cfg.INPUT.PERSON_CROP, PersonCropMapper(cfg, is_train=True)
    if given.CACHE_MIB:
        kept = mapper.keep_cutouts(dataset, given.CACHE_MIB << 20)
        message = (
            "INPUT.PERSON_CROP.CACHE_MIB: room for %d of %d boxes and their surroundings, %.0f MiB when all were seen"
        )
        _logger.info(message, kept.num_kept, dataset.num_appearances, kept.num_bytes / (1 << 20))
    return build_item_loader(cfg, dataset, mapper, images_per_item=given.PER_IDENTITY)


def build_search_test_loader(cfg: CfgNode, dataset_name: str) -> Iterable[list[ModelInput]]:
    """Build the loader of a test set, with the query boxes of its protocol on the images that hold them.

    All gallery sizes of a data set have the same queries, so the first of ``TEST.SEARCH.GALLERY_SIZES`` gives
    them.

    Args:
        cfg: configuration.
        dataset_name: registered name of a test set.

    Returns:
        Iterable of batches, every image once; see :class:`SearchDatasetMapper`. An image that cannot be read ends it.

    Raises:
        ValueError: ``GALLERY_SIZES`` is empty, or a query lies outside its image or in an image that the test
            set lacks.
    """
    sizes = cfg.TEST.SEARCH.GALLERY_SIZES
    if not sizes:
        raise ValueError("TEST.SEARCH.GALLERY_SIZES is empty; name at least one size (0 is the full gallery)")
    records = load_records(dataset_name, with_sizes=True)
    protocol = load_protocol(dataset_name, sizes[0])
    return build_evaluation_loader(cfg, attach_query_boxes(records, protocol), SearchDatasetMapper(cfg))


def attach_query_boxes(records: Sequence[Record], protocol: SearchProtocol) -> list[Record]:
    """Put the query boxes of a protocol on the records of their images.

    Args:
        records: test records; they are not changed.
        protocol: its queries are in images of these records.

    Returns:
        Shallow copies of the records; those of query images have ``query_boxes``, (q, 4) float64 XYXY in the
        original frame, in the order of ``protocol.queries_by_image()``.

    Raises:
        ValueError: a query lies outside its image or in an image that is not among the records.
    """
    protocol.check_query_boxes(records)
    queries = protocol.queries_by_image()
    missing = sorted(queries.keys() - records_by_name(records).keys())
    if missing:
        raise ValueError(
            f"{protocol.name}: expected every query image among the {len(records)} test images, but "
            f"{len(missing)} are not, the first is {missing[0]}; use the query list and the images of one "
            "copy of the data set"
        )
    _logger.info("%s: %d queries in %d images", protocol.name, protocol.num_queries, len(queries))
    return [
        {**record, "query_boxes": queries[name][1]} if name in queries else dict(record)
        for name, record in records_by_name(records).items()
    ]


def build_item_loader(
    cfg: CfgNode,
    dataset: torch.utils.data.Dataset,
    mapper: Callable[[Any], list[ModelInput]],
    *,
    images_per_item: int,
) -> Iterable[list[ModelInput]]:
    """Build an endless loader; ``mapper`` makes ``images_per_item`` model inputs of an item, which stay together.

    Raises:
        ValueError: the batch size does not fit.
    """
    return build_stream_loader(
        dataset,
        mapper,
        _batches(cfg, len(dataset), images_per_item=images_per_item),
        collate_fn=flatten_items,
        **_loading(cfg),
    )


def _loading(cfg: CfgNode) -> dict[str, Any]:
    """Arguments of ``build_stream_loader`` from ``DATALOADER``."""
    return {
        "num_workers": cfg.DATALOADER.NUM_WORKERS,
        "policy": BadSamplePolicy.from_config(cfg),
        "patience": patience_of(cfg),
    }


def _batches(cfg: CfgNode, size: int, *, images_per_item: int, groups: Sequence[int] | None = None) -> TrainingBatches:
    items_per_batch = _checked_batch_size(cfg, images_per_item=images_per_item) // images_per_item
    seed = cfg.SEED if cfg.SEED >= 0 else comm.shared_random_seed()
    return TrainingBatches(size, items_per_batch=items_per_batch, seed=seed, groups=groups)


def _aspect_groups(records: Sequence[Record]) -> list[int]:
    """1 for records that are wider than high, else 0."""
    for record in records:
        if "width" not in record or "height" not in record:
            raise ValueError(
                f"{record['file_name']}: DATALOADER.ASPECT_RATIO_GROUPING needs width and height in every record; add "
                "them where the data set is read, or set it to False"
            )
    return [int(record["width"] > record["height"]) for record in records]


def _checked_batch_size(cfg: CfgNode, *, images_per_item: int) -> int:
    images_per_batch, num_processes = cfg.SOLVER.IMS_PER_BATCH, comm.get_world_size()
    unit = images_per_item * num_processes
    if images_per_batch < unit or images_per_batch % unit:
        raise ValueError(
            f"SOLVER.IMS_PER_BATCH is {images_per_batch}, but {cfg.DATALOADER.TRAIN_LOADER} needs a multiple "
            f"of {unit}: {images_per_item} image(s) per item on each of {num_processes} process(es)"
        )
    return images_per_batch
