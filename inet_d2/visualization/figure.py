"""Figures of matplotlib, which is optional here: made without a window, and saved whole or not at all."""

from pathlib import Path
from typing import TYPE_CHECKING

from inet_d2.files import written_aside

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SUFFIXES = (".png", ".pdf", ".svg")


def new_figure(what: str, *, width: float, height: float) -> "Figure":
    """An empty figure that no window knows.

    Args:
        what: will be drawn, for the message.
        width: inches.
        height: inches.

    Raises:
        ValueError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ValueError(f"{what} needs matplotlib, and there is none; install it: pip install matplotlib") from error
    return Figure(figsize=(width, height), layout="constrained")


def check_figure_path(path: Path) -> None:
    """Asked before the work that makes a figure.

    Raises:
        ValueError: the folder does not exist, or the ending is none of ``SUFFIXES``. No ending is fine: a PNG.
    """
    if not path.absolute().parent.is_dir():
        raise ValueError(f"{path}: expected an existing folder, found none; create {path.parent} first")
    if path.suffix and path.suffix.lower() not in SUFFIXES:
        raise ValueError(f"{path}: expected a name that ends in {', '.join(SUFFIXES)}, found {path.suffix}")


def save_figure(figure: "Figure", path: Path) -> None:
    """Write a figure in the format of its ending, a PNG without one; an older file stays until the new one is whole."""
    with written_aside(path) as aside:
        figure.savefig(aside, dpi=150, format=path.suffix[1:].lower() or "png")
