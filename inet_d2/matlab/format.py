"""The MATLAB v5 format in short: its numbers, and the error for files that use it in another way than ours.

A file is a header of 128 bytes and one element for each variable. An element is a tag (type, size in bytes) and data
padded to 8 bytes; data of at most 4 bytes may share the tag's 8, its size then stands in the upper half of the type.
A matrix is an element that holds flags (its class), dimensions, name and data; a cell holds matrices, a struct its
field names and then one matrix per field and record. A variable may be compressed as a whole.

Source: MAT-File Format, The MathWorks, version 5.
"""

from enum import IntEnum
from typing import Final

HEADER_BYTES: Final = 128
LITTLE_ENDIAN: Final = b"IM"
"""Last bytes of the header."""


class DataType(IntEnum):
    """What an element holds, the first number of its tag."""

    INT8 = 1
    UINT8 = 2
    INT16 = 3
    UINT16 = 4
    INT32 = 5
    UINT32 = 6
    SINGLE = 7
    DOUBLE = 9
    INT64 = 12
    UINT64 = 13
    MATRIX = 14
    COMPRESSED = 15
    UTF8 = 16
    UTF16 = 17


class ArrayClass(IntEnum):
    """What a matrix is, the first byte of its flags."""

    CELL = 1
    STRUCT = 2
    CHAR = 4
    DOUBLE = 6
    UINT64 = 15


class UnusualLayoutError(Exception):
    """The file has another layout than the one this room knows."""
