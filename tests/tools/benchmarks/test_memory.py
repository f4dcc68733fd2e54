import json

import pytest

from benchmarks import memory


def test_memory_of_a_step(options):
    found = memory.memory_of("HEP 5000", options)
    # 5,001 rows of 16 numbers, the same again twice for AdamW's averages; and the dictionary.
    rows = 5001 * 16 * 4 / 2**20
    assert found["weights"] == pytest.approx(rows, rel=0.1)
    assert found["optimiser"] == pytest.approx(2 * rows, rel=0.1)
    assert found["together"] == pytest.approx(found["weights"] + found["optimiser"] + found["working"])


def test_memory_table(options, monkeypatch, capsys):
    asked = []

    def child(command, env):
        name = command[command.index("--of") + 1]
        asked.append(name)
        return json.dumps(
            {"weights": 1, "optimiser": 2, "working": 3 * len(asked), "together": 6 * len(asked)}
        ).encode()

    monkeypatch.setattr(memory.subprocess, "check_output", child)
    memory.measure(options)
    assert asked == ["Faster R-CNN", "I-Net", "HEP 20", "HEP 40"]
    lines = capsys.readouterr().out.splitlines()
    assert lines[4] == "| I-Net | 1 | 2 | 6 | 12 | 2.000 | 2.000 |"
    assert lines[6] == "| HEP 40 | 1 | 2 | 12 | 24 | 1.333 | 1.333 |"


def test_the_child_prints_its_memory(tool, tiny, capsys):
    words = ["--of", "HEP 20", "--config-file", str(tiny), "SOLVER.CLIP_GRADIENTS.ENABLED", "False"]
    assert tool("benchmark").main(["--task", "memory", *words]) == 0
    assert set(json.loads(capsys.readouterr().out)) == {"weights", "optimiser", "working", "together"}
