"""Is a MATLAB file what its tags say? Asked before scipy reads it.

scipy believes sizes, types and dimensions: one flipped bit can make it ask for any amount of memory or end the
interpreter. Here every tag is followed first, and what is unpacked is bounded. A file that passes holds as many
matrices and numbers as it claims, nested no deeper than annotations are, and all of its compressed parts have the right
checksum.
"""

import math
import struct
import zlib
from pathlib import Path
from typing import Final

import numpy as np

from inet_d2.matlab.format import HEADER_BYTES, LITTLE_ENDIAN, ArrayClass, DataType

MAX_DEPTH: Final = 12
"""Matrices inside of matrices; CUHK-SYSU's files have 6."""
MAX_DIMENSIONS: Final = 8
_FREE_BYTES: Final = 1 << 26
MAX_RATIO: Final = 200
"""Largest ratio of unpacked to packed bytes beyond ``_FREE_BYTES``; protocols of many alike entries reach 60."""
_VERSION: Final = (0x00, 0x01)
_NUMBER_BYTES: Final = {
    DataType.INT8: 1,
    DataType.UINT8: 1,
    DataType.INT16: 2,
    DataType.UINT16: 2,
    DataType.INT32: 4,
    DataType.UINT32: 4,
    DataType.SINGLE: 4,
    DataType.DOUBLE: 8,
    DataType.INT64: 8,
    DataType.UINT64: 8,
}
_TEXT_BYTES: Final = {
    DataType.INT8: 1,
    DataType.UINT8: 1,
    DataType.UINT16: 2,
    DataType.UTF8: 1,
    DataType.UTF16: 2,
}
_NUMBERS: Final = range(ArrayClass.DOUBLE, ArrayClass.UINT64 + 1)
_COMPLEX: Final = 0x800
_TAG: Final = struct.Struct("<II")
_FEW_BYTES: Final = 1 << 16
_LEAF_WORDS: Final = {2: DataType.UINT32, 3: 8, 6: DataType.INT32, 7: 8, 10: DataType.INT8, 11: 0}
"""Words of 32 bits behind the tag of a matrix without name that has two dimensions."""
_WIDTHS: Final = np.zeros((2, 32), dtype=np.int64)
"""Bytes of a character and of a number, by type; 0 for types that hold none."""
for _row, _types in zip(_WIDTHS, (_TEXT_BYTES, _NUMBER_BYTES), strict=True):
    _row[list(_types)] = list(_types.values())


class DamagedFileError(ValueError):
    """The file is no MATLAB v5 file, is damaged, or holds what annotations do not have."""


def check_mat_file(path: Path) -> None:
    """Follow every tag of a file.

    Args:
        path: the file.

    Raises:
        OSError: it cannot be read.
        DamagedFileError: it is not what it says, or unpacks to far more than files of its size do.
    """
    content = path.read_bytes()
    if len(content) < HEADER_BYTES or content[HEADER_BYTES - 2 : HEADER_BYTES] != LITTLE_ENDIAN:
        raise DamagedFileError("no header of a little-endian MATLAB v5 file")
    # Where one of the first four bytes is zero, scipy takes the file for version 4.
    if tuple(content[HEADER_BYTES - 4 : HEADER_BYTES - 2]) != _VERSION or 0 in content[:4]:
        raise DamagedFileError("another version than MATLAB v5")
    place = HEADER_BYTES
    while place < len(content):
        kind, size = _tag(content, place, len(content))
        start, place = place + 8, place + 8 + size
        if place > len(content):
            raise DamagedFileError(f"a variable of {size} bytes, {place - len(content)} more than the file has")
        if kind == DataType.COMPRESSED:
            unpacked = unpack(content[start:place])
            if _tag(unpacked, 0, len(unpacked)) != (DataType.MATRIX, len(unpacked) - 8):
                raise DamagedFileError("a compressed part that is not one matrix")
            _Walk(unpacked).check_matrix(8, len(unpacked), 0)
        elif kind == DataType.MATRIX:
            _Walk(content[start:place]).check_matrix(0, size, 0)
        else:
            raise DamagedFileError(f"a variable of type {kind}")


def unpack(packed: bytes) -> bytes:
    """Unpack a compressed variable.

    Args:
        packed: a whole zlib stream.

    Returns:
        At most ``MAX_RATIO`` times as many bytes, or 64 MiB.

    Raises:
        DamagedFileError: it is damaged, cut off or larger.
    """
    limit = max(_FREE_BYTES, MAX_RATIO * len(packed))
    unpacker = zlib.decompressobj()
    try:
        unpacked = unpacker.decompress(packed, limit)
    except zlib.error as error:
        raise DamagedFileError(f"a compressed part is damaged ({error})") from error
    if not unpacker.eof:
        reason = "is cut off" if len(unpacked) < limit else f"unpacks to more than {limit >> 20} MiB"
        raise DamagedFileError(f"a compressed part {reason}")
    return unpacked


def _tag(content: bytes, place: int, end: int) -> tuple[int, int]:
    if place + 8 > end:
        raise DamagedFileError("an element that begins where its parent ends")
    return _TAG.unpack_from(content, place)


class _Walk:
    """Follows the tags of one variable.

    Args:
        content: its bytes.
    """

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._leaves = _find_leaves(content) if len(content) > _FEW_BYTES else {}

    def check_matrix(self, place: int, end: int, depth: int) -> None:
        """Check the matrix whose flags begin here, and that it ends where its tag says."""
        if depth > MAX_DEPTH:
            raise DamagedFileError(f"matrices nested deeper than {MAX_DEPTH}")
        kind, start, size, place = self._element(place, end)
        if kind != DataType.UINT32 or size != 8:
            raise DamagedFileError("a matrix without flags")
        (flags,) = struct.unpack_from("<I", self._content, start)
        count, place = self._count_elements(place, end)
        kind, _, size, place = self._element(place, end)
        if kind not in (DataType.INT8, DataType.UTF8):
            raise DamagedFileError("a matrix without a name")
        array_class = flags & 0xFF
        if array_class == ArrayClass.STRUCT:
            fields, place = self._count_fields(place, end)
            place = self._check_children(place, end, count * fields, depth)
        elif array_class == ArrayClass.CELL:
            place = self._check_children(place, end, count, depth)
        elif array_class == ArrayClass.CHAR:
            place = self._check_data(place, end, count, _TEXT_BYTES)
        elif array_class in _NUMBERS:
            for _ in range(2 if flags & _COMPLEX else 1):
                place = self._check_data(place, end, count, _NUMBER_BYTES)
        else:
            raise DamagedFileError(f"a matrix of class {array_class}, which is no cell, struct, text or full matrix")
        if place != end:
            raise DamagedFileError(f"a matrix with {end - place} bytes too many")

    def _element(self, place: int, end: int) -> tuple[int, int, int, int]:
        """Type of the element that begins here, where its data begins, its bytes, where the next element begins."""
        kind, size = _tag(self._content, place, end)
        if kind > 0xFFFF:  # up to four bytes, inside of the tag
            kind, size = kind & 0xFFFF, kind >> 16
            if size > 4:
                raise DamagedFileError(f"a short element of {size} bytes")
            return kind, place + 4, size, place + 8
        following = place + 8 + (size + 7) // 8 * 8
        if following > end:
            raise DamagedFileError(f"an element of {size} bytes in a part that has {end - place - 8}")
        return kind, place + 8, size, following

    def _count_elements(self, place: int, end: int) -> tuple[int, int]:
        """The number of a matrix's elements, and where its name begins."""
        kind, start, size, place = self._element(place, end)
        if kind != DataType.INT32 or size % 4 or not 2 <= size // 4 <= MAX_DIMENSIONS:
            raise DamagedFileError("a matrix without dimensions")
        shape = struct.unpack_from(f"<{size // 4}i", self._content, start)
        count = math.prod(shape)
        if min(shape) < 0 or count > end - place:
            raise DamagedFileError(f"a matrix of {' x '.join(map(str, shape))} in {end - place} bytes")
        return count, place

    def _count_fields(self, place: int, end: int) -> tuple[int, int]:
        """The number of a struct's fields, and where the first one begins."""
        kind, start, size, place = self._element(place, end)
        if kind != DataType.INT32 or size != 4:
            raise DamagedFileError("a struct without field names")
        (width,) = struct.unpack_from("<i", self._content, start)
        kind, _, size, place = self._element(place, end)
        if kind != DataType.INT8 or width < 1 or size % width:
            raise DamagedFileError("a struct without field names")
        return size // width, place

    def _check_children(self, place: int, end: int, count: int, depth: int) -> int:
        for _ in range(count):
            following = self._leaves.get(place, 0)
            if not following:
                kind, start, size, following = self._element(place, end)
                if kind != DataType.MATRIX or start + size != following:
                    raise DamagedFileError(f"an element of type {kind} in the place of a matrix")
                if size:  # an empty one is a bare tag
                    self.check_matrix(start, following, depth + 1)
            elif following > end:
                raise DamagedFileError("a matrix that ends behind its parent")
            place = following
        return place

    def _check_data(self, place: int, end: int, count: int, types: dict[DataType, int]) -> int:
        kind, _, size, place = self._element(place, end)
        if kind not in types:
            raise DamagedFileError(f"data of type {kind}")
        # One character of UTF-8 may take several bytes.
        if size != count * types[kind] and not (kind == DataType.UTF8 and size > count):
            raise DamagedFileError(f"{size} bytes of data for {count} elements of {types[kind]}")
        return place


def _find_leaves(content: bytes) -> dict[int, int]:
    """Where plain texts and numbers that pass every check would begin, and where each of them ends.

    Nearly all matrices of an annotation file are of this kind, without name and two-dimensional; a walk in Python over
    them takes longer than scipy.
    """
    words = np.frombuffer(content, dtype="<u4", count=len(content) // 4)
    found = np.flatnonzero(words[:-13] == DataType.MATRIX)
    for place, expected in _LEAF_WORDS.items():
        found = found[words[found + place] == expected]
    flags, tags = words[found + 4], words[found + 12]
    shapes = words[found[:, None] + np.array([8, 9])].astype(np.int64)
    is_short = tags > 0xFFFF
    sizes = np.where(is_short, tags >> 16, words[found + 13]).astype(np.int64)
    kinds = np.minimum(tags & 0xFFFF, len(_WIDTHS[0]) - 1)
    is_text = (flags & 0xFF) == ArrayClass.CHAR
    is_number = np.isin(flags & 0xFF, _NUMBERS) & (flags & _COMPLEX == 0)
    widths = np.where(is_text, _WIDTHS[0][kinds], np.where(is_number, _WIDTHS[1][kinds], 0))
    ends = 4 * (found + 14) + np.where(is_short, 0, (sizes + 7) // 8 * 8)
    is_sound = (widths > 0) & (shapes < 1 << 28).all(axis=1) & (shapes.prod(axis=1) * widths == sizes)
    is_sound &= (~is_short | (sizes <= 4)) & (4 * found + 8 + words[found + 1] == ends)
    return dict(zip((4 * found[is_sound]).tolist(), ends[is_sound].tolist(), strict=True))
