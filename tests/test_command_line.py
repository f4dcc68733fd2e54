import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from inet_d2 import files
from inet_d2.command_line import child_environment, distinct_parts, exit_status, split_options


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("--seeds 1 2 SOLVER.MAX_ITER 300", (["--seeds", "1", "2"], ["SOLVER.MAX_ITER", "300"])),
        ("table3 SEED 5 --resume", (["table3"], ["SEED", "5", "--resume"])),
        ("--config-file configs/CUHK-SYSU/a.yaml I-Net", (["--config-file", "configs/CUHK-SYSU/a.yaml", "I-Net"], [])),
        ("", ([], [])),
    ],
)
def test_pairs_begin_at_the_first_key(words, expected):
    assert split_options(words.split()) == expected


def test_a_child_imports_the_same_package(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    (tmp_path / "beside.py").write_text("")
    words = [sys.executable, "-c", "import beside, inet_d2.files as f; print(f.__file__)"]
    shown = subprocess.check_output(words, env=child_environment(), cwd=tmp_path, text=True)
    assert shown.strip() == files.__file__


@pytest.mark.parametrize("error", [ValueError("it is bad"), FileNotFoundError("it is bad")])
def test_bad_input_is_one_sentence_and_status_2(error, capsys, caplog):
    def run():
        raise error

    caplog.set_level(logging.DEBUG, logger="inet_d2")
    assert exit_status("tool", run) == 2
    assert capsys.readouterr().err == "tool: it is bad\n"
    assert caplog.records[0].levelno == logging.DEBUG
    assert caplog.records[0].exc_info[1] is error


def test_other_errors_are_not_hidden():
    assert exit_status("tool", lambda: None) == 0
    with pytest.raises(ZeroDivisionError):
        exit_status("tool", lambda: 1 / 0)


def test_an_error_without_words_is_not_input():
    def run():
        raise NotImplementedError

    with pytest.raises(NotImplementedError):
        exit_status("tool", run)


def test_what_tells_paths_apart():
    runs = [Path(f"/out/{run}/seed1/inference/p.npz") for run in ("inet", "oim")]
    assert distinct_parts(runs) == ["inet", "oim"]
    assert distinct_parts([*runs, Path("/out/oim/seed2/inference/p.npz")]) == ["inet/seed1", "oim/seed1", "oim/seed2"]
    assert distinct_parts([Path("a.npz"), Path("b.npz")]) == ["a.npz", "b.npz"]
    assert distinct_parts([Path("/out/p.npz"), Path("/out/old/p.npz")]) == ["/out/p.npz", "old"]
    assert distinct_parts(runs[:1]) == ["/out/inet/seed1/inference/p.npz"]
