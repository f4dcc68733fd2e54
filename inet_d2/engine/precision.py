"""The number format that a training computes in."""

import torch
from detectron2.config import CfgNode

PRECISIONS = {"fp16": torch.float16, "bf16": torch.bfloat16}


def training_precision(cfg: CfgNode) -> torch.dtype | None:
    """What autocast turns convolutions and linear layers into (SOLVER.AMP); None for none.

    Raises:
        ValueError: SOLVER.AMP.PRECISION is unknown.
    """
    amp = cfg.SOLVER.AMP
    if amp.PRECISION not in PRECISIONS:
        raise ValueError(f'SOLVER.AMP.PRECISION: expected one of {", ".join(PRECISIONS)}, found "{amp.PRECISION}".')
    return PRECISIONS[amp.PRECISION] if amp.ENABLED else None
