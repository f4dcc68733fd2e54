"""The test loader of re-identification: all queries, then their gallery."""

from collections.abc import Iterable
from typing import Any

from detectron2.config import CfgNode

from inet_d2.data.clips import ClipMapper
from inet_d2.data.crop_test_mapper import CropTestMapper
from inet_d2.data.datasets.reid_split import load_reid_split
from inet_d2.data.datasets.tracklet_records import is_tracklets
from inet_d2.data.evaluation_loader import build_evaluation_loader


def build_reid_test_loader(cfg: CfgNode, dataset_name: str) -> Iterable[list[dict[str, Any]]]:
    """Build the loader of queries and gallery, crops or tracklets.

    Args:
        cfg: configuration.
        dataset_name: registered name of the queries.

    Returns:
        Iterable of batches; each input has ``reid_row``, its number among queries and gallery together, besides what
        :class:`CropTestMapper` gives, or :meth:`ClipMapper.whole`.

    Raises:
        ValueError: see :func:`load_reid_split`.
    """
    split = load_reid_split(dataset_name)
    records = [{**record, "reid_row": row} for row, record in enumerate([*split.queries, *split.gallery])]
    mapper = ClipMapper(cfg).whole if is_tracklets(dataset_name) else CropTestMapper(cfg)
    return build_evaluation_loader(cfg, records, mapper)
