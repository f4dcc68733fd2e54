"""Damaged and malicious MATLAB files end in a sentence before scipy sees them."""

import multiprocessing
import struct
import zlib

import numpy as np
import pytest
from scipy.io import loadmat, savemat

from inet_d2.matlab import check
from inet_d2.matlab.check import DamagedFileError, check_mat_file
from inet_d2.matlab.read import load_mat_variable
from inet_d2.matlab.write import encode_row, encode_structs, encode_text, save_structs

HEADER = b"MATLAB 5.0 MAT-file, of tests".ljust(124) + b"\0\1IM"
FLAGS, NAME = (6, 8), (1, 0)


def tagged(kind, body):
    return struct.pack("<II", kind, len(body)) + body


def words(*values):
    return struct.pack(f"<{len(values)}I", *values)


def matrix(array_class, shape, *parts, flags=0):
    body = words(6, 8, array_class | flags, 0, 5, 8, *shape, 1, 0) + b"".join(parts)
    return tagged(14, body)


def row_of_boxes(count):
    return [encode_text(f"s{k}.jpg") + encode_row([k % 256, 3, 40, 300]) + encode_row([]) for k in range(count)]


def write(path, content, *, compressed=False):
    path.write_bytes(HEADER + (tagged(15, zlib.compress(content)) if compressed else content))


def every_kind():
    cell = np.empty((2, 2), dtype=object)
    cell[0, 0], cell[0, 1], cell[1, 0], cell[1, 1] = "text", np.zeros((0, 3)), np.arange(5), [[1 + 2j]]
    return {"cell": cell, "struct": {"a": [[1.5, 2]], "b": {"c": "ünïcode"}}, "cube": np.zeros((2, 3, 4), np.int16),
            "truth": np.array([[True, False]]), "whole": np.int64([[2**40]])}  # fmt: skip


@pytest.mark.parametrize("compressed", [True, False])
def test_sound_files_pass(tmp_path, compressed):
    savemat(tmp_path / "a.mat", every_kind(), do_compression=compressed)
    check_mat_file(tmp_path / "a.mat")
    assert loadmat(tmp_path / "a.mat")["cube"].shape == (2, 3, 4)


def test_the_quick_way_over_leaves_sees_what_the_walk_sees(tmp_path):
    path = tmp_path / "a.mat"
    records = row_of_boxes(3000)
    save_structs(path, "A", len(records), lambda: records, ("name", "box", "none"))
    content = zlib.decompress(path.read_bytes()[136:])
    leaves = check._find_leaves(content)
    # Every field of every record, and the last one ends the file.
    assert len(leaves) == 9000
    assert max(leaves.values()) == len(content)
    assert all(content[start : start + 4] == words(14) for start in leaves)
    check_mat_file(path)
    start = sorted(leaves)[4000]  # a box: flags, then shape 4 words further on
    damaged = content[: start + 36] + words(5) + content[start + 40 :]
    assert len(check._find_leaves(damaged)) == 8999
    write(path, damaged)
    with pytest.raises(DamagedFileError, match="8 bytes of data for 5 elements of 2"):
        check_mat_file(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (matrix(1, (1 << 30, 1)), "a matrix of 1073741824 x 1 in 8 bytes"),  # scipy would make room for 8 GiB
        (matrix(6, (2**31, 1), words(9, 0)), "a matrix of -2147483648 x 1"),
        (matrix(6, (2, 2), words(9, 8, 0, 0)), "8 bytes of data for 4 elements of 8"),
        (matrix(6, (1, 1), words(77, 8, 0, 0)), "data of type 77"),  # an index out of scipy's table
        (matrix(6, (1, 1), words(9, 80, 0, 0)), "an element of 80 bytes in a part that has 8"),
        (matrix(6, (1, 1), words(0x50002, 0)), "a short element of 5 bytes"),
        (matrix(6, (1, 1), words(9, 8, 0, 0), words(0, 0)), "a matrix with 8 bytes too many"),
        (matrix(6, (1, 1), words(9, 8, 0, 0), flags=0x800), "begins where its parent ends"),  # no imaginary part
        (matrix(4, (1, 3), words(0x20001, 0)), "2 bytes of data for 3 elements of 1"),
        (matrix(5, (1, 1), words(9, 8, 0, 0)), "a matrix of class 5, which is no cell"),
        (matrix(2, (1, 1), words(5, 8, 4, 0)), "a struct without field names"),
        (matrix(2, (1, 1), words(0x40005, 0, 1, 0)), "a struct without field names"),
        (matrix(1, (1, 1), words(9, 8, 0, 0)), "an element of type 9 in the place of a matrix"),
        (tagged(14, words(6, 8, 6, 0, 5, 4, 1, 0, 1, 0)), "a matrix without dimensions"),
        (tagged(14, words(6, 8, 6, 0, 5, 8, 1, 1, 9, 0)), "a matrix without a name"),
        (tagged(14, words(6, 4, 6, 0)), "a matrix without flags"),
    ],
)
@pytest.mark.parametrize("compressed", [False, True])
def test_a_matrix_that_is_not_what_it_says(tmp_path, content, message, compressed):
    write(tmp_path / "a.mat", content, compressed=compressed)
    with pytest.raises(DamagedFileError, match=message):
        check_mat_file(tmp_path / "a.mat")
    with pytest.raises(ValueError, match=r"a\.mat: expected a MATLAB v5 file, .*; copy it"):
        load_mat_variable(tmp_path / "a.mat", ["A"], remedy="copy it")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (words(14, 99), "a variable of 99 bytes, 99 more than the file has"),
        (words(9, 8, 0, 0), "a variable of type 9"),
        (b"abc", "begins where its parent ends"),
        (tagged(15, zlib.compress(words(9, 8, 0, 0))), "a compressed part that is not one matrix"),
        (tagged(15, zlib.compress(words(14, 99))), "a compressed part that is not one matrix"),
    ],
)
def test_a_variable_that_is_none(tmp_path, content, message):
    write(tmp_path / "a.mat", content)
    with pytest.raises(DamagedFileError, match=message):
        check_mat_file(tmp_path / "a.mat")


def test_nesting_is_bounded(tmp_path):
    content = matrix(6, (1, 1), words(9, 8, 0, 0))
    for _ in range(check.MAX_DEPTH + 1):
        content = matrix(1, (1, 1), content)
    write(tmp_path / "a.mat", content)
    with pytest.raises(DamagedFileError, match="matrices nested deeper than 12"):
        check_mat_file(tmp_path / "a.mat")
    write(tmp_path / "a.mat", content[48:])
    check_mat_file(tmp_path / "a.mat")


def test_bombs_and_damaged_streams(tmp_path, monkeypatch):
    monkeypatch.setattr(check, "_FREE_BYTES", 1 << 20)
    path = tmp_path / "a.mat"
    savemat(path, {"A": np.zeros((1, 1 << 18))}, do_compression=True)  # 2 MiB that take 2 KiB
    with pytest.raises(DamagedFileError, match="a compressed part unpacks to more than 1 MiB"):
        check_mat_file(path)
    savemat(path, {"A": np.random.default_rng(0).random((1, 200))}, do_compression=True)
    content = path.read_bytes()
    path.write_bytes(content[:400] + bytes([content[400] ^ 1]) + content[401:])
    with pytest.raises(DamagedFileError, match="a compressed part is damaged"):
        check_mat_file(path)
    packed = content[136:-30]
    path.write_bytes(HEADER + tagged(15, packed))
    with pytest.raises(DamagedFileError, match="a compressed part is cut off"):
        check_mat_file(path)


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (HEADER[:100], "no header of a little-endian"),
        (HEADER[:126] + b"MI", "no header of a little-endian"),
        (HEADER[:124] + b"\0\2IM", "another version"),  # 7.3 is HDF5
        (b"\0" + HEADER[1:], "another version"),  # scipy would take it for version 4
    ],
)
def test_other_formats(tmp_path, header, message):
    (tmp_path / "a.mat").write_bytes(header)
    with pytest.raises(DamagedFileError, match=message):
        check_mat_file(tmp_path / "a.mat")


def mutants(content, number):
    """Flipped bits, cut ends and sizes that are none, on the file and inside of its compressed part."""
    rng = np.random.default_rng(5)
    inside = content[:128] + zlib.decompress(content[136:])
    for turn in range(number):
        damaged = bytearray(content if turn % 3 == 0 else inside)
        place = int(rng.integers(len(damaged)))
        if turn % 5 == 0:
            damaged = damaged[:place]
        elif turn % 5 == 1:
            word = 4 * (place // 4)
            damaged[word : word + 4] = words(int(rng.choice([0, 1, 77, 2**16, 2**31 - 1, 2**31, 2**32 - 1])))
        else:
            damaged[place] ^= 1 << rng.integers(8)
        if turn % 3 == 2:
            damaged = damaged[:128] + tagged(15, zlib.compress(bytes(damaged[128:])))
        yield bytes(damaged)


def read_mutants(folder, number):
    """In a process that may die and has 4 GiB; any other error ends it with an exit code."""
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
    content, refused = (folder / "good.mat").read_bytes(), 0
    for damaged in mutants(content, number):
        (folder / "a.mat").write_bytes(damaged)
        try:
            load_mat_variable(folder / "a.mat", ["A"], remedy="copy it")
        except ValueError as error:
            refused += "a.mat: expected" in str(error)
    (folder / "refused").write_text(str(refused))


def test_no_damage_ends_the_interpreter(tmp_path):
    inner = [encode_text("x.jpg") + encode_row([1, 2, 30, 400]) + encode_row([])] * 2
    records = [encode_text(f"s{k}.jpg") + encode_row([2]) + encode_structs(inner, ("n", "b", "h")) for k in range(4)]
    save_structs(tmp_path / "good.mat", "A", len(records), lambda: records, ("imname", "nAppear", "box"))
    process = multiprocessing.get_context("fork").Process(target=read_mutants, args=(tmp_path, 300))
    process.start()
    process.join(120)
    assert process.exitcode == 0
    assert int((tmp_path / "refused").read_text()) > 200
