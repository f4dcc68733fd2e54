"""A streaming reader for the large structs of CUHK-SYSU's protocol files.

``scipy.io.loadmat`` builds three Python arrays for each gallery entry: TestG4000.mat has 11.6 million entries and
would take minutes and about 10 GB. This reader unpacks the file piece by piece and decodes entries with array
arithmetic. It knows the one layout that MATLAB and scipy write for these files; anything else raises
``UnusualLayoutError`` and is left to scipy.

MATLAB v5 in short: an element is a tag (type, size in bytes) and data padded to 8 bytes; data of at most 4 bytes may
share the tag's 8 bytes, its size then stands in the upper half of the type. A matrix is an element of type 14 that
holds flags, dimensions, name and data; a struct holds its field names and then one matrix per field and record.
"""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

import numpy as np

_MATRIX, _COMPRESSED = 14, 15
_STRUCT_CLASS, _CHAR_CLASS = 2, 4
_NUMBER_TYPES: Final = {1: "i1", 2: "u1", 3: "<i2", 4: "<u2", 5: "<i4", 6: "<u4", 7: "<f4", 9: "<f8"}
_TEXT_TYPES: Final = {1: 1, 2: 1, 4: 2, 16: 1, 17: 2}
"""Types that strings come in, and their bytes per character."""
_HEADER_WORDS: Final = 12
"""32-bit words of a matrix before its data: tag, flags, dimensions (two) and an empty name."""
_PIECE: Final = 1 << 16


class UnusualLayoutError(Exception):
    """The file has another layout than the one this reader knows."""


@dataclass(frozen=True)
class StructHeader:
    """Head of a struct array.

    Attributes:
        length: number of records.
        fields: their names.
        size: bytes from the first element inside the struct's tag to the first field's matrix.
    """

    length: int
    fields: tuple[str, ...]
    size: int


def stream_struct(path: Path, variable: str) -> Iterator[tuple[str, bytes]]:
    """Unpack a struct array field by field.

    Args:
        path: a little-endian MATLAB v5 file.
        variable: name of a struct array.

    Yields:
        Field name and the bytes of its matrix, tag included, record after record.

    Raises:
        UnusualLayoutError: another layout, no such variable, or a damaged file.
    """
    with path.open("rb") as file:
        header = file.read(128)
        if len(header) < 128 or header[126:128] != b"IM":
            raise UnusualLayoutError("no little-endian MATLAB v5 header")
        while True:
            tag = file.read(8)
            if len(tag) < 8:
                raise UnusualLayoutError(f"no variable {variable}")
            kind, size = struct.unpack("<II", tag)
            end = file.tell() + size
            source = _Source(file, size, compressed=kind == _COMPRESSED, tag=tag)
            if kind not in (_MATRIX, _COMPRESSED):
                raise UnusualLayoutError(f"element of type {kind}")
            inner, _ = struct.unpack("<II", source.take(8))
            if inner != _MATRIX:
                raise UnusualLayoutError(f"element of type {inner}")
            found = _variable_header(source)
            if found is not None and found[0] == variable:
                break
            file.seek(end)
        for _ in range(found[1].length):
            for field in found[1].fields:
                tag = source.take(8)
                kind, size = struct.unpack("<II", tag)
                if kind != _MATRIX:
                    raise UnusualLayoutError(f"field of type {kind}")
                yield field, tag + source.take(size)


def struct_header(matrix: bytes) -> StructHeader:
    """Read the head of a nested struct array.

    Args:
        matrix: the bytes of its matrix, tag included.

    Returns:
        The head; ``size`` counts from byte 8.

    Raises:
        UnusualLayoutError: it is no two-dimensional struct array without name.
    """
    source = _Source.of_bytes(matrix[8:])
    found = _variable_header(source)
    if found is None or found[0]:
        raise UnusualLayoutError("no nested struct")
    return found[1]


def matrix_starts(words: np.ndarray, first: np.ndarray, last: np.ndarray) -> np.ndarray:
    """Find the matrices that fill given stretches, one after another.

    Args:
        words: (W,) uint32, the stretches' bytes and perhaps others between them.
        first: (S,) int64 ascending, where each stretch begins.
        last: (S,) int64, where it ends.

    Returns:
        (M,) int64 positions of their tags, ascending.

    Raises:
        UnusualLayoutError: they do not fill the stretches.
    """
    # A tag of type 14, followed by nothing or by the tag of 8 bytes of flags (type 6); checked below, since data may
    # look alike.
    found = np.flatnonzero(words[:-1] == _MATRIX)
    follow = np.minimum(found + 2, len(words) - 2)
    found = found[(words[found + 1] == 0) | ((words[follow] == 6) & (words[follow + 1] == 8))]
    stretch = np.searchsorted(first, found, side="right") - 1
    found = found[(stretch >= 0) & (found < last[stretch])]
    ends = found + 2 + (words[found + 1].astype(np.int64) + 7) // 8 * 2
    stretch = np.searchsorted(first, found, side="right") - 1
    opens = found == first[stretch]
    closes = ends == last[stretch]
    follows = (found[1:] == ends[:-1]) & ~opens[1:] & ~closes[:-1]
    whole = np.append(follows | (closes[:-1] & opens[1:]), closes[-1:]).all() and opens[:1].all()
    if not whole or opens.sum() != np.count_nonzero(first < last):
        raise UnusualLayoutError("matrices do not follow each other")
    return found


def matrix_sizes(words: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Count the elements of matrices.

    Args:
        words: (W,) uint32.
        starts: (M,) int64 positions of their tags.

    Returns:
        (M,) int64; 0 for matrices that are a bare tag.

    Raises:
        UnusualLayoutError: a matrix is named or not two-dimensional.
    """
    filled = np.flatnonzero(words[starts + 1])
    heads = words[starts[filled, None] + np.arange(_HEADER_WORDS)]
    if np.any(heads[:, [6, 7, 10, 11]] != (5, 8, 1, 0)):
        raise UnusualLayoutError("a matrix with a name or other than two dimensions")
    sizes = np.zeros(len(starts), dtype=np.int64)
    sizes[filled] = heads[:, 8].astype(np.int64) * heads[:, 9]
    return sizes


def read_numbers(words: np.ndarray, starts: np.ndarray, count: int) -> np.ndarray:
    """Decode matrices of a few numbers each.

    Args:
        words: (W,) uint32.
        starts: (M,) int64 positions of their tags.
        count: elements of every one of them, at least 1.

    Returns:
        (M, count) float64.

    Raises:
        UnusualLayoutError: the data is not numeric.
    """
    kinds, places = _data_places(words, starts)
    octets = words.view(np.uint8)
    numbers = np.empty((len(starts), count))
    for kind in np.unique(kinds):
        if kind not in _NUMBER_TYPES:
            raise UnusualLayoutError(f"numbers of type {kind}")
        dtype = np.dtype(_NUMBER_TYPES[kind])
        chosen = kinds == kind
        raw = octets[places[chosen, None] + np.arange(count * dtype.itemsize)]
        numbers[chosen] = np.ascontiguousarray(raw).view(dtype)
    return numbers


def read_texts(words: np.ndarray, starts: np.ndarray, lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Decode matrices that hold one short ASCII string each.

    Args:
        words: (W,) uint32.
        starts: (M,) int64 positions of their tags.
        lengths: (M,) int64 characters, at least 1.

    Returns:
        (K,) bytes strings, each once, and (M,) int64 which of them each matrix holds.

    Raises:
        UnusualLayoutError: the data is no text, or not ASCII.
    """
    if np.any(lengths < 1) or np.any(words[starts + 4] & 0xFF != _CHAR_CLASS):
        raise UnusualLayoutError("an empty string or none at all")
    kinds, places = _data_places(words, starts)
    octets = words.view(np.uint8)
    width = int(lengths.max(initial=1) + 7) // 8 * 8
    texts = np.zeros((len(starts), width), dtype=np.uint8)
    shapes = kinds * (width + 1) + lengths
    for shape in np.flatnonzero(np.bincount(shapes)).tolist():
        kind, length = divmod(shape, width + 1)
        if kind not in _TEXT_TYPES:
            raise UnusualLayoutError(f"text of type {kind}")
        step = _TEXT_TYPES[kind]
        chosen = np.flatnonzero(shapes == shape)
        raw = octets[places[chosen, None] + np.arange(length * step)]
        if np.any(raw[:, ::step] >= 128) or (step == 2 and np.any(raw[:, 1::2])):
            raise UnusualLayoutError("text that is not ASCII")
        texts[chosen, :length] = raw[:, ::step]
    return _distinct_rows(texts)


def _distinct_rows(texts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows of bytes, each once, by way of a 64-bit mixture of their words."""
    parts = texts.view(np.uint64)
    mixed = np.zeros(len(texts), dtype=np.uint64)
    for column in range(parts.shape[1]):
        mixed = (mixed ^ parts[:, column]) * np.uint64(0x9E3779B97F4A7C15)
        mixed ^= mixed >> np.uint64(29)
    _, firsts, members = np.unique(mixed, return_index=True, return_inverse=True)
    if not np.array_equal(parts[firsts][members], parts):
        raise UnusualLayoutError("two strings with one mixture")
    return texts[firsts].view(f"S{texts.shape[1]}").reshape(-1), members


def _data_places(words: np.ndarray, starts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Type of each matrix's data and where its bytes begin."""
    tags = words[starts + _HEADER_WORDS]
    small = tags > 0xFFFF
    return (tags & 0xFFFF).astype(np.int64), 4 * (starts + _HEADER_WORDS + np.where(small, 1, 2))


def _variable_header(source: "_Source") -> tuple[str, StructHeader] | None:
    """Name and head of the matrix that begins here; None when it is no struct array."""
    kind, flags = source.element()
    if kind != 6 or len(flags) != 8:
        raise UnusualLayoutError("no matrix flags")
    kind, sizes = source.element()
    if kind != 5 or len(sizes) != 8:
        raise UnusualLayoutError("other than two dimensions")
    rows, columns = struct.unpack("<ii", sizes)
    _, name = source.element()
    if flags[0] != _STRUCT_CLASS:
        return None
    _, width = source.element()
    _, names = source.element()
    step = struct.unpack("<i", width)[0]
    if step < 1 or len(names) % step:
        raise UnusualLayoutError("field names")
    fields = tuple(names[i : i + step].split(b"\0")[0].decode("ascii", "replace") for i in range(0, len(names), step))
    return name.decode("ascii", "replace"), StructHeader(rows * columns, fields, source.taken)


class _Source:
    """Bytes of one top-level element, unpacked as they are asked for."""

    def __init__(self, file: BinaryIO | None, size: int, *, compressed: bool, tag: bytes = b"") -> None:
        self._file, self._left = file, size
        self._unpacker = zlib.decompressobj() if compressed else None
        self._buffer = bytearray() if compressed else bytearray(tag)
        self._place = 0
        self.taken = 0

    @classmethod
    def of_bytes(cls, content: bytes) -> "_Source":
        source = cls(None, 0, compressed=False)
        source._buffer += content
        return source

    def take(self, size: int) -> bytes:
        while len(self._buffer) - self._place < size:
            self._fill()
        found = bytes(self._buffer[self._place : self._place + size])
        self._place += size
        self.taken += size
        if self._place > 1 << 22:
            del self._buffer[: self._place]
            self._place = 0
        return found

    def element(self) -> tuple[int, bytes]:
        """Type and data of the element that begins here."""
        kind, size = struct.unpack("<II", self.take(8))
        if kind > 0xFFFF:
            return kind & 0xFFFF, struct.pack("<I", size)[: kind >> 16]
        return kind, self.take((size + 7) // 8 * 8)[:size]

    def _fill(self) -> None:
        piece = self._file.read(min(_PIECE, self._left)) if self._file is not None else b""
        if not piece:
            raise UnusualLayoutError("the file ends early")
        self._left -= len(piece)
        try:
            self._buffer += self._unpacker.decompress(piece) if self._unpacker else piece
        except zlib.error as error:
            raise UnusualLayoutError(str(error)) from error
