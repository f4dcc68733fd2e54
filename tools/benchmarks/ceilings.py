"""What a device can do, measured by the work that suits it best, and what a step asks of it."""

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.measuring import clock, seconds

# How a step may compute: float32 without and with the tensor cores' short products, or autocast.
PRECISIONS = ("float32", "tf32", "bf16")


@contextmanager
def computing(precision: str) -> Iterator[None]:
    """Let products of float32 use the tensor cores or not; "bf16" leaves them as PyTorch has them."""
    before = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    if precision != "bf16":
        torch.set_float32_matmul_precision("high" if precision == "tf32" else "highest")
        torch.backends.cudnn.allow_tf32 = precision == "tf32"
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before[0])
        torch.backends.cudnn.allow_tf32 = before[1]


def product_rate(device: str, precision: str, *, side: int) -> float:
    """Floating-point operations a second of a product of two random square matrices."""
    kind = torch.bfloat16 if precision == "bf16" else torch.float32
    left, right = (torch.randn(side, side, device=device, dtype=kind) for _ in range(2))
    with computing(precision):
        return 2 * side**3 / _median_seconds(lambda: left @ right, device)


def copy_rate(device: str, *, mib: int) -> float:
    """Bytes a second of a copy on the device, those read and those written."""
    source = torch.randint(256, (mib << 20,), dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    return 2 * source.nbytes / _median_seconds(lambda: target.copy_(source), device)


def _median_seconds(work: Callable[[], object], device: str, *, calls: int = 10, rounds: int = 7) -> float:
    """Median time of a call, of which several are asked for at once, so that a GPU is not idle in between."""

    def several() -> None:
        for _ in range(calls):
            work()

    now = clock("wall", device)
    several()
    return statistics.median(seconds(several, now) for _ in range(rounds)) / calls


def count_flops(step: Callable[[], object]) -> int:
    """Floating-point operations of the convolutions and matrix products in a step, two for each multiply-add."""
    with FlopCounterMode(display=False) as counter:
        step()
    return counter.get_total_flops()


class Budget:
    """Time that a run may take.

    Args:
        seconds: from now on.
    """

    def __init__(self, seconds: float) -> None:
        self.begin, self.seconds = time.monotonic(), seconds

    @property
    def used(self) -> float:
        """Seconds so far."""
        return time.monotonic() - self.begin

    @property
    def is_over(self) -> bool:
        """Whether nothing more should be begun."""
        return self.used >= self.seconds
