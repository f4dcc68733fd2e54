import re


def test_every_descriptor_beside_resizing(tool, capsys):
    words = ["--task", "descriptors", "--crops", "4", "--repetitions", "2", "--clock", "cpu"]
    assert tool("benchmark").main(words) == 0
    shown = capsys.readouterr().out
    for name in ("BagOfWords", "DenseColourSift", "LOMO"):
        (found,) = re.findall(
            rf"{name} +(\d+) crops a second, +(\d+) \((\d+) to (\d+)\) times as long as resizing", shown
        )
        speed, middle, low, high = map(int, found)
        assert speed > 0
        assert 1 <= low <= middle <= high
