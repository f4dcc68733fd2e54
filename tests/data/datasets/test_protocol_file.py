from dataclasses import fields

import numpy as np
import pytest

from inet_d2.data.datasets import ProtocolRule, SearchProtocol, make_protocol
from inet_d2.data.datasets.protocol_file import read_protocol_file, write_protocol_file


def records(**camera):
    box = {"bbox": [1.0, 2.0, 11.0, 32.0], "bbox_mode": 0, "person_id": 0}
    return [{"image_id": name, "annotations": [box], **camera} for name in ("a.jpg", "bé.jpg", "c.jpg")]


@pytest.mark.parametrize("camera", [{}, {"camera_id": 3}])
def test_what_is_written_is_read(tmp_path, camera):
    written = {size: make_protocol("s", records(**camera), size, ProtocolRule()) for size in (1, 0)}
    write_protocol_file(tmp_path / "p.npz", written)
    for size, protocol in written.items():
        read = read_protocol_file(tmp_path / "p.npz", size)
        for field in fields(SearchProtocol):
            np.testing.assert_array_equal(getattr(read, field.name), getattr(protocol, field.name), err_msg=field.name)
    with pytest.raises(ValueError, match=r"p\.npz: expected one of the gallery sizes 1, 0 .* found 100; set TEST"):
        read_protocol_file(tmp_path / "p.npz", 100)


def test_files_that_are_none(tmp_path):
    with pytest.raises(
        FileNotFoundError, match=r"p\.npz does not exist; write the file again with tools/make_protocol"
    ):
        read_protocol_file(tmp_path / "p.npz", 0)
    (tmp_path / "p.npz").write_bytes(b"PK nothing")
    with pytest.raises(ValueError, match=r"p\.npz: .*; write the file again"):
        read_protocol_file(tmp_path / "p.npz", 0)
    np.savez(tmp_path / "p.npz", other=1)
    with pytest.raises(ValueError, match=r"p\.npz: expected a file of search protocols"):
        read_protocol_file(tmp_path / "p.npz", 0)
