"""Search figures against gallery size (Fig. 4 of the I-Net paper), for one run or several seeds."""

import statistics
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from inet_d2.visualization.figure import new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Name of a line -> gallery size in images -> figures of its runs, 0-100.
Curves = Mapping[str, Mapping[int, Sequence[float]]]


def draw_gallery_curves(panels: Mapping[str, Curves]) -> "Figure":
    """Draw one panel for each metric, with one line for each method.

    Args:
        panels: title of a panel -> its lines. Where a size has figures of several runs, the line goes through their
            mean, with bars of one standard deviation (n - 1).

    Returns:
        The figure, not saved and known to no window.

    Raises:
        ValueError: matplotlib is not installed.
    """
    figure = new_figure("a plot of gallery sizes", width=5 * len(panels), height=4)
    for panel, (title, curves) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels.items(), strict=True):
        for name, figures in curves.items():
            sizes = sorted(figures)
            means = [statistics.fmean(figures[size]) for size in sizes]
            spreads = [statistics.stdev(figures[size]) if len(figures[size]) > 1 else 0.0 for size in sizes]
            panel.errorbar(sizes, means, yerr=spreads if any(spreads) else None, marker="o", capsize=3, label=name)
        panel.set(xscale="log", xlabel="gallery size (images)", ylabel=f"{title} (%)")
        ticks = sorted({size for figures in curves.values() for size in figures})
        panel.set_xticks(ticks, [f"{size:,}" for size in ticks])
        panel.minorticks_off()
        panel.grid(visible=True, alpha=0.3)
        if len(curves) > 1:
            panel.legend()
    return figure
