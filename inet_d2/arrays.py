"""Array arithmetic on names and on runs of rows."""

from collections.abc import Sequence

import numpy as np


def rows_of(names: np.ndarray | Sequence[str], table: np.ndarray) -> np.ndarray:
    """Look names up in a table of distinct names.

    Args:
        names: (N,) str.
        table: (I,) str, no name twice.

    Returns:
        (N,) int64 rows of ``table``; -1 for names that it lacks.
    """
    names = np.asarray(names, dtype=str)
    if not len(table):
        return np.full(len(names), -1)
    order = np.argsort(table)
    places = np.minimum(np.searchsorted(table, names, sorter=order), len(table) - 1)
    rows = order[places]
    return np.where(table[rows] == names, rows, -1)


def expand_ranges(starts: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """List the members of many ranges.

    Args:
        starts: (S,) int64, first member of each range.
        counts: (S,) int64, members of each range, >= 0.

    Returns:
        (T,) int64 members, range after range, and (T,) int64 the range of each.
    """
    owners = np.repeat(np.arange(len(counts)), counts)
    shifts = starts - (np.cumsum(counts) - counts)
    return np.arange(len(owners)) + shifts[owners], owners


def first_maxima(values: np.ndarray, owners: np.ndarray) -> np.ndarray:
    """Find the largest value of each run; of equal ones the first.

    Args:
        values: (T,) float.
        owners: (T,) int64, ascending; equal numbers form a run.

    Returns:
        (runs,) int64 positions in ``values``, ascending.
    """
    if not len(values):
        return np.zeros(0, dtype=np.int64)
    begins = np.flatnonzero(np.concatenate([[True], owners[1:] != owners[:-1]]))
    lengths = np.diff(np.append(begins, len(values)))
    largest = np.flatnonzero(values == np.repeat(np.maximum.reduceat(values, begins), lengths))
    runs = owners[largest]
    return largest[np.concatenate([[True], runs[1:] != runs[:-1]])]
