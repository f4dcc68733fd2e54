import numpy as np
import pytest
from scipy.io import savemat

from inet_d2.matlab import stream
from inet_d2.matlab.format import UnusualLayoutError
from inet_d2.matlab.stream import stream_struct, struct_header

# The string "ab": class char, 1 x 2, data of type 16 (UTF-8).
TEXT = (14, 48, 6, 8, 4, 0, 5, 8, 1, 2, 1, 0, 0x20010, 0x6261)


def two_records():
    records = np.empty((1, 2), dtype=[("one", object), ("two", object)])
    records[0, 0] = ("first", np.float64([[1, 2]]))
    records[0, 1] = ("second", np.zeros((1, 0)))
    return records


@pytest.mark.parametrize("compressed", [True, False])
def test_fields_come_record_after_record(tmp_path, compressed):
    path = tmp_path / "x.mat"
    content = {"before": np.arange(5.0), "wanted": two_records(), "after": "text"}
    savemat(path, content, do_compression=compressed)
    fields = list(stream_struct(path, "wanted"))
    assert [name for name, _ in fields] == ["one", "two", "one", "two"]
    assert b"second" in fields[2][1]


def test_nested_head(tmp_path):
    outer = np.empty((1, 1), dtype=[("inner", object)])
    outer[0, 0] = (two_records(),)
    savemat(tmp_path / "x.mat", {"wanted": outer})
    ((_, matrix),) = stream_struct(tmp_path / "x.mat", "wanted")
    header = struct_header(matrix)
    assert (header.length, header.fields) == (2, ("one", "two"))
    with pytest.raises(UnusualLayoutError):
        struct_header(np.array(TEXT, dtype=np.uint32).tobytes())


def test_files_it_does_not_know(tmp_path):
    path = tmp_path / "x.mat"
    savemat(path, {"wanted": two_records()}, do_compression=True)
    content = path.read_bytes()
    with pytest.raises(UnusualLayoutError, match="no variable other"):
        list(stream_struct(path, "other"))
    path.write_bytes(content[:100])
    with pytest.raises(UnusualLayoutError, match="no little-endian"):
        list(stream_struct(path, "wanted"))
    path.write_bytes(content[:200])
    with pytest.raises(UnusualLayoutError, match="the file ends early"):
        list(stream_struct(path, "wanted"))
    path.write_bytes(content[:136] + b"garbage" + content[143:])
    with pytest.raises(UnusualLayoutError):
        list(stream_struct(path, "wanted"))


def test_damage_behind_the_last_field_and_sizes_that_nothing_has(tmp_path, monkeypatch):
    path = tmp_path / "x.mat"
    savemat(path, {"wanted": two_records()}, do_compression=True)
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))  # the last byte of the checksum
    with pytest.raises(UnusualLayoutError, match="incorrect data check"):
        list(stream_struct(path, "wanted"))
    savemat(path, {"wanted": two_records()})
    monkeypatch.setattr(stream, "_LARGEST_ELEMENT", 40)
    with pytest.raises(UnusualLayoutError, match="an element of 56 bytes"):
        list(stream_struct(path, "wanted"))
