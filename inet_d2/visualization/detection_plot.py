"""Precision over recall and miss rate over false positives per image, for one detector or several."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from inet_d2.visualization.figure import new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# (K,) float64 along the horizontal and the vertical axis.
Line = tuple[np.ndarray, np.ndarray]


def draw_detection_curves(precision_recall: Mapping[str, Line], miss_rate: Mapping[str, Line]) -> "Figure":
    """Draw two panels, one line for each detector.

    Args:
        precision_recall: name of a line -> recall and precision, in [0, 1].
        miss_rate: name of a line -> false positives per image and miss rate in [0, 1]; both axes are logarithmic, so
            what is 0 is not drawn.

    Returns:
        The figure, not saved and known to no window.

    Raises:
        ValueError: matplotlib is not installed.
    """
    figure = new_figure("a plot of detection curves", width=10, height=4)
    left, right = figure.subplots(1, 2)
    for name, (recall, precision) in precision_recall.items():
        left.plot(recall, precision, drawstyle="steps-post", label=name)
    left.set(xlabel="recall", ylabel="precision", xlim=(0, 1.01), ylim=(0, 1.01))
    right.set(xlabel="false positives per image", ylabel="miss rate", xscale="log", yscale="log")
    for name, (false_per_image, missed) in miss_rate.items():
        right.plot(false_per_image, missed, drawstyle="steps-post", label=name)
    for panel in (left, right):
        panel.grid(visible=True, which="both", alpha=0.3)
        panel.legend()
    return figure
