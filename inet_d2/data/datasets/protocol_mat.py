"""CUHK-SYSU's search protocol files (TestG*.mat and the subsets) as compact lists."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from inet_d2.data.datasets.matlab import boxes_of, load_mat_variable, text_of


@dataclass(frozen=True, eq=False)
class ProtocolLists:
    """What a protocol file says, boxes as stored.

    Attributes:
        query_names: (Q,) str.
        query_boxes: (Q, 4) float64 x, y, width, height.
        entry_offsets: (Q + 1,) int64; query q lists entries ``entry_offsets[q]:entry_offsets[q + 1]``.
        entry_names: (E,) str.
        truth_entries: (T,) int64, ascending, entries with a box of the searched person.
        truth_boxes: (T, 4) float64 x, y, width, height.
    """

    query_names: np.ndarray
    query_boxes: np.ndarray
    entry_offsets: np.ndarray
    entry_names: np.ndarray
    truth_entries: np.ndarray
    truth_boxes: np.ndarray


def read_protocol_lists(path: Path, variable: str, *, remedy: str) -> ProtocolLists:
    """Read a protocol file: one record per query with the fields ``Query`` and ``Gallery``.

    Args:
        path: the .mat file.
        variable: its variable.
        remedy: what the user should do when the file cannot be used; ends the error text.

    Returns:
        Its queries and gallery lists in file order.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file has another structure.
    """
    records = load_mat_variable(path, (variable,), remedy=remedy)
    if records.dtype.names is None or not {"Query", "Gallery"} <= set(records.dtype.names):
        raise ValueError(
            f"{path}: {variable}: expected records with the fields Query and Gallery, found "
            f"{records.dtype.names or records.dtype}; {remedy}"
        )
    records = records.reshape(-1)
    try:
        queries = [query.reshape(-1)[0] for query in records["Query"]]
        galleries = [gallery.reshape(-1) for gallery in records["Gallery"]]
        entries = [entry for gallery in galleries for entry in gallery]
        query_names = [text_of(query[0]) for query in queries]
        query_boxes = boxes_of([query[1] for query in queries])
        entry_names = [text_of(entry[0]) for entry in entries]
        entry_boxes = boxes_of([entry[1] for entry in entries])
    except (ValueError, IndexError, TypeError, AttributeError) as error:
        raise ValueError(
            f"{path}: {variable}: expected imname and idlocate (x, y, width, height) in each Query and "
            f"Gallery record, "
            f"found another structure ({error}); {remedy}"
        ) from error
    return ProtocolLists(
        query_names=np.array(query_names, dtype=str),
        query_boxes=query_boxes,
        entry_offsets=np.concatenate([[0], np.cumsum([len(gallery) for gallery in galleries], dtype=np.int64)]),
        entry_names=np.array(entry_names, dtype=str),
        truth_entries=np.flatnonzero(~np.isnan(entry_boxes[:, 0])),
        truth_boxes=entry_boxes[~np.isnan(entry_boxes[:, 0])],
    )
