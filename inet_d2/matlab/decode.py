"""Decoding many small MATLAB v5 matrices at once, from the 32-bit words that hold them.

An unnamed two-dimensional matrix is: its tag, tag and data of its flags, of its dimensions and of its empty name, and
then the tag of its data (see ``format``).
"""

from typing import Final

import numpy as np

from inet_d2.matlab.format import ArrayClass, DataType, UnusualLayoutError

_NUMBER_TYPES: Final = {
    DataType.INT8: "i1",
    DataType.UINT8: "u1",
    DataType.INT16: "<i2",
    DataType.UINT16: "<u2",
    DataType.INT32: "<i4",
    DataType.UINT32: "<u4",
    DataType.SINGLE: "<f4",
    DataType.DOUBLE: "<f8",
}
_TEXT_TYPES: Final = {
    DataType.INT8: 1,
    DataType.UINT8: 1,
    DataType.UINT16: 2,
    DataType.UTF8: 1,
    DataType.UTF16: 2,
}
"""Types that strings come in, and their bytes per character."""
_LONGEST_TEXT: Final = 4096
_HEADER_WORDS: Final = 12
"""32-bit words of a matrix before its data: tag, flags, dimensions (two) and an empty name."""


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
    # The tag of a matrix, followed by nothing or by the tag of 8 bytes of flags; checked below, since data may look
    # alike.
    found = np.flatnonzero(words[:-1] == DataType.MATRIX)
    follow = np.minimum(found + 2, len(words) - 2)
    found = found[(words[found + 1] == 0) | ((words[follow] == DataType.UINT32) & (words[follow + 1] == 8))]
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
        UnusualLayoutError: a matrix is named, not two-dimensional, or claims more elements than it has bytes.
    """
    filled = np.flatnonzero(words[starts + 1])
    heads = words[starts[filled, None] + np.arange(_HEADER_WORDS)]
    if np.any(heads[:, [6, 7, 10, 11]] != (DataType.INT32, 8, DataType.INT8, 0)):
        raise UnusualLayoutError("a matrix with a name or other than two dimensions")
    shapes = heads[:, 8:10].astype(np.int64)
    # Believed, a damaged size would be reserved in memory; no element takes less than a byte.
    if np.any(shapes > heads[:, 1:2]) or np.any(shapes.prod(axis=1) > heads[:, 1]):
        raise UnusualLayoutError("a matrix of more elements than bytes")
    if np.any(heads[:, 1] < 4 * _HEADER_WORDS):
        raise UnusualLayoutError("a matrix without data")
    sizes = np.zeros(len(starts), dtype=np.int64)
    sizes[filled] = shapes.prod(axis=1)
    _, _, size = _data_places(words, starts[filled])
    if np.any((size == 0) != (sizes[filled] == 0)):
        raise UnusualLayoutError("an empty matrix with data, or one with elements and without")
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
    kinds, places, size = _data_places(words, starts)
    octets = words.view(np.uint8)
    numbers = np.empty((len(starts), count))
    for kind in np.unique(kinds):
        if kind not in _NUMBER_TYPES:
            raise UnusualLayoutError(f"numbers of type {kind}")
        dtype = np.dtype(_NUMBER_TYPES[kind])
        chosen = kinds == kind
        if np.any(size[chosen] != count * dtype.itemsize):
            raise UnusualLayoutError(f"matrices of {count} numbers with another number of bytes")
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
    if np.any(lengths < 1) or np.any(words[starts + 4] & 0xFF != ArrayClass.CHAR):
        raise UnusualLayoutError("an empty string or none at all")
    kinds, places, size = _data_places(words, starts)
    octets = words.view(np.uint8)
    width = int(lengths.max(initial=1) + 7) // 8 * 8
    if width > _LONGEST_TEXT:
        raise UnusualLayoutError(f"a text of {lengths.max()} characters")
    texts = np.zeros((len(starts), width), dtype=np.uint8)
    shapes = kinds * (width + 1) + lengths
    for shape in np.flatnonzero(np.bincount(shapes)).tolist():
        kind, length = divmod(shape, width + 1)
        if kind not in _TEXT_TYPES:
            raise UnusualLayoutError(f"text of type {kind}")
        step = _TEXT_TYPES[kind]
        chosen = np.flatnonzero(shapes == shape)
        if np.any(size[chosen] != length * step):
            raise UnusualLayoutError(f"texts of {length} characters with another number of bytes")
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


def _data_places(words: np.ndarray, starts: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Type of each matrix's data, where its bytes begin, and how many there are."""
    tags = words[starts + _HEADER_WORDS]
    small = tags > 0xFFFF
    size = np.where(small, tags >> 16, words[starts + _HEADER_WORDS + 1])
    places = 4 * (starts + _HEADER_WORDS + np.where(small, 1, 2))
    return (tags & 0xFFFF).astype(np.int64), places, size.astype(np.int64)
