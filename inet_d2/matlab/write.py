"""Writing MATLAB files as MATLAB does, for matrices, and structs of texts and whole numbers.

MATLAB keeps whole numbers of class double in the smallest integer type; ``scipy.io.savemat`` cannot, and would take
about 50 microseconds for each of the paper preset's 22 million gallery entries. Here an entry is encoded once.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np

from inet_d2.files import written_aside
from inet_d2.matlab.format import HEADER_BYTES, LITTLE_ENDIAN, ArrayClass, DataType

_NAME_LENGTH = 32
_LARGEST = 2**32 - 1
_VERSION = 0x0100


def encode_text(text: str) -> bytes:
    """A row of characters.

    Args:
        text: ASCII, not empty.

    Returns:
        An element for a struct or cell.
    """
    return _matrix(ArrayClass.CHAR, (1, len(text)), [_element(DataType.UTF8, text.encode("ascii"))])


def encode_row(values: Iterable[int]) -> bytes:
    """A row of whole numbers of class double, stored in one or two bytes each.

    Args:
        values: each in [0, 65535]; none for an empty (1, 0) array.

    Returns:
        An element for a struct or cell.
    """
    row = np.asarray(list(values), dtype="<u2")
    if not row.size:
        return _matrix(ArrayClass.DOUBLE, (1, 0), [_element(DataType.DOUBLE, b"")])
    kind = DataType.UINT16
    if row.max() < 256:
        kind, row = DataType.UINT8, row.astype(np.uint8)
    return _matrix(ArrayClass.DOUBLE, (1, row.size), [_element(kind, row.tobytes())])


def encode_structs(records: Sequence[bytes], fields: Sequence[str]) -> bytes:
    """A row of structs.

    Args:
        records: for each struct its encoded fields, joined in the order of ``fields``.
        fields: names, shorter than 32 characters.

    Returns:
        An element for a struct or cell.
    """
    return _matrix(ArrayClass.STRUCT, (1, len(records)), [_field_names(fields), *records])


def save_structs(
    path: Path, name: str, count: int, records: Callable[[], Iterable[bytes]], fields: Sequence[str]
) -> None:
    """Write a file whose one variable is a row of structs.

    Args:
        path: the file; it appears when it is whole.
        name: of the variable.
        count: number of structs.
        records: gives them, each as in ``encode_structs``; asked twice, so that they need not all be in memory.
        fields: names, shorter than 32 characters.

    Raises:
        ValueError: the variable is larger than 4 GiB, which the format cannot hold.
    """
    head = _matrix_head(ArrayClass.STRUCT, (1, count), name) + _field_names(fields)
    _save(path, head, records)


def save_cells(path: Path, name: str, items: Sequence[bytes]) -> None:
    """Write a file whose one variable is a column of cells.

    Args:
        path: the file; it appears when it is whole.
        name: of the variable.
        items: one element each.

    Raises:
        ValueError: the variable is larger than 4 GiB, which the format cannot hold.
    """
    _save(path, _matrix_head(ArrayClass.CELL, (len(items), 1), name), lambda: items)


def save_matrix(path: Path, name: str, values: np.ndarray) -> None:
    """Write a file whose one variable is a matrix of class double.

    Args:
        path: the file; it appears when it is whole.
        name: of the variable.
        values: (rows, columns) numbers.
    """
    data = np.asarray(values, dtype="<f8").tobytes(order="F")
    _save(path, _matrix_head(ArrayClass.DOUBLE, values.shape, name), lambda: [_element(DataType.DOUBLE, data)])


def _save(path: Path, head: bytes, parts: Callable[[], Iterable[bytes]]) -> None:
    """Header, then the variable, compressed piece by piece."""
    length = len(head) + sum(len(part) for part in parts())
    if length > _LARGEST:
        raise ValueError(f"{path.name} would take {length} bytes, a MATLAB 5 file holds {_LARGEST}")
    pack = zlib.compressobj(1)
    with written_aside(path) as aside, aside.open("wb") as file:
        text = b"MATLAB 5.0 MAT-file, drawn street scenes".ljust(HEADER_BYTES - 4)
        file.write(text + struct.pack("<H2s", _VERSION, LITTLE_ENDIAN))
        file.write(struct.pack("<II", DataType.COMPRESSED, 0))
        start = file.tell()
        file.write(pack.compress(struct.pack("<II", DataType.MATRIX, length) + head))
        file.writelines(pack.compress(part) for part in parts())
        file.write(pack.flush())
        packed = file.tell() - start
        file.seek(start - 4)
        file.write(struct.pack("<I", packed))


def _matrix(kind: int, shape: tuple[int, int], parts: Sequence[bytes]) -> bytes:
    body = b"".join([_matrix_head(kind, shape, ""), *parts])
    return struct.pack("<II", DataType.MATRIX, len(body)) + body


def _matrix_head(kind: int, shape: tuple[int, int], name: str) -> bytes:
    flags, size = struct.pack("<II", kind, 0), struct.pack("<ii", *shape)
    return (
        _element(DataType.UINT32, flags)
        + _element(DataType.INT32, size)
        + _element(DataType.INT8, name.encode("ascii"))
    )


def _field_names(fields: Sequence[str]) -> bytes:
    names = b"".join(field.encode("ascii").ljust(_NAME_LENGTH, b"\0") for field in fields)
    return _element(DataType.INT32, struct.pack("<i", _NAME_LENGTH)) + _element(DataType.INT8, names)


def _element(kind: int, data: bytes) -> bytes:
    """Tag and data, padded to 8 bytes; up to 4 bytes share the tag's 8."""
    if 0 < len(data) <= 4:
        return struct.pack("<HH", kind, len(data)) + data.ljust(4, b"\0")
    return struct.pack("<II", kind, len(data)) + data + b"\0" * (-len(data) % 8)
