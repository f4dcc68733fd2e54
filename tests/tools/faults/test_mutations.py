import numpy as np
import pytest

from faults.child import ask
from faults.mutations import classify
from faults.outcome import Outcome
from faults.targets import WrongFigureError, make_targets


def wrong():
    raise WrongFigureError("similarity of 50")


@pytest.mark.parametrize(
    ("function", "arguments", "tells", "outcome"),
    [
        (str, ("right",), True, Outcome.RIGHT),
        (str, ("other",), True, Outcome.WRONG),
        (str, ("other",), False, Outcome.UNTOLD),
        (wrong, (), False, Outcome.WRONG),
        (open, ("nowhere",), True, Outcome.DOCUMENTED),
        (int, ("x",), True, Outcome.CRASH),
    ],
)
def test_what_an_answer_is(function, arguments, tells, outcome):
    assert classify(ask(function, *arguments), "right", tells=tells) is outcome


def test_every_kind_of_file_is_read_the_same_twice(tmp_path):
    rows = make_targets(tmp_path, 0)
    assert [row[0].row for row in rows] == [
        ".mat, CUHK-SYSU", ".mat, PRW", "JPEG", ".npz", "checkpoint", "yaml", "index",
    ]  # fmt: skip
    for row in rows:
        target = row[0]
        assert target.read() == target.read()
        if target.change_within:
            sound = target.path.read_bytes()
            assert any(target.change_within(sound, np.random.default_rng(seed)) != sound for seed in range(5))
