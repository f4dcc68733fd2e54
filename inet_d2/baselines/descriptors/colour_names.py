"""How likely each of eleven colour names is for each colour."""

from functools import lru_cache

import cv2
import numpy as np

NAMES = ("black", "blue", "brown", "grey", "green", "orange", "pink", "purple", "red", "white", "yellow")
LEVELS = 32  # of R, G and B each
# Last words of the survey's colour names that are taken for one of the eleven.
_SYNONYMS = {
    "gray": "grey",
    "violet": "purple",
    "lavender": "purple",
    "magenta": "pink",
    "tan": "brown",
    "beige": "white",
}
_LAB_WIDTH = 16.0


def name_probabilities(crops: np.ndarray, table: np.ndarray) -> np.ndarray:
    """Look the colours of crops up.

    Args:
        crops: (n, h, w, 3) uint8 RGB.
        table: (32768, 11) float32, row R // 8 + 32 (G // 8) + 1024 (B // 8).

    Returns:
        (n, h, w, 11) float32.
    """
    red, green, blue = np.moveaxis(crops >> 3, 3, 0).astype(np.int64)
    return table[red + LEVELS * green + LEVELS**2 * blue]


@lru_cache(maxsize=1)
def survey_table() -> np.ndarray:
    """A table of our own from the names that people gave to colours in the XKCD survey, which matplotlib has.

    Every survey colour whose last word is one of the eleven names, or means one, is a point in Lab. A name's
    probability is proportional to the mean, over its points, of a Gaussian of width 16 around them.

    Returns:
        (32768, 11) float32, rows sum to 1; the same array each time, so do not change it.

    Raises:
        ValueError: matplotlib is not installed.
    """
    try:
        from matplotlib.colors import XKCD_COLORS, to_rgb
    except ImportError as error:
        raise ValueError(
            "TWO_STEP.BOW.COLOUR_NAMES: the default needs matplotlib (pip install 'inet_d2[plot]'); install it, or "
            "give the path of w2c.mat"
        ) from error
    words = {name: name.split(":")[1].split(" ")[-1] for name in XKCD_COLORS}
    owners = {name: _SYNONYMS.get(word, word) for name, word in words.items()}
    points = [(to_rgb(code), NAMES.index(owners[name])) for name, code in XKCD_COLORS.items() if owners[name] in NAMES]
    colours = _to_lab(np.array([colour for colour, _ in points], dtype=np.float32))
    names = np.array([name for _, name in points])
    levels = (np.arange(LEVELS, dtype=np.float32) * 8 + 4) / 255
    blue, green, red = np.meshgrid(levels, levels, levels, indexing="ij")
    cells = _to_lab(np.stack([red, green, blue], axis=-1).reshape(-1, 3))
    squares = (cells**2).sum(1)[:, None] + (colours**2).sum(1) - 2 * cells @ colours.T
    kernels = np.exp(-np.maximum(squares, 0) / (2 * _LAB_WIDTH**2))
    likelihoods = np.stack([kernels[:, names == name].mean(axis=1) for name in range(len(NAMES))], axis=1)
    table = (likelihoods / likelihoods.sum(axis=1, keepdims=True)).astype(np.float32)
    table.flags.writeable = False
    return table


def _to_lab(colours: np.ndarray) -> np.ndarray:
    """(k, 3) float32 RGB in [0, 1] to (k, 3) Lab, L in [0, 100]."""
    return cv2.cvtColor(colours[None], cv2.COLOR_RGB2LAB)[0].astype(np.float64)
