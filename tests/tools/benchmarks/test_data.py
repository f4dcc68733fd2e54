import re

from detectron2.data import DatasetCatalog

from places import ROOT


def test_data_prints_its_ratios_and_leaves_no_data_set(tool, capsys):
    before = set(DatasetCatalog.list())
    words = ["--frames", "3", "--size", "97", "61", "--people", "3", "--repetitions", "2"]
    tiny = ROOT / "configs/quick_schedules"
    words += ["--workers", "1", "--config-file", str(tiny / "inet_instant_test.yaml")]
    words += ["--crop-config", str(tiny / "crops_instant_test.yaml")]
    assert tool("benchmark").main(["--task", "data", *words]) == 0
    shown = capsys.readouterr().out
    loaders = [name + way for name in ("image of a pair", "single image") for way in ("", ", fast")]
    for name in ("read a frame into an array", "crop", "crop, kept", *loaders, "training step, crop"):
        assert re.search(rf"\| {name} \| \d+\.\d\d \| \d+\.\d{{3}} \(", shown)
    for name in loaders:
        assert re.search(rf"\| {name} \| \d+ \| \d\.\d\d \|", shown)
    assert re.search(r"\| decode a frame \| \d+ \| 1\.00 \|", shown)
    assert "| 1.000 (1.000 to 1.000) |" in shown
    assert re.search(r"share of the first stage that is loading: 0\.\d{3}, with kept crops 0\.\d{3}", shown)
    assert set(DatasetCatalog.list()) == before
