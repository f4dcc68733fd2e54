"""What a training logged, as curves: one panel for each scalar, one line for each run."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from inet_d2.visualization.figure import new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Iterations (n,) int64, ascending, and the values (n,) float64 of one scalar.
Curve = tuple[np.ndarray, np.ndarray]

MAX_COLUMNS = 3


def smooth(values: np.ndarray, window: int) -> np.ndarray:
    """Mean over each value and its neighbours; at the ends, over those that there are.

    Args:
        values: (n,) float64. One that is not finite leaves its own place as it is and counts for no neighbour.
        window: values in a full mean, > 0; an even number reaches one further back than ahead.

    Returns:
        (n,) float64.

    Raises:
        ValueError: ``window`` is not positive.
    """
    if window < 1:
        raise ValueError(f"smoothing: expected a window of at least 1 value, found {window}")
    values = np.asarray(values, dtype=np.float64)
    is_finite = np.isfinite(values)
    sums = np.concatenate([[0.0], np.cumsum(np.where(is_finite, values, 0.0))])
    counts = np.concatenate([[0], np.cumsum(is_finite)])
    places = np.arange(len(values))
    first = np.maximum(places - window // 2, 0)
    last = np.minimum(places + (window + 1) // 2, len(values))
    means = (sums[last] - sums[first]) / np.maximum(counts[last] - counts[first], 1)
    return np.where(is_finite, means, values)


def draw_training_curves(panels: Mapping[str, Mapping[str, Curve]], *, window: int = 1) -> "Figure":
    """Draw the scalars of one or several runs.

    Args:
        panels: name of a scalar -> name of a run -> its curve. A run has the same colour in every panel.
        window: values to smooth over, see :func:`smooth`; what was smoothed is drawn beneath, pale.

    Returns:
        The figure, not saved and known to no window.

    Raises:
        ValueError: matplotlib is not installed, or ``window`` is not positive.
    """
    columns = min(MAX_COLUMNS, len(panels))
    rows = math.ceil(len(panels) / columns)
    figure = new_figure("a plot of training curves", width=5 * columns, height=3.2 * rows)
    runs = list(dict.fromkeys(run for curves in panels.values() for run in curves))
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for panel, (name, curves) in zip(axes, panels.items(), strict=False):
        for run, (iterations, values) in curves.items():
            colour = f"C{runs.index(run) % 10}"
            marker = "o" if len(values) == 1 else None
            if window > 1:
                panel.plot(iterations, values, color=colour, alpha=0.25, linewidth=0.8)
            panel.plot(iterations, smooth(values, window), color=colour, label=run, marker=marker)
        panel.set(title=name, xlabel="iteration")
        panel.grid(visible=True, alpha=0.3)
    for panel in axes[len(panels) :]:
        panel.set_axis_off()
    if len(runs) > 1:
        handles = [axes[0].plot([], [], color=f"C{i % 10}")[0] for i in range(len(runs))]
        figure.legend(handles, runs, loc="outside upper center", ncols=min(len(runs), 4))
    return figure
