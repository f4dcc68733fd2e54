"""The number format that a training computes in."""

import re
from pathlib import Path

import torch
from detectron2.config import CfgNode

PRECISIONS = {"fp16": torch.float16, "bf16": torch.bfloat16}
# Where Linux says what the processor can do.
CPU_INFO = Path("/proc/cpuinfo")


def training_precision(cfg: CfgNode) -> torch.dtype | None:
    """What autocast turns convolutions and linear layers into (SOLVER.AMP); None for none.

    Raises:
        ValueError: SOLVER.AMP.PRECISION is unknown.
    """
    amp = cfg.SOLVER.AMP
    if amp.PRECISION not in (*PRECISIONS, "auto"):
        raise ValueError(f'SOLVER.AMP.PRECISION: expected one of fp16, bf16, auto, found "{amp.PRECISION}".')
    if not amp.ENABLED:
        return None
    if amp.PRECISION == "auto":
        return torch.bfloat16 if has_bfloat16(torch.device(cfg.MODEL.DEVICE)) else None
    return PRECISIONS[amp.PRECISION]


def has_bfloat16(device: torch.device) -> bool:
    """Whether a device has instructions for bfloat16; it works on all, but may be slower than float32 without them.

    A processor that does not say so, as on another system than Linux, counts as one that has none. The answer is read
    and not measured, so that a resumed run gets the same one.
    """
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported()
    return CPU_INFO.is_file() and re.search(r"\b(amx_bf16|avx512_bf16)\b", CPU_INFO.read_text()) is not None
