"""A streaming reader for the large structs of CUHK-SYSU's protocol files.

``scipy.io.loadmat`` builds three Python arrays for each gallery entry, and TestG4000.mat has 11.6 million entries: at
the rate of TestG100.mat that is minutes and several GB. This reader unpacks the file piece by piece, and
``decode`` decodes entries with array arithmetic. It knows the one layout that MATLAB and scipy write for these
files; anything else raises ``UnusualLayoutError`` and is left to scipy.
"""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from inet_d2.matlab.format import HEADER_BYTES, LITTLE_ENDIAN, ArrayClass, DataType, UnusualLayoutError

_PIECE: Final = 1 << 16
_LARGEST_ELEMENT: Final = 1 << 28
"""Bytes of a field; a gallery of all of CUHK-SYSU's test images takes 1.3 million."""


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
        header = file.read(HEADER_BYTES)
        if len(header) < HEADER_BYTES or not header.endswith(LITTLE_ENDIAN):
            raise UnusualLayoutError("no little-endian MATLAB v5 header")
        while True:
            tag = file.read(8)
            if len(tag) < 8:
                raise UnusualLayoutError(f"no variable {variable}")
            kind, size = struct.unpack("<II", tag)
            end = file.tell() + size
            source = _Source(file, size, compressed=kind == DataType.COMPRESSED, tag=tag)
            if kind not in (DataType.MATRIX, DataType.COMPRESSED):
                raise UnusualLayoutError(f"element of type {kind}")
            inner, _ = struct.unpack("<II", source.take(8))
            if inner != DataType.MATRIX:
                raise UnusualLayoutError(f"element of type {inner}")
            found = _variable_header(source)
            if found is not None and found[0] == variable:
                break
            file.seek(end)
        for _ in range(found[1].length):
            for field in found[1].fields:
                tag = source.take(8)
                kind, size = struct.unpack("<II", tag)
                if kind != DataType.MATRIX:
                    raise UnusualLayoutError(f"field of type {kind}")
                yield field, tag + source.take(size)
        source.check_end()


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


def _variable_header(source: "_Source") -> tuple[str, StructHeader] | None:
    """Name and head of the matrix that begins here; None when it is no struct array."""
    kind, flags = source.element()
    if kind != DataType.UINT32 or len(flags) != 8:
        raise UnusualLayoutError("no matrix flags")
    kind, sizes = source.element()
    if kind != DataType.INT32 or len(sizes) != 8:
        raise UnusualLayoutError("other than two dimensions")
    rows, columns = struct.unpack("<ii", sizes)
    _, name = source.element()
    if flags[0] != ArrayClass.STRUCT:
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
        if size > _LARGEST_ELEMENT:
            raise UnusualLayoutError(f"an element of {size} bytes")
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

    def check_end(self) -> None:
        """Unpack to the end, where the checksum of a compressed variable stands."""
        while self._unpacker is not None and not self._unpacker.eof:
            self._fill()
            if len(self._buffer) > _LARGEST_ELEMENT:
                raise UnusualLayoutError("a variable that does not end")

    def _fill(self) -> None:
        piece = self._file.read(min(_PIECE, self._left)) if self._file is not None else b""
        if not piece:
            raise UnusualLayoutError("the file ends early")
        self._left -= len(piece)
        try:
            self._buffer += self._unpacker.decompress(piece) if self._unpacker else piece
        except zlib.error as error:
            raise UnusualLayoutError(str(error)) from error
