"""CUHK-SYSU's search protocol files (TestG*.mat and the subsets) as compact lists."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from inet_d2.matlab.decode import matrix_sizes, matrix_starts, read_numbers, read_texts
from inet_d2.matlab.format import UnusualLayoutError
from inet_d2.matlab.read import boxes_of, load_mat_variable, text_of
from inet_d2.matlab.stream import stream_struct, struct_header

_BYTES_AT_ONCE = 1 << 25
_logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class ProtocolLists:
    """What a protocol file says, boxes as stored.

    Attributes:
        query_names: (Q,) str.
        query_boxes: (Q, 4) float64 x, y, width, height.
        entry_offsets: (Q + 1,) int64; query q lists entries ``entry_offsets[q]:entry_offsets[q + 1]``.
        gallery_names: (K,) str, the images that occur in galleries, each once.
        entry_names: (E,) int32 rows of ``gallery_names``.
        truth_entries: (T,) int64, ascending, entries with a box of the searched person.
        truth_boxes: (T, 4) float64 x, y, width, height.
    """

    query_names: np.ndarray
    query_boxes: np.ndarray
    entry_offsets: np.ndarray
    gallery_names: np.ndarray
    entry_names: np.ndarray
    truth_entries: np.ndarray
    truth_boxes: np.ndarray

    @property
    def truth_queries(self) -> np.ndarray:
        """(T,) int64, the query of each box."""
        return np.searchsorted(self.entry_offsets, self.truth_entries, side="right") - 1

    @property
    def truth_names(self) -> np.ndarray:
        """(T,) str, the image of each box."""
        return self.gallery_names[self.entry_names[self.truth_entries]]


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
    if path.is_file():
        try:
            return _read_streaming(path, variable)
        except Exception as error:  # noqa: BLE001  (another layout, or damage that may fail anywhere: scipy tells)
            _logger.debug("%s: not streamed (%r)", path, error)
    return _read_with_scipy(path, variable, remedy)


def _read_streaming(path: Path, variable: str) -> ProtocolLists:
    fields: dict[str, list[bytes]] = {"Query": [], "Gallery": []}
    parts: dict[str, list[_Records]] = {"Query": [], "Gallery": []}
    size = 0
    for field, matrix in stream_struct(path, variable):
        if field in fields:
            fields[field].append(matrix)
            size += len(matrix)
        if size > _BYTES_AT_ONCE:
            _decode(fields, parts)
            size = 0
    _decode(fields, parts)
    queries, galleries = _Records.join(parts["Query"]), _Records.join(parts["Gallery"])
    num_queries = len(queries.counts)
    if len(galleries.counts) != num_queries or np.any(queries.counts != 1) or len(queries.boxes) != num_queries:
        raise UnusualLayoutError("records without one Query (image and box) and one Gallery")
    return ProtocolLists(
        query_names=queries.names[queries.members],
        query_boxes=queries.boxes,
        entry_offsets=np.concatenate([[0], np.cumsum(galleries.counts)]),
        gallery_names=galleries.names,
        entry_names=galleries.members,
        truth_entries=galleries.filled,
        truth_boxes=galleries.boxes,
    )


def _decode(fields: dict[str, list[bytes]], parts: dict[str, list["_Records"]]) -> None:
    """Decode and drop the matrices collected so far."""
    for field, matrices in fields.items():
        if matrices:
            parts[field].append(_read_records(matrices))
            matrices.clear()


@dataclass(frozen=True, eq=False)
class _Records:
    """Image name and box of the records of some structs: which of ``names`` each has, and which have a box."""

    counts: np.ndarray
    names: np.ndarray
    members: np.ndarray
    filled: np.ndarray
    boxes: np.ndarray

    @classmethod
    def join(cls, parts: Sequence["_Records"]) -> "_Records":
        if not parts:
            raise UnusualLayoutError("no records")
        names, members = np.unique(np.concatenate([part.names for part in parts]), return_inverse=True)
        members = members.reshape(-1).astype(np.int32)
        bases = np.cumsum([0, *(len(part.names) for part in parts)])
        firsts = np.cumsum([0, *(len(part.members) for part in parts)])
        return cls(
            np.concatenate([part.counts for part in parts]),
            np.char.decode(names, "ascii"),
            np.concatenate([members[base + p.members] for base, p in zip(bases, parts, strict=False)]),
            np.concatenate([first + p.filled for first, p in zip(firsts, parts, strict=False)]),
            np.concatenate([part.boxes for part in parts]),
        )


def _read_records(matrices: Sequence[bytes]) -> _Records:
    fields = _first_two_fields(matrices)
    names, members = read_texts(fields.words, fields.texts, matrix_sizes(fields.words, fields.texts))
    sizes = matrix_sizes(fields.words, fields.numbers)
    filled = np.flatnonzero(sizes)
    if np.any(sizes[filled] != 4):
        raise UnusualLayoutError("a box of other than four numbers")
    boxes = read_numbers(fields.words, fields.numbers[filled], 4)
    return _Records(fields.counts, names, members.astype(np.int32), filled, boxes)


@dataclass(frozen=True, eq=False)
class _Fields:
    words: np.ndarray
    counts: np.ndarray
    texts: np.ndarray
    numbers: np.ndarray


def _first_two_fields(matrices: Sequence[bytes]) -> _Fields:
    """Where image name and box of each record of some structs stand."""
    headers = [struct_header(matrix[:4096]) for matrix in matrices]
    widths = {len(header.fields) for header in headers}
    if len(widths) != 1 or min(widths) < 2:
        raise UnusualLayoutError("records with other fields")
    width = widths.pop()
    counts = np.array([header.length for header in headers], dtype=np.int64)
    lengths = np.array([len(matrix) for matrix in matrices], dtype=np.int64)
    if np.any(lengths % 8):
        raise UnusualLayoutError("a struct that is not padded")
    bases = np.cumsum(lengths) - lengths
    first = (bases + 8 + [header.size for header in headers]) // 4
    words = np.frombuffer(b"".join(matrices), dtype="<u4")
    starts = matrix_starts(words, first, (bases + lengths) // 4)
    per_struct = np.diff(np.searchsorted(starts, np.append(first, len(words))))
    if not np.array_equal(per_struct, counts * width):
        raise UnusualLayoutError("records without some fields")
    return _Fields(words, counts, starts[0::width], starts[1::width])


def _read_with_scipy(path: Path, variable: str, remedy: str) -> ProtocolLists:
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
        entry_names = np.array([text_of(entry[0]) for entry in entries], dtype=str)
        entry_boxes = boxes_of([entry[1] for entry in entries])
    except (ValueError, IndexError, TypeError, AttributeError) as error:
        raise ValueError(
            f"{path}: {variable}: expected imname and idlocate (x, y, width, height) in each Query and Gallery "
            f"record, found another structure ({error}); {remedy}"
        ) from error
    table, members = np.unique(entry_names, return_inverse=True)
    truths = np.flatnonzero(~np.isnan(entry_boxes[:, 0]))
    return ProtocolLists(
        query_names=np.array(query_names, dtype=str),
        query_boxes=query_boxes,
        entry_offsets=np.concatenate([[0], np.cumsum([len(g) for g in galleries], dtype=np.int64)]),
        gallery_names=table,
        entry_names=members.reshape(-1).astype(np.int32),
        truth_entries=truths,
        truth_boxes=entry_boxes[truths],
    )
