import re

import pytest


def test_a_crop_more_costs_its_row_and_no_second_copy(tool, capsys):
    assert tool("benchmark").main(["--task", "two_step", "--crops", "400", "--configs", "bow_cosine"]) == 0
    shown = capsys.readouterr().out
    assert re.search(r"\| bow_cosine \| 1600 \| \d+ \| \d+ \|", shown)
    ((fit, gallery),) = re.findall(r"\| bow_cosine \| (\d+,\d+) \| (\d+,\d+) \|", shown)
    # 5,600 numbers of 4 bytes, and Python's own objects for boxes and records
    for found in (fit, gallery):
        assert 22400 <= int(found.replace(",", "")) < 1.1 * 22400


def test_too_few_crops_are_refused(tool, capsys):
    assert tool("benchmark").main(["--task", "two_step", "--crops", "399"]) == 2
    assert "--crops: expected at least 400" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["lomo", "acf"])
def test_other_configurations_are_refused(tool, capsys, name):
    with pytest.raises(SystemExit):
        tool("benchmark").main(["--task", "two_step", "--configs", name])
    assert f"invalid choice: '{name}'" in capsys.readouterr().err
