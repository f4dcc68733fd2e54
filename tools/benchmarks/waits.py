"""Where a step waits for its device: each line that needs a number, or a size, before it can go on.

On a GPU PyTorch says so itself (``torch.cuda.set_sync_debug_mode``). On a CPU nothing waits, and the operations that
would are counted instead: those whose result is read by Python, or decides how large a tensor is. Copies between CPU
and GPU, which may wait too, are seen on a GPU only.
"""

import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch.utils._python_dispatch import TorchDispatchMode

# What the identity branch adds to Faster R-CNN.
IDENTITY = (
    "inet_d2/modeling/identity/",
    "inet_d2/modeling/roi_heads/identity_branch.py",
    "inet_d2/modeling/roi_heads/region_pids.py",
)
# Frames that say nothing of where a step waits.
OTHERS = (__file__, warnings.__file__, str(Path(torch.__file__).parent))
WAITING = frozenset(
    f"aten::{name}"
    for name in (
        "_local_scalar_dense",  # int(x), float(x), bool(x), x.item(), x.tolist()
        "equal",
        "is_nonzero",
        "masked_select",
        "nonzero",
        "unique_consecutive",
        "unique_dim",
        "_unique2",
    )
)


def count_waits(step: Callable[[], object], device: str) -> Counter[str]:
    """Run a step and count its waits by line of the package or of the engine, ``path:number function``.

    Args:
        step: what to look at; run it before, so that nothing is done for the first time.
        device: "cuda" counts what PyTorch reports, others the operations that would wait there.
    """
    found: Counter[str] = Counter()
    with _reported(found) if device.startswith("cuda") else _WaitingCalls(found):
        step()
    return found


def of_identity(waits: Counter[str]) -> int:
    """How many of the waits are in the files of the identity branch."""
    return sum(count for line, count in waits.items() if line.startswith(IDENTITY))


@contextmanager
def _reported(found: Counter[str]) -> Iterator[None]:
    def report(message: Warning | str, *_: object, **__: object) -> None:
        if "called a synchronizing" in str(message):
            found[_line_of_ours()] += 1

    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = report
        torch.cuda.set_sync_debug_mode("warn")
        try:
            yield
        finally:
            torch.cuda.set_sync_debug_mode("default")


class _WaitingCalls(TorchDispatchMode):
    def __init__(self, found: Counter[str]) -> None:
        super().__init__()
        self.found = found

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # noqa: ANN001, ANN204  (as PyTorch calls it)
        if _waits(func, args, kwargs or {}):
            self.found[_line_of_ours()] += 1
        return func(*args, **(kwargs or {}))


def _waits(func: torch._ops.OpOverload, args: tuple, kwargs: dict) -> bool:
    name = func._schema.name
    if name in ("aten::index", "aten::index_put", "aten::index_put_", "aten::_index_put_impl_"):
        # A mask as an index: nonzero inside.
        return any(x is not None and x.dtype in (torch.bool, torch.uint8) for x in args[1])
    if name == "aten::repeat_interleave":
        return kwargs.get("output_size") is None
    return name in WAITING


def _line_of_ours() -> str:
    """The innermost line of the package or the engine; where there is none, the innermost outside of PyTorch."""
    frames = [x for x in traceback.extract_stack() if not x.filename.startswith(OTHERS)]
    named = [(name, x) for x in frames if (name := _short(x.filename))]
    name, frame = named[-1] if named else (frames[-1].filename, frames[-1])
    return f"{name}:{frame.lineno} {frame.name}"


def _short(filename: str) -> str | None:
    for package in ("inet_d2", "detectron2"):
        parts = Path(filename).parts
        if package in parts:
            return "/".join(parts[len(parts) - 1 - parts[::-1].index(package) :])
    return None
