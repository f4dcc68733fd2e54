import numpy as np
import pytest
from scipy.io import savemat

from inet_d2.matlab.read import boxes_of, load_mat_variable, text_of


def test_the_first_name_that_the_file_holds(tmp_path):
    savemat(tmp_path / "a.mat", {"second": [[2]], "third": [[3]]})
    assert load_mat_variable(tmp_path / "a.mat", ["first", "second", "third"], remedy="x").tolist() == [[2]]


def test_files_that_cannot_be_used(tmp_path):
    path = tmp_path / "a.mat"
    with pytest.raises(FileNotFoundError, match=r"a\.mat is missing; copy it"):
        load_mat_variable(path, ["A"], remedy="copy it")
    path.write_bytes(b"no MATLAB file")
    with pytest.raises(ValueError, match=r"a\.mat: expected a MATLAB v5 file, .*; copy it"):
        load_mat_variable(path, ["A"], remedy="copy it")
    savemat(path, {"B": [[1]]})
    with pytest.raises(ValueError, match="expected the variable A or C, found none of that name; copy it"):
        load_mat_variable(path, ["A", "C"], remedy="copy it")


def test_texts_in_arrays():
    inner = np.empty((1, 1), dtype=object)
    inner[0, 0] = np.array(["s1.jpg"])
    assert text_of(inner) == text_of("s1.jpg") == "s1.jpg"
    with pytest.raises(ValueError, match=r"one string, found an array of shape \(2,\)"):
        text_of(np.array(["a", "b"]))
    with pytest.raises(ValueError, match="a string, found float"):
        text_of(np.array([[1.5]]).astype(object))


def test_boxes_of_small_types_do_not_overflow():
    boxes = boxes_of([np.uint8([[200, 0, 100, 5]]), np.zeros((1, 0)), np.float64([1.5, 2, 3, 4])])
    assert boxes[[0, 2]].tolist() == [[200, 0, 100, 5], [1.5, 2, 3, 4]]
    assert boxes[0, 0] + boxes[0, 2] == 300
    assert np.isnan(boxes[1]).all()
    with pytest.raises(ValueError, match=r"four numbers .* or none, found 3"):
        boxes_of([np.zeros(3)])
    with pytest.raises(ValueError, match=r"four finite numbers .*, found \[1\.0, nan, 3\.0, 4\.0\]"):
        boxes_of([np.array([5, 6, 7, 8]), np.array([1, np.nan, 3, 4])])
