"""Settings of a run that would fail deep inside of the engine, asked before anything is built."""

import importlib.util
import math

from detectron2.config import CfgNode
from detectron2.data import DatasetCatalog
from detectron2.modeling import META_ARCH_REGISTRY
from detectron2.utils import comm

from inet_d2.engine.precision import training_precision


def check_settings(cfg: CfgNode) -> None:
    """Check what every run needs.

    Raises:
        ValueError: SOLVER.BASE_LR, MAX_ITER, ITER_SIZE, CHECKPOINT_PERIOD or CHECKPOINTS_KEPT is out of its range, a
            data set or the meta-architecture is not registered (the message says what is), SOLVER.AMP.PRECISION is
            unknown, or a setting needs a single process or tensorboard, or is not supported.
    """
    solver = cfg.SOLVER
    for name, least in (("MAX_ITER", 1), ("ITER_SIZE", 1), ("CHECKPOINT_PERIOD", 1), ("CHECKPOINTS_KEPT", 0)):
        if solver[name] < least:
            raise ValueError(f"SOLVER.{name}: expected at least {least}, found {solver[name]}.")
    if not 0 < solver.BASE_LR < math.inf:
        raise ValueError(f"SOLVER.BASE_LR: expected a number above 0, found {solver.BASE_LR}.")
    if cfg.MODEL.ROI_REID_HEAD.CLASSIFIER.SPARSE_GRADIENT and comm.get_world_size() > 1:
        raise ValueError(
            "MODEL.ROI_REID_HEAD.CLASSIFIER.SPARSE_GRADIENT: row-sparse gradients are for one process, found "
            f"{comm.get_world_size()}; set it to False."
        )
    training_precision(cfg)
    if cfg.VIS_PERIOD > 0 and importlib.util.find_spec("tensorboard") is None:
        raise ValueError(
            f"VIS_PERIOD: expected 0 where tensorboard is not installed, found {cfg.VIS_PERIOD}; install it "
            "(pip install tensorboard): nothing else keeps the pictures."
        )
    if solver.REFERENCE_WORLD_SIZE not in (0, comm.get_world_size()):
        raise ValueError(
            f"SOLVER.REFERENCE_WORLD_SIZE: expected 0, found {solver.REFERENCE_WORLD_SIZE}; batch size and schedule "
            "are not scaled by the number of processes, so set SOLVER.IMS_PER_BATCH, BASE_LR and MAX_ITER themselves."
        )
    known = sorted(DatasetCatalog.list())
    for key in ("TRAIN", "TEST"):
        for name in cfg.DATASETS[key]:
            if name not in known:
                raise ValueError(
                    f"DATASETS.{key}: no data set is registered as {name!r}; choose from {', '.join(known)}, or "
                    "register yours in a module that EXTENSIONS names."
                )
    architectures = sorted(name for name, _ in META_ARCH_REGISTRY)
    if cfg.MODEL.META_ARCHITECTURE not in architectures:
        raise ValueError(
            f"MODEL.META_ARCHITECTURE: {cfg.MODEL.META_ARCHITECTURE!r} is not registered; choose from "
            f"{', '.join(architectures)}."
        )
