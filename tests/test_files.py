import json

import numpy as np
import pytest

from inet_d2.files import check_output, check_outputs, write_json, written_aside


def test_the_file_is_there_when_the_block_ends(tmp_path):
    path = tmp_path / "a.json"
    with written_aside(str(path)) as aside:
        aside.write_text("new")
        assert aside.suffix == ".json"
        assert not path.exists()
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_failure_leaves_the_older_file(tmp_path):
    path = tmp_path / "a.json"
    path.write_text("old")

    def write_half():
        with written_aside(path) as aside:
            aside.write_text("half")
            raise RuntimeError("half")

    with pytest.raises(RuntimeError, match="half"):
        write_half()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_json_has_no_bare_nan(tmp_path):
    path = tmp_path / "a.json"
    write_json(path, {"AP": float("nan"), "all": [1.5, float("inf"), np.float64("nan")], "pair": (1, "x"), 3: None})

    def refuse(constant):
        raise AssertionError(constant)

    found = json.loads(path.read_text(), parse_constant=refuse)
    assert found == {"AP": None, "all": [1.5, None, None], "pair": [1, "x"], "3": None}
    assert path.read_text().endswith("}\n")


def test_a_place_that_is_free_or_is_an_older_answer_will_do(tmp_path):
    check_output(tmp_path / "new" / "folder" / "a.csv", "--csv")
    (tmp_path / "a.csv").write_text("old")
    check_output(tmp_path / "a.csv", "--csv", [tmp_path / "b.csv"])


def test_places_that_cannot_be_written_or_are_read_are_refused(tmp_path):
    photo = tmp_path / "photo.jpg"
    photo.write_text("a photo")
    link = tmp_path / "link.jpg"
    link.symlink_to(photo)
    for path in (photo, link, tmp_path / "x" / ".." / "photo.jpg"):
        (tmp_path / "x").mkdir(exist_ok=True)
        with pytest.raises(ValueError, match=r"--sheet: .* is read here and would be replaced; name another file"):
            check_output(path, "--sheet", ["other.jpg", str(photo)])
    with pytest.raises(ValueError, match=r"--sheet: expected the name of a file to write, found the folder"):
        check_output(tmp_path, "--sheet")
    with pytest.raises(ValueError, match=r"--sheet: expected a folder that can be written to, found .*photo\.jpg"):
        check_output(photo / "a.png", "--sheet")


def test_two_outputs_may_not_be_one_file(tmp_path):
    outputs = {"--json": tmp_path / "a", "--csv": tmp_path / "b"}
    check_outputs(outputs)
    (tmp_path / "b").symlink_to(tmp_path / "a")
    with pytest.raises(ValueError, match=r"--csv: .*b is what --json writes; name another file"):
        check_outputs(outputs)
    with pytest.raises(ValueError, match="is read here"):
        check_outputs({"--csv": __file__}, iter([__file__]))
