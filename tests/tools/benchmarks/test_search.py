import re

import pytest


def test_search_prints_its_ratios(tool, capsys):
    arguments = ["--people", "1500", "--size", "16", "--queries", "3", "--kills", "1", "--images", "2"]
    assert tool("benchmark").main(["--task", "search", *arguments]) == 0
    shown = capsys.readouterr().out
    assert "recall of the best 10: 1.0000" in shown
    for name in ("all people", "one source", "a tenth of the time"):
        assert re.search(rf"{name}: \d+\.\d\d times the product with top-10", shown)
    assert "acknowledged rows lost: 0" in shown
    assert re.search(r"indexing: \d+\.\d\d times the images a second", shown)


def test_sizes_are_checked(tool, capsys):
    with pytest.raises(SystemExit):
        tool("benchmark").main(["--task", "search", "--people", "0"])
    assert "expected at least 1" in capsys.readouterr().err
