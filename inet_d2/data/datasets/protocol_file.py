"""Search protocols of several gallery sizes in one file, so that queries and galleries stay what they are."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np

from inet_d2.data.datasets.protocol import SearchProtocol
from inet_d2.files import written_aside
from inet_d2.npz_file import open_npz

_SHARED: Final = ("image_names", "query_names", "query_boxes")
_CAMERAS: Final = ("image_cameras", "query_cameras")
_BY_SIZE: Final = ("entry_offsets", "entry_images", "truth_entries", "truth_boxes")
_PLAIN: Final = ("name", "gallery", "cross_camera")
_REMEDY: Final = "write the file again with tools/make_protocol.py"


def write_protocol_file(path: str | Path, protocols: Mapping[int, SearchProtocol]) -> None:
    """Write protocols that share images and queries.

    Args:
        path: .npz file to be; its folder exists.
        protocols: by gallery size, at least one.
    """
    first = next(iter(protocols.values()))
    arrays = {field: getattr(first, field) for field in (*_SHARED, *_CAMERAS) if getattr(first, field) is not None}
    for size, protocol in protocols.items():
        arrays |= {f"{field}_{size}": np.asarray(getattr(protocol, field)) for field in (*_BY_SIZE, *_PLAIN)}
    with written_aside(path) as aside, aside.open("wb") as stream:
        np.savez_compressed(stream, sizes=np.array(list(protocols), dtype=np.int64), **arrays)


def read_protocol_file(path: str | Path, gallery_size: int) -> SearchProtocol:
    """Read one of the protocols of a file.

    Args:
        path: written by :func:`write_protocol_file`.
        gallery_size: one that the file has.

    Returns:
        The protocol.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is no protocol file, or lacks this size.
    """
    with open_npz(path, remedy=_REMEDY) as content:
        if "sizes" not in content:
            raise ValueError("expected a file of search protocols, found another")
        sizes = content["sizes"].tolist()
        if gallery_size in sizes:
            fields = {field: content[field] for field in (*_SHARED, *_CAMERAS) if field in content}
            fields |= {field: content[f"{field}_{gallery_size}"] for field in _BY_SIZE}
            fields |= {field: content[f"{field}_{gallery_size}"].item() for field in _PLAIN}
            return SearchProtocol(**fields)
    raise ValueError(
        f"{path}: expected one of the gallery sizes {', '.join(map(str, sizes))} (0 is all images), found "
        f"{gallery_size!r}; set TEST.SEARCH.GALLERY_SIZES, or {_REMEDY}"
    )
