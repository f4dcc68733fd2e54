"""Reads ``metrics.json``, to which a training appends one line of scalars every few iterations."""

import json
from collections import defaultdict
from pathlib import Path

import numpy as np


def read_metrics(path: str | Path) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Read the scalars of a run, as it went in the end.

    A resumed run appends to the file of the one that was stopped. What that one did after the checkpoint from which
    the run went on is left out: it was done anew.

    Args:
        path: a ``metrics.json``, or the OUTPUT_DIR that holds it.

    Returns:
        By name, in alphabetical order: iterations (n,) int64, ascending, and values (n,) float64, which may be NaN.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: a line is no object of numbers with an ``iteration``; the last one may be cut off. Or there is none.
    """
    path = Path(path)
    path = path / "metrics.json" if path.is_dir() else path
    if not path.is_file():
        raise FileNotFoundError(f"{path}: expected the metrics.json of a training, found no file; give its OUTPUT_DIR")
    points: dict[str, list[tuple[int, float]]] = defaultdict(list)
    lines = path.read_text(errors="replace").splitlines()
    for number, line in enumerate(lines, start=1):
        scalars = _read_line(line)
        if scalars is None:
            if number == len(lines) > 1:
                break  # a run that was killed while it wrote
            raise ValueError(
                f'{path}, line {number}: expected {{"iteration": ..., name: number, ...}}, found {line:.60}'
            )
        iteration = int(scalars.pop("iteration"))
        for name, value in scalars.items():
            while points[name] and points[name][-1][0] >= iteration:
                points[name].pop()
            points[name].append((iteration, float(value)))
    if not points:
        raise ValueError(f"{path}: expected lines of scalars, found none; the run has not logged anything yet")
    return {
        name: (np.array([i for i, _ in points[name]], dtype=np.int64), np.array([v for _, v in points[name]]))
        for name in sorted(points)
    }


def _read_line(line: str) -> dict[str, float] | None:
    """The scalars of a line, or None if it is another kind of line."""
    try:
        scalars = json.loads(line)
    except ValueError:
        return None
    is_scalars = isinstance(scalars, dict) and isinstance(scalars.get("iteration"), int)
    return scalars if is_scalars and all(isinstance(value, int | float) for value in scalars.values()) else None
