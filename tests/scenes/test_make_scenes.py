import importlib.util

import pytest

from places import ROOT

PROGRAM = ROOT / "datasets" / "make_scenes.py"


@pytest.fixture(scope="module")
def program():
    spec = importlib.util.spec_from_file_location("make_scenes_program", PROGRAM)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_writes_where_it_is_told_and_keeps_what_is_there(program, tmp_path, caplog):
    args = ["--preset", "tiny", "--output", str(tmp_path), "--frames", "6", "6", "--ids", "3", "2"]
    assert program.main(args) == 0
    assert (tmp_path / "CUHK-SYSU" / "annotation" / "pool.mat").is_file()
    with caplog.at_level("INFO", logger="inet_d2"):
        assert program.main(args) == 0
    assert "already there" in caplog.text


def test_bad_arguments_end_with_a_sentence_and_status_2(program, tmp_path, capsys):
    assert program.main(["--preset", "tiny", "--output", str(tmp_path), "--hard", "9"]) == 2
    assert "hard must be in [0, 2], found 9.0" in capsys.readouterr().err


def test_help_shows_examples(program, capsys):
    with pytest.raises(SystemExit) as end:
        program.main(["--help"])
    assert end.value.code == 0
    assert "python datasets/make_scenes.py --preset demo" in capsys.readouterr().out
