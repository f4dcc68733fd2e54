"""What the task "gpu" measures, one function for each table; each gives rows, and every share is one of the same peak.

Shape of a row: what it is of (``model``, ``precision``, ``batch``), then its figures.
"""

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch

from benchmarks.ceilings import PRECISIONS, copy_rate, count_flops, product_rate
from benchmarks.measuring import seconds
from benchmarks.steps import HEP_CONFIG, HEPStep, configuration
from benchmarks.waits import count_waits, of_identity
from benchmarks.whole_steps import (
    KINDS,
    Subjects,
    compiled,
    release,
    summary,
    times_in_turn,
    working_bytes,
)

Row = dict[str, Any]
# Seconds that the timed steps of one table's part may take.
LIMIT = 4.0


def ceilings(subjects: Subjects) -> Iterator[Row]:
    """The device's own rates; the products in bfloat16 are the peak of all shares."""
    device = subjects.options.device
    cuda = device.startswith("cuda")
    for precision in PRECISIONS[::-1]:
        rate = product_rate(device, precision, side=8192 if cuda else 256)
        subjects.peak = rate if precision == "bf16" else subjects.peak
        yield {"what": f"product of matrices, {precision}", "tflops": rate / 1e12}
    yield {"what": "copy, read and written", "gb_per_s": copy_rate(device, mib=1024 if cuda else 16) / 1e9}


def waits(subjects: Subjects, path: Path) -> Iterator[Row]:
    """Synchronisations of one training step, by line."""
    for kind in KINDS:
        subject = subjects.get(path, kind)
        step = subject.training("bf16")
        for _ in range(2):
            step()
        found = count_waits(step, subject.device)
        lines = dict(found.most_common())
        yield {"model": kind, "waits": found.total(), "of_identity_losses": of_identity(found), "lines": lines}


def training(subjects: Subjects, path: Path, precision: str) -> Iterator[Row]:
    """A training iteration of I-Net and of Faster R-CNN, in turn."""
    batch = subjects.get(path, KINDS[0]).batch
    return _in_turn(subjects, path, "training", precision, batch, limit=LIMIT)


def inference(subjects: Subjects, path: Path, precision: str, batch: int) -> Iterator[Row]:
    """Detection and embedding, and detection alone, in turn."""
    return _in_turn(subjects, path, "testing", precision, batch, limit=LIMIT / 2)


def _in_turn(subjects: Subjects, path: Path, work: str, precision: str, batch: int, *, limit: float) -> Iterator[Row]:
    known = {kind: subjects.get(path, kind) for kind in KINDS}
    steps = {kind: getattr(subject, work)(precision, batch) for kind, subject in known.items()}
    times = times_in_turn(steps, subjects.now, limit=limit)
    for kind, step in steps.items():
        row = {"model": kind, "precision": precision, "batch": batch, **summary(times, kind, KINDS[1])}
        yield {**row, **_rates(row, step, subjects.peak), "mib": _mib(working_bytes(known[kind], step))}


def batches(subjects: Subjects, path: Path, work: str) -> Iterator[Row]:
    """I-Net in bfloat16 with twice as many images each time, until they do not fit."""
    device, batch = subjects.options.device, 2
    while batch <= subjects.options.largest_batch:
        subject = subjects.get(path, KINDS[0])
        row = {"model": KINDS[0], "work": work, "precision": "bf16", "batch": batch}
        try:
            step = getattr(subject, work)("bf16", batch=batch)
            row |= summary(times_in_turn({"": step}, subjects.now, limit=LIMIT / 4), "", "")
            yield {**row, **_rates(row, step, subjects.peak), "mib": _mib(working_bytes(subject, step))}
        except torch.cuda.OutOfMemoryError:
            yield {**row, "failed": "out of memory"}
            return
        finally:
            subject.optimizer.zero_grad()
            release(device)
        batch *= 2


def identities(subjects: Subjects) -> Iterator[Row]:
    """The identity losses with HEP alone by the number of identities, gradients row-sparse and dense."""
    options = subjects.options
    steps = {}
    for count in options.identities:
        for kind in ("row-sparse", "dense"):
            cfg = configuration(options.hep_config or HEP_CONFIG, options.opts, losses=["HEP"])
            cfg.MODEL.DEVICE, cfg.MODEL.ROI_REID_HEAD.NUM_PIDS = options.device, count
            cfg.MODEL.ROI_REID_HEAD.CLASSIFIER.SPARSE_GRADIENT = kind == "row-sparse"
            steps[f"{count} {kind}"] = HEPStep(cfg, subjects.now)
    first = next(iter(steps))
    times = times_in_turn(steps, subjects.now, limit=LIMIT)
    for name in steps:
        count, gradients = name.split()
        yield {"identities": int(count), "gradients": gradients, **summary(times, name, first)}


def variants(subjects: Subjects, path: Path, work: str) -> Iterator[Row]:
    """I-Net in bfloat16, and with one thing changed, in turn."""
    subject = subjects.get(path, KINDS[0])
    as_it_is = getattr(subject, work)("bf16")

    def searching() -> None:
        before = torch.backends.cudnn.benchmark
        torch.backends.cudnn.benchmark = True
        try:
            as_it_is()
        finally:
            torch.backends.cudnn.benchmark = before

    steps = {"as it is": as_it_is, "float32": getattr(subject, work)("float32"), "cudnn.benchmark": searching}
    other = subject.copied()
    other.module.to(memory_format=torch.contiguous_format)
    steps["without channels_last"] = getattr(other, work)("bf16")
    row = {"model": KINDS[0], "work": work}
    translation = None
    try:
        translated = subject.copied()
        compiled(translated.module)
        step = getattr(translated, work)("bf16")
        translation = sum(seconds(step, subjects.now) for _ in range(2))
        steps["backbone compiled"] = step
    except Exception as error:  # noqa: BLE001  (a compiler that is not there, or fails; the rest is measured)
        yield {**row, "variant": "backbone compiled", "failed": sentence(error)}
    times = times_in_turn(steps, subjects.now, limit=LIMIT)
    for name in steps:
        figures = summary(times, name, "as it is")
        yield {**row, "variant": name, **figures, **({"compile_s": translation} if "compiled" in name else {})}


def _rates(row: Row, step: Callable[[], object], peak: float) -> Row:
    """Images a second, operations of a step, and the share of the peak at which they are done."""
    took, flops = row["step_ms"] / 1e3, count_flops(step)
    share = flops / took / peak if math.isfinite(peak) else None
    return {"images_per_s": row["batch"] / took, "gflop": flops / 1e9, "peak_share": share}


def _mib(size: int | None) -> float | None:
    return None if size is None else size / (1 << 20)


def sentence(error: BaseException) -> str:
    """What went wrong, in one line."""
    return " ".join(f"{type(error).__name__}: {error}".split())[:300]
