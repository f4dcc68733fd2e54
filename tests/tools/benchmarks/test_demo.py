import json
import os
from datetime import datetime

import pytest

from benchmarks.demo import marks, moment, steps, table, waiting

LOG = """\
[01/01 00:00:02] detectron2 INFO: Arguments: ...
a table without a time
[01/01 00:00:05] detectron2.engine.train_loop INFO: {training}
[01/01 00:01:05] detectron2.evaluation.evaluator INFO: {evaluation}
[01/01 00:01:15] inet_d2.engine.trainer INFO: figures
"""
WORDS = {
    "embedded": ("Training, iterations 0 to 399.", "Inference: 160 batches"),
    "real": ("Starting training from iteration 0", "Start inference on 160 batches"),
}
NEW_YEAR = datetime(2026, 1, 1).timestamp()


def write(path, text, seconds):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    os.utime(path, (NEW_YEAR + seconds, NEW_YEAR + seconds))


def log(path, offset, words=WORDS["embedded"]):
    """A stage that begins to train 5 seconds after ``offset``, trains for 60 and evaluates for 10."""
    write(path, LOG.format(training=words[0], evaluation=words[1]), offset + 75)


@pytest.mark.parametrize("engine", WORDS)
def test_marks_of_a_log(tmp_path, engine):
    log(tmp_path / "log.txt", 1000, WORDS[engine])
    assert [x - NEW_YEAR for x in marks(tmp_path / "log.txt")] == [1005, 1065, 1075]


def test_the_last_training_of_a_log_counts(tmp_path):
    training, evaluation = WORDS["embedded"]
    earlier = LOG.format(training=training, evaluation=evaluation).replace("00:0", "20:0").replace("01/01", "12/31")
    log(tmp_path / "log.txt", 0)
    write(tmp_path / "log.txt", earlier + (tmp_path / "log.txt").read_text(), 75)
    assert [x - NEW_YEAR for x in marks(tmp_path / "log.txt")] == [5, 65, 75]


def test_lines_before_new_year_are_of_the_year_before():
    assert moment("[12/31 23:59:59] x", datetime(2026, 1, 1, 0, 5)) == datetime(2025, 12, 31, 23, 59, 59)
    assert moment("\x1b[32m[01/01 00:00:01] x", datetime(2026, 1, 1, 0, 5)) == datetime(2026, 1, 1, 0, 0, 1)


@pytest.mark.parametrize("words", [("Training, iterations", "nothing"), ("nothing", "Inference: 3 batches")])
def test_a_log_of_half_a_run_is_refused(tmp_path, words):
    log(tmp_path / "log.txt", 0, words)
    with pytest.raises(ValueError, match="expected a training and the evaluation after it"):
        marks(tmp_path / "log.txt")


@pytest.fixture
def folder(tmp_path):
    write(tmp_path / "datasets/a.jpg", "", 0)
    write(tmp_path / "datasets/b/c.jpg", "", 20)
    for number, stage in enumerate(("crops", "initialized", "inet")):
        log(tmp_path / stage / "log.txt", 20 + 75 * number)
        lines = [{"iteration": i, "data_time": t} for i, t in ((19, 0.1), (39, 0.3))]
        (tmp_path / stage / "metrics.json").write_text("\n".join(map(json.dumps, lines)))
    for name, seconds in (("untrained/results.json", 250), ("mean_colour/results.json", 253), ("search.png", 265)):
        write(tmp_path / name, "", seconds)
    return tmp_path


def test_steps_follow_each_other(folder):
    # Scenes 20 s; three stages of 5 + 60 + 10; the last ends at 245, then 5, 3 and 12 s.
    found = list(steps(folder))
    assert [seconds for name, seconds in found if not name.startswith(" ")] == [20, *[5, 60, 10] * 3, 5, 3, 12]
    # 40 iterations that waited for 0.2 s each.
    assert waiting(folder / "inet") == pytest.approx(8)
    lines = table(found).splitlines()
    assert lines[2] == "| scenes | 20.0 | 0.075 |"
    assert lines[5] == "|   of it, waiting for data | 8.0 | 0.030 |"
    assert lines[-1] == "| together | 265.0 | 1 |"


@pytest.mark.parametrize("missing", ["datasets", "inet/log.txt", "search.png"])
def test_what_is_missing_is_named(tool, folder, missing, capsys):
    (folder / missing).rename(folder / "elsewhere")
    assert tool("benchmark").main(["--task", "demo", "--folder", str(folder)]) == 2
    shown = capsys.readouterr().err
    assert "run make demo" in shown
    assert missing in shown
