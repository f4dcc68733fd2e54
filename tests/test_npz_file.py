import numpy as np
import pytest

from inet_d2.npz_file import open_npz


@pytest.fixture
def path(tmp_path):
    np.savez(tmp_path / "a.npz", numbers=np.arange(100.0), name="x")
    return tmp_path / "a.npz"


def read(path, **arguments):
    with open_npz(path, remedy="write it again", **arguments) as content:
        return {name: content[name] for name in content.files}


def test_arrays_by_name(path):
    assert read(path)["numbers"].tolist() == list(range(100))


def test_no_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"BOXES: .*b\.npz does not exist; write it again"):
        read(tmp_path / "b.npz", option="BOXES")


def damaged(content, kind):
    if kind == "flipped":
        return content[:200] + bytes([content[200] ^ 4]) + content[201:]
    if kind == "header":  # as python, the header of an array is then an open bracket; the checksum is older
        return content.replace(b"'shape': (100,), }", b"'shape': ((((((((")
    return {"cut": content[:-30], "empty": b"", "text": b"no arrays", "one array": content[38:]}[kind]


@pytest.mark.parametrize("kind", ["flipped", "header", "cut", "empty", "text", "one array"])
def test_damage_of_any_kind_names_the_file(path, kind):
    path.write_bytes(damaged(path.read_bytes(), kind))
    with pytest.raises(ValueError, match=r"a\.npz: .+; write it again"):
        read(path)


def test_objects_are_not_read(path):
    np.savez(path, evil=np.array([{}], dtype=object))
    with pytest.raises(ValueError, match=r"a\.npz: .*allow_pickle=False; write it again"):
        read(path)


def test_what_the_reader_finds_wrong_is_told_of_the_file(path):
    with (
        pytest.raises(ValueError, match=r"BOXES: .*a\.npz: expected boxes; write it again"),
        open_npz(path, option="BOXES", remedy="write it again"),
    ):
        raise ValueError("expected boxes")
