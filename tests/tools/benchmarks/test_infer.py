import re

from benchmarks import infer


def test_images_a_second_and_their_ratio(tool, tiny, capsys, monkeypatch):
    # Calls of I-Net take 0.5 s, those of Faster R-CNN 0.4 s: 0.8 times as many images a second.
    times = {"as configured": [[0.5]] * 3, "Faster R-CNN": [[0.4]] * 3}
    calls = {}

    def in_turn(steps, repetitions):
        for name, step in steps.items():
            step()
            calls[name] = calls.get(name, 0) + 1
        return times

    monkeypatch.setattr(infer, "in_turn", in_turn)
    words = ["--config-file", str(tiny), "--batches", "1", "3", "--clock", "cpu"]
    assert tool("benchmark").main(["--task", "infer", *words]) == 0
    shown = capsys.readouterr().out
    assert "160 x 120, 20 proposals" in shown
    assert "| 1 | 2.50 | 2.00 | 0.800 (0.800 to 0.800) |" in shown
    assert re.search(r"^\| 3 \| 7\.50 \| 6\.00 \| 0\.800", shown, re.M)
    assert calls == {"as configured": 2, "Faster R-CNN": 2}
