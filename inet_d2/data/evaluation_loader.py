"""Loaders of what is evaluated: every record once, and none left out."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from detectron2.config import CfgNode
from detectron2.data import build_detection_test_loader

from inet_d2.data.bad_samples import STRICT, BadSamples, GuardedMapper
from inet_d2.data.guarded_loader import GuardedLoader
from inet_d2.data.packing import PackedSamples


def build_evaluation_loader(
    cfg: CfgNode, records: Sequence[dict[str, Any]], mapper: Callable[[dict[str, Any]], dict[str, Any]]
) -> Iterable[list[dict[str, Any]]]:
    """Build the loader of a test set.

    A record that cannot be read ends it; without one of its rows, a gallery gives other figures.

    Args:
        cfg: configuration.
        records: of the test set.
        mapper: from a record to a model input.

    Returns:
        Iterable of batches, in the order of the records.
    """
    num_workers = cfg.DATALOADER.NUM_WORKERS
    loader = build_detection_test_loader(
        records,
        mapper=GuardedMapper(mapper),
        num_workers=num_workers,
        collate_fn=PackedSamples if num_workers else list,
    )
    advice = "an evaluation leaves no image out, so repair the data set"
    account = BadSamples(STRICT, epoch=len(records), advice=advice)
    return GuardedLoader(loader, records, list, bad_samples=account, patience=patience_of(cfg))


def patience_of(cfg: CfgNode) -> float:
    """Seconds that a loader is waited for, DATALOADER.PATIENCE; 0 is for ever.

    Raises:
        ValueError: it is negative.
    """
    if cfg.DATALOADER.PATIENCE < 0:
        raise ValueError(f"DATALOADER.PATIENCE: expected seconds, 0 for never, found {cfg.DATALOADER.PATIENCE}.")
    return cfg.DATALOADER.PATIENCE
