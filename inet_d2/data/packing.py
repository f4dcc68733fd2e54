"""The way of samples from a loader's process to the training: small tensors as bytes.

PyTorch moves every tensor through a shared memory file of its own. To make it and to hand it over costs more than the
bytes of boxes and identities, or of a small image.
"""

import io
import os
import pickle
import threading
import time
from multiprocessing.reduction import ForkingPickler
from typing import Any

import torch
from torch.utils.data import get_worker_info

LARGE = 1 << 20  # bytes; from about here shared memory is faster
WATCH = "watch the training"  # a thread of each loader process
_PLAIN = frozenset(
    {torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64, torch.float32, torch.float64}
)


class PackedSamples:
    """What a loader's process gives in the place of a list of samples; it arrives as that list.

    Args:
        samples: anything that can be sent to another process. Small plain tensors arrive contiguous.
    """

    def __init__(self, samples: list) -> None:
        self.samples = samples
        if get_worker_info() is not None and all(thread.name != WATCH for thread in threading.enumerate()):
            threading.Thread(target=_end_with_the_parent, name=WATCH, daemon=True).start()

    def __reduce__(self) -> tuple:
        buffer = io.BytesIO()
        _Packer(buffer, pickle.HIGHEST_PROTOCOL).dump(self.samples)
        return pickle.loads, (buffer.getvalue(),)


def _end_with_the_parent() -> None:
    """End this process soon after the training that it loads for was killed.

    PyTorch's own way out first sends what is waiting: bytes fill the pipe, which nobody reads any more, and it stays.
    """
    parent = os.getppid()
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


class _Packer(ForkingPickler):
    """The pickler of Python's queues between processes, which knows PyTorch's tensors, but for small ones."""

    def reducer_override(self, value: Any) -> Any:
        """``from_numpy`` of an array, or the usual way."""
        is_plain = type(value) is torch.Tensor and value.device.type == "cpu" and value.layout is torch.strided
        if not is_plain or value.dtype not in _PLAIN or value.requires_grad or value.nbytes >= LARGE:
            return NotImplemented
        return torch.from_numpy, (value.contiguous().numpy(),)
