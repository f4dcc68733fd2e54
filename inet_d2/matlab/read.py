"""Reading MATLAB v5 annotation files with errors that a user can act on."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.io import loadmat

from inet_d2.matlab.check import check_mat_file


def load_mat_variable(path: Path, variables: Sequence[str], *, remedy: str) -> np.ndarray:
    """Read the first of several variables that a .mat file holds.

    Args:
        path: a MATLAB v5 file.
        variables: accepted names, the preferred one first.
        remedy: what the user should do when the file cannot be used; ends the error text.

    Returns:
        The variable as ``scipy.io.loadmat`` gives it.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is not MATLAB v5, is damaged (see :func:`check_mat_file`) or holds none of the variables.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing; {remedy}")
    try:
        check_mat_file(path)
        content = loadmat(str(path), variable_names=list(variables), appendmat=False)
    except Exception as error:  # damaged bytes may fail anywhere in scipy and zlib
        raise ValueError(
            f"{path}: expected a MATLAB v5 file, found one that cannot be read ({error}); {remedy}"
        ) from error
    for variable in variables:
        if variable in content:
            return content[variable]
    raise ValueError(f"{path}: expected the variable {' or '.join(variables)}, found none of that name; {remedy}")


def text_of(value: Any) -> str:
    """Unwrap a MATLAB string: a ``str``, or nested arrays around one.

    Args:
        value: what ``loadmat`` gives for a string.

    Returns:
        The text.

    Raises:
        ValueError: there is not exactly one string inside.
    """
    while isinstance(value, np.ndarray):
        if value.size != 1:
            raise ValueError(f"expected one string, found an array of shape {value.shape}")
        value = value.reshape(-1)[0]
    if not isinstance(value, str):
        raise ValueError(f"expected a string, found {type(value).__name__}")
    return str(value)


def boxes_of(values: Sequence[np.ndarray]) -> np.ndarray:
    """Stack MATLAB boxes of mixed small-integer types without overflow.

    Args:
        values: R arrays of four numbers each, any numeric type, or empty ones.

    Returns:
        (R, 4) float64 as stored (x, y, width, height); NaN where the stored box is empty.

    Raises:
        ValueError: an array has neither four finite numbers nor none.
    """
    sizes = np.fromiter((np.size(value) for value in values), dtype=np.int64, count=len(values))
    wrong = np.flatnonzero((sizes != 4) & (sizes != 0))
    if wrong.size:
        raise ValueError(f"expected four numbers (x, y, width, height) or none, found {sizes[wrong[0]]}")
    boxes = np.full((len(values), 4), np.nan)
    filled = np.flatnonzero(sizes == 4)
    if filled.size:
        flat = np.concatenate([np.asarray(values[index], dtype=np.float64).reshape(-1) for index in filled])
        boxes[filled] = flat.reshape(-1, 4)
        if not np.isfinite(flat).all():
            wrong = boxes[filled][~np.isfinite(boxes[filled]).all(axis=1)][0]
            raise ValueError(f"expected four finite numbers (x, y, width, height), found {wrong.tolist()}")
    return boxes
