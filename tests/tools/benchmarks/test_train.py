import re

from benchmarks import train


def test_table_of_times():
    times = {"a": [[0.001, 0.002, 0.003]], "b": [[0.004, 0.004, 0.001]]}
    lines = train.time_table(times, "a").splitlines()
    assert lines[0] == "| step | forward ms | backward ms | optimiser ms | together ms | ratio (quartiles) |"
    assert lines[3] == "| b | 4.00 | 4.00 | 1.00 | 9.00 | 1.500 (1.500 to 1.500) |"


def test_times_are_printed_for_every_step(options, capsys):
    train.measure_time(options)
    shown = capsys.readouterr().out
    assert "two frames of 160 x 120" in shown
    for name in ("Faster R-CNN", "I-Net", "HEP 20", "HEP 40", "HEP 20 dense", "HEP 40 dense"):
        assert re.search(rf"^\| {name} \| [\d.]+ \| .* \| \d\.\d{{3}} \([\d.]+ to [\d.]+\) \|$", shown, re.M), name
