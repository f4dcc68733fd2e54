"""The share of a GPU that training and inference use, in some minutes; where there is none, one line says so.

Measured are the card's own rates (product of large matrices, copy), and beside them: a training iteration of I-Net and
of Faster R-CNN with the same backbone in float32, TF32 and bfloat16 (the trainer's own iteration: check of gradients,
metrics and optimiser included); inference, with the embeddings and without; memory; larger and larger batches; the
identity losses by the number of identities; channels_last, torch.compile and cudnn.benchmark; and at which lines a step
waits for the card. Weights and images are random, sizes are the configurations', images are in the CPU's memory.
What fails is told, and the rest is measured.

Examples:
    python tools/benchmark.py --task gpu
    python tools/benchmark.py --task gpu --minutes 9 --output gpu.json
    python tools/benchmark.py --task gpu --config-files configs/CUHK-SYSU/inet_r50_fpn.yaml --only training waits
"""

import argparse
import itertools
import math
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import torch

from benchmarks import gpu_cases
from benchmarks.ceilings import PRECISIONS, Budget
from benchmarks.measuring import add_clock, at_least_one, machine
from benchmarks.steps import ROOT, configuration, people
from benchmarks.whole_steps import Subjects, release
from inet_d2.files import check_output, write_json

CONFIGS = [ROOT / f"configs/CUHK-SYSU/{name}.yaml" for name in ("inet_vgg16", "inet_r50_c4", "seqnet_r50")]
TABLES = ("ceilings", "waits", "training", "inference", "variants", "batches", "identities")
IMAGES = (1, 8)  # of one call in testing
Case = tuple[str, Path | None, str, Callable[[], Iterable[dict[str, Any]]]]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Models, tables, and how long it may take."""
    parser.add_argument("--minutes", type=positive, default=6.0, help="begin nothing more after these (default 6)")
    parser.add_argument("--output", type=Path, metavar="FILE", help="write the figures there, too, as JSON")
    parser.add_argument("--only", nargs="+", choices=TABLES, default=list(TABLES), help="these tables")
    parser.add_argument("--config-files", nargs="+", type=Path, default=CONFIGS, metavar="FILE", help="of I-Net")
    parser.add_argument("--people", type=people, default=6, help="in each frame (default 6)")
    parser.add_argument("--identities", type=at_least_one, nargs="+", default=[5532, 55320, 1000000])
    parser.add_argument("--largest-batch", type=at_least_one, default=64, help="images (default 64)")
    parser.add_argument("--device", help="default: the GPU; cpu shows that all parts run")
    parser.add_argument("--hep-config", type=Path, help=argparse.SUPPRESS)
    add_clock(parser)
    parser.set_defaults(opts=[])


def positive(text: str) -> float:
    """A number of minutes."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"expected a number above 0, found {text}")
    return value


def run(options: argparse.Namespace) -> None:
    """Measure, print each figure as it comes and the tables at the end, and write them.

    Raises:
        OSError, ValueError: the output cannot be written, a configuration cannot be read, or there is no such device.
    """
    if options.output:
        check_output(options.output, "--output", options.config_files)
    if options.device is None and not torch.cuda.is_available():
        print("no GPU here (torch.cuda.is_available() is False): nothing is measured")
        return
    options.device = options.device or "cuda"
    check_device(options.device)
    for path in options.config_files:
        configuration(path, options.opts)
    card = torch.cuda.get_device_name(options.device) if options.device.startswith("cuda") else options.device
    print(f"{machine()}\n{card}", flush=True)
    found = {"machine": machine(), "card": card, "tables": {}}
    for table, row in measured(options):
        found["tables"].setdefault(table, []).append(row)
        print(f"  {plain(row)}", flush=True)
        save(options.output, found)
    save(options.output, found)
    for table, rows in found["tables"].items():
        print(f"\n{table}\n\n{markdown(rows)}")


def check_device(device: str) -> None:
    """Refuse a device that is not here.

    Raises:
        ValueError: PyTorch cannot use it.
    """
    try:
        torch.empty(0, device=device)
    except (AssertionError, RuntimeError) as error:
        raise ValueError(f"--device: expected one that PyTorch can use here, found {device} ({error})") from error


def save(path: Path | None, found: dict[str, Any]) -> None:
    """Write what there is so far, so that a run that is ended leaves that."""
    if path:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, found)


def measured(options: argparse.Namespace) -> Iterator[tuple[str, dict[str, Any]]]:
    """Rows of all tables as they come; a part that fails gives one row that says why."""
    subjects, budget = Subjects(options), Budget(60 * options.minutes)
    chosen = [case for case in cases(options, subjects) if case[0] in ("ceilings", *options.only)]
    for number, (table, path, what, rows) in enumerate(chosen, 1):
        name = " ".join(filter(None, [table, path and path.stem, what]))
        if budget.is_over:
            print(f"--minutes {options.minutes:g} are over; left out from [{number}/{len(chosen)}] {name} on")
            return
        print(f"[{number}/{len(chosen)}, {budget.used:.0f} s] {name}", flush=True)
        of = {"config": path.stem} if path else {}
        try:
            for row in rows():
                yield table, {**of, **row}
        except Exception as error:  # noqa: BLE001  (what fails is told, and the rest is measured)
            yield table, {**of, "what": what, "failed": gpu_cases.sentence(error)}
            subjects.clear()
        release(options.device)


def cases(options: argparse.Namespace, subjects: Subjects) -> Iterator[Case]:
    """All parts: table, configuration, what of it, and what gives its rows. What matters most comes first."""
    yield "ceilings", None, "", partial(gpu_cases.ceilings, subjects)
    for path in options.config_files:
        yield "waits", path, "", partial(gpu_cases.waits, subjects, path)
        for precision in PRECISIONS:
            yield "training", path, precision, partial(gpu_cases.training, subjects, path, precision)
        for precision, batch in itertools.product(PRECISIONS, IMAGES):
            part = partial(gpu_cases.inference, subjects, path, precision, batch)
            yield "inference", path, f"{precision} {batch}", part
    yield "identities", None, "", partial(gpu_cases.identities, subjects)
    for table, work in itertools.product(("variants", "batches"), ("training", "testing")):
        for path in options.config_files:
            yield table, path, work, partial(getattr(gpu_cases, table), subjects, path, work)


def plain(row: dict[str, Any]) -> str:
    """A row in one line; the lines of the waits below it."""
    parts = [f"{key} {_cell(value)}" for key, value in row.items() if not isinstance(value, dict)]
    lines = [f"{count:>6} {line}" for value in row.values() if isinstance(value, dict) for line, count in value.items()]
    return "\n    ".join([", ".join(parts), *lines])


def markdown(rows: list[dict[str, Any]]) -> str:
    """Rows as a table; what a row does not have is left empty."""
    names = list(dict.fromkeys(key for row in rows for key, value in row.items() if not isinstance(value, dict)))
    lines = [f"| {' | '.join(names)} |", "|---" * len(names) + "|"]
    lines += [f"| {' | '.join(_cell(row.get(name)) for name in names)} |" for row in rows]
    return "\n".join(lines)


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
    return "" if value is None else str(value)
