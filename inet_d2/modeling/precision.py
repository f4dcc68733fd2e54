"""Mixed precision: what stays float32."""

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor


def at_least_float32(x: Tensor) -> Tensor:
    """Half-precision values as float32; others as they are.

    Lengths, directions and similarities of embeddings are compared to a few thousandths, which bfloat16 cannot hold.
    """
    return x.to(torch.promote_types(x.dtype, torch.float32))


def full_precision(x: Tensor) -> AbstractContextManager:
    """Context in which autocast leaves the operations on x's device alone; "meta" knows no autocast."""
    return nullcontext() if x.is_meta else torch.autocast(x.device.type, enabled=False)
