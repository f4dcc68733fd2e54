import re
from types import SimpleNamespace

import pytest

from benchmarks import parts
from benchmarks.parts import BACKWARD, Parts, table, watched_step
from benchmarks.whole_steps import KINDS, Subjects


@pytest.fixture(scope="module")
def found(tiny):
    options = SimpleNamespace(clock="wall", precision="float32", people=3, device=None, opts=[])
    subjects = Subjects(options)
    return {kind: watched_step(subjects.get(tiny, kind), options)() for kind in KINDS}


def test_a_part_within_another_counts_for_itself():
    ticks = iter([0.0, 1.0, 4.0, 10.0, 20.0, 21.0])
    timed = Parts(lambda: next(ticks))
    inner = timed.timed("inner", lambda: None)
    timed.timed("outer", inner)()
    inner()
    # The outer call lasts 10 seconds, 3 of them in the inner one; the second inner call lasts 1.
    assert timed.seconds == {"outer": 7.0, "inner": 4.0}


def test_a_part_that_fails_is_left():
    timed = Parts(iter(range(10)).__next__)
    with pytest.raises(ZeroDivisionError):
        timed.timed("a", lambda: 1 / 0)()
    assert timed._inside == [1]


def test_all_parts_of_a_step_are_seen(found):
    only = {"identity losses", "embedding"}
    assert set(found["as configured"]) - set(found["Faster R-CNN"]) == only
    assert {"backbone", "proposals and their losses", "pooling", "heads", "optimiser", BACKWARD} <= set(found[KINDS[1]])
    assert all(min(x.values()) > 0 for x in found.values())


def test_table_by_hand():
    times = {"a": [{"x": 0.001, "y": 0.003}, {"x": 0.003, "y": 0.006}], "b": [{"y": 0.004}]}
    # Medians of a: x 2 ms, y 4.5 ms.
    assert table(times).splitlines() == [
        "| part | a ms | share | b ms | share |",
        "|---|---:|---:|---:|---:|",
        "| y | 4.50 | 0.692 | 4.00 | 1.000 |",
        "| x | 2.00 | 0.308 |  |  |",
        "| together | 6.50 | 1 | 4.00 | 1 |",
    ]


def test_the_task_prints_its_table(tool, tiny, capsys, monkeypatch):
    monkeypatch.setattr(
        parts, "in_turn", lambda calls, n: {kind: [call() for _ in range(n)] for kind, call in calls.items()}
    )
    words = ["--config-file", str(tiny), "--repetitions", "1", "--people", "3"]
    assert tool("benchmark").main(["--task", "parts", *words]) == 0
    assert re.search(r"^\| backbone \| [\d.]+ \| 0\.\d{3} \| [\d.]+ \| 0\.\d{3} \|$", capsys.readouterr().out, re.M)
