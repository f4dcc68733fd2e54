"""Where the time of `make demo` went, by step, from what the run itself left: its logs and the times of its files.

Nothing is run. Examples:
    python tools/benchmark.py --task demo
    python tools/benchmark.py --task demo --folder output/other
"""

import argparse
import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

from inet_d2.engine.metrics_file import read_metrics

STAGES = ("crops", "initialized", "inet")
WAITING = "  of it, waiting for data"
# What a line says, with either engine, when these begin. The last training of a log counts.
TRAINING = re.compile(r"Training, iterations|Starting training")
EVALUATION = re.compile(r"Inference: \d+ batches|Start inference on")
TIME = re.compile(r"(?:\x1b\[\d+m)*\[(\d\d/\d\d \d\d:\d\d:\d\d)")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The demo's folder."""
    parser.add_argument("--folder", type=Path, default=Path("output/demo"), help="of the demo (default: output/demo)")


def run(options: argparse.Namespace) -> None:
    """Print the table.

    Raises:
        FileNotFoundError, ValueError: the folder does not hold a whole run.
    """
    print(table(list(steps(options.folder))))


def steps(folder: Path) -> Iterator[tuple[str, float]]:
    """Name and seconds of each step; what is part of the step before it has a name that begins with a space.

    Raises:
        FileNotFoundError, ValueError: a log or a result is missing.
    """
    written = [x.stat().st_mtime for x in (folder / "datasets").rglob("*") if x.is_file()]
    if not written:
        raise FileNotFoundError(f"{folder}: expected a run of the demo, found no datasets; run make demo")
    yield "scenes", max(written) - min(written)
    end = max(written)
    for stage in STAGES:
        training, evaluation, last = marks(folder / stage / "log.txt")
        yield f"{stage}: Python, imports and checks", max(training - end, 0.0)
        yield f"{stage}: training", evaluation - training
        yield WAITING, waiting(folder / stage)
        yield f"{stage}: evaluation", last - evaluation
        end = last
    for name, file in (
        ("untrained weights evaluated", "untrained/results.json"),
        ("mean colours", "mean_colour/results.json"),
        ("search: index, query, picture", "search.png"),
    ):
        path = folder / file
        if not path.is_file():
            raise FileNotFoundError(f"{path}: expected what the demo writes there, found no file; run make demo")
        yield name, path.stat().st_mtime - end
        end = path.stat().st_mtime


def marks(log: Path) -> tuple[float, float, float]:
    """Seconds since the epoch at which a stage began to train and to evaluate, and ended; by its log, to a second.

    Raises:
        FileNotFoundError, ValueError: there is no log, or it is not one of a whole training.
    """
    if not log.is_file():
        raise FileNotFoundError(f"{log}: expected the log of a stage of the demo, found no file; run make demo")
    lines = [x for x in log.read_text(errors="replace").splitlines() if TIME.match(x)]
    begun = [i for i, line in enumerate(lines) if TRAINING.search(line)]
    tested = [i for i, line in enumerate(lines) if EVALUATION.search(line)]
    if not begun or not tested or tested[-1] < begun[-1]:
        raise ValueError(f"{log}: expected a training and the evaluation after it, found no such lines; run make demo")
    # The lines have no year. The log's last line is as old as the file.
    end = datetime.fromtimestamp(log.stat().st_mtime)
    times = [moment(lines[i], end) for i in (begun[-1], tested[-1], -1)]
    return tuple(log.stat().st_mtime - (times[-1] - x).total_seconds() for x in times)


def moment(line: str, end: datetime) -> datetime:
    """The time of a line, in the year in which it is not after ``end``."""
    found = datetime.strptime(f"{end.year}/{TIME.match(line)[1]}", "%Y/%m/%d %H:%M:%S")
    return found if found <= end + timedelta(days=1) else found.replace(year=end.year - 1)


def waiting(folder: Path) -> float:
    """Seconds for which a training waited for its loader: iterations times the mean of what was logged."""
    iterations, seconds = read_metrics(folder)["data_time"]
    return float(seconds.mean() * (iterations[-1] + 1))


def table(found: list[tuple[str, float]]) -> str:
    """Seconds and shares, as Markdown."""
    whole = sum(seconds for name, seconds in found if not name.startswith(" "))
    lines = ["| step | seconds | share |", "|---|---:|---:|"]
    lines += [f"| {name} | {seconds:.1f} | {seconds / whole:.3f} |" for name, seconds in found]
    return "\n".join([*lines, f"| together | {whole:.1f} | 1 |"])
