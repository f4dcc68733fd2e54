"""The way of samples from a loader's process to the training: small tensors as bytes.

PyTorch moves every tensor through a shared memory file of its own. To make it and to hand it over costs more than the
bytes of boxes and identities, or of a small image.
"""

import io
import pickle
from multiprocessing.reduction import ForkingPickler
from typing import Any

import torch

LARGE = 1 << 20  # bytes; from about here shared memory is faster
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

    def __reduce__(self) -> tuple:
        buffer = io.BytesIO()
        _Packer(buffer, pickle.HIGHEST_PROTOCOL).dump(self.samples)
        return pickle.loads, (buffer.getvalue(),)


class _Packer(ForkingPickler):
    """The pickler of Python's queues between processes, which knows PyTorch's tensors, but for small ones."""

    def reducer_override(self, value: Any) -> Any:
        """``from_numpy`` of an array, or the usual way."""
        is_plain = type(value) is torch.Tensor and value.device.type == "cpu" and value.layout is torch.strided
        if not is_plain or value.dtype not in _PLAIN or value.requires_grad or value.nbytes >= LARGE:
            return NotImplemented
        return torch.from_numpy, (value.contiguous().numpy(),)
