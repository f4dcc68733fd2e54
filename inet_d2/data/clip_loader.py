"""The training loader of clips."""

import logging
from collections.abc import Iterable

from detectron2.config import CfgNode

from inet_d2.data.build import ModelInput, build_item_loader, register_train_loader
from inet_d2.data.clips import ClipMapper, TrackletDataset
from inet_d2.data.datasets.tracklet_records import load_training_tracklets

_logger = logging.getLogger(__name__)


@register_train_loader(gives="clips")
def build_clip_train_loader(cfg: CfgNode) -> Iterable[list[ModelInput]]:
    """Build the loader of re-identification in video: batches of clips, several per identity.

    Args:
        cfg: configuration; ``SOLVER.IMS_PER_BATCH`` counts clips and must be a multiple of ``INPUT.CLIP.PER_IDENTITY``.

    Returns:
        Endless iterable of batches, every identity once per epoch; its clips are consecutive rows.

    Raises:
        ValueError: no training set or one twice, a batch size that does not fit, or ``NUM_PIDS`` that differs from the
            training set.
    """
    records = load_training_tracklets(cfg.DATASETS.TRAIN, cfg.MODEL.ROI_REID_HEAD.NUM_PIDS)
    dataset = TrackletDataset(records)
    _logger.info("%s: %d tracklets of %d identities", " + ".join(cfg.DATASETS.TRAIN), len(records), len(dataset))
    return build_item_loader(cfg, dataset, ClipMapper(cfg), images_per_item=cfg.INPUT.CLIP.PER_IDENTITY)
