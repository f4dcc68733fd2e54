import re
from types import SimpleNamespace

from benchmarks import export


def test_each_runtime_is_timed_beside_the_model(tiny, capsys):
    options = SimpleNamespace(
        config_file=str(tiny),
        opts=["MODEL.WEIGHTS", ""],
        weights=None,
        format=["torchscript"],
        repetitions=2,
        clock="wall",
    )
    export.run(options)
    shown = capsys.readouterr().out
    assert "noise of 160 x 120" in shown
    assert re.search(r"^image -> \d+ people$", shown, re.M)
    assert shown.count("| model |") == shown.count("| torchscript |") == 2
    assert re.findall(r"^\| model \| [\d.]+ \| (.*) \|$", shown, re.M) == ["1.000 (1.000 to 1.000)"] * 2
