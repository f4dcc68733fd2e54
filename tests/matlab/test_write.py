import numpy as np
import pytest
from scipy.io import loadmat

from inet_d2.matlab import write
from inet_d2.matlab.write import encode_row, encode_structs, encode_text, save_cells, save_structs


def written(tmp_path, records, fields, **options):
    path = tmp_path / "a.mat"
    save_structs(path, "A", len(records), lambda: records, fields)
    return loadmat(path, **options)["A"]


@pytest.mark.parametrize("text", ["a", "abcd", "abcde", "s12345.jpg"])
def test_texts_come_back(tmp_path, text):
    found = written(tmp_path, [encode_text(text)], ["name"])[0, 0]["name"]
    assert found.shape == (1,)
    assert found[0] == text


@pytest.mark.parametrize(
    ("row", "dtype"),
    [
        ([1], np.uint8),
        ([3, 4, 200, 255], np.uint8),
        ([3, 4, 200, 256], np.uint16),
        ([65535, 0, 1, 2, 3], np.uint16),
        ([True], np.uint8),
    ],
)
def test_numbers_are_doubles_in_the_smallest_type(tmp_path, row, dtype):
    found = written(tmp_path, [encode_row(row)], ["row"])[0, 0]["row"]
    assert found.dtype == dtype
    assert found.tolist() == [row]
    as_matlab = written(tmp_path, [encode_row(row)], ["row"], mat_dtype=True)[0, 0]["row"]
    assert as_matlab.dtype == np.float64
    assert as_matlab.tolist() == [row]


def test_an_empty_row_is_a_double_without_columns(tmp_path):
    found = written(tmp_path, [encode_row([])], ["row"])[0, 0]["row"]
    assert found.shape == (1, 0)
    assert found.dtype == np.float64


def test_structs_nest(tmp_path):
    inner = [encode_text("x") + encode_row([k]) for k in range(3)]
    outer = [
        encode_text("first") + encode_structs(inner, ["n", "v"]),
        encode_text("second") + encode_structs([], ["n"]),
    ]
    found = written(tmp_path, outer, ["name", "inner"])
    assert found.shape == (1, 2)
    assert found.dtype.names == ("name", "inner")
    assert found[0, 0]["inner"].shape == (1, 3)
    assert [int(v["v"][0, 0]) for v in found[0, 0]["inner"].ravel()] == [0, 1, 2]
    assert found[0, 1]["inner"].shape == (1, 0)


def test_cells_are_a_column(tmp_path):
    save_cells(tmp_path / "c.mat", "C", [encode_text("one"), encode_row([2, 3])])
    found = loadmat(tmp_path / "c.mat")["C"]
    assert found.shape == (2, 1)
    assert found[0, 0][0] == "one"
    assert found[1, 0].tolist() == [[2, 3]]


def test_a_variable_that_the_format_cannot_hold_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(write, "_LARGEST", 100)
    with pytest.raises(ValueError, match=r"c\.mat would take \d+ bytes, a MATLAB 5 file holds 100"):
        save_cells(tmp_path / "c.mat", "C", [encode_text("x" * 80)])
    assert list(tmp_path.iterdir()) == []
