"""The published tables of the bag of words, read from MATLAB files."""

from pathlib import Path

import numpy as np
from scipy.io import loadmat

NUM_COLOURS, NUM_NAMES = 32**3, 11


def load_colour_names(path: str | Path) -> np.ndarray:
    """Read the table of van de Weijer et al. 2009, ``w2c.mat``.

    Args:
        path: a MATLAB file with an array of 32,768 rows.

    Returns:
        (32768, 11) float32.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it holds no such array.
    """
    return load_columns(path, NUM_COLOURS, "TWO_STEP.BOW.COLOUR_NAMES")[:, -NUM_NAMES:]


def load_columns(path: str | Path, num_rows: int | None, key: str) -> np.ndarray:
    """Read the array with a row per colour or word, eleven columns or more, of a MATLAB file.

    Args:
        path: the file.
        num_rows: that it must have; None for any number.
        key: the configuration key that named the file, for errors.

    Returns:
        (rows, columns) float32.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no MATLAB file or holds no such array.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"{key}: {path} does not exist; give the path of the .mat file, or leave it empty")
    try:
        content = loadmat(path)
    except (ValueError, TypeError, NotImplementedError) as error:
        raise ValueError(f"{key}: {path}: expected a MATLAB file ({error}); get it again") from error
    found = [a for n, a in content.items() if not n.startswith("_") and getattr(a, "ndim", 0) == 2]
    for array in found:
        if array.shape[1] >= NUM_NAMES and num_rows in (None, len(array)):
            return array.astype(np.float32)
    raise ValueError(
        f"{key}: {path}: expected an array of {num_rows or 'any number of'} rows and {NUM_NAMES} columns, found "
        f"{[a.shape for a in found]}"
    )
