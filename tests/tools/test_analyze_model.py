import json

import pytest

from places import config_path

CONFIG = config_path("quick_schedules/inet_instant_test.yaml")


@pytest.fixture(scope="module")
def module(tool):
    return tool("analyze_model")


def test_parts_add_up_and_a_convolution_has_the_known_cost(module, tmp_path, capsys):
    path = tmp_path / "new" / "cost.json"
    assert module.main(["--config-file", CONFIG, "--size", "64", "96", "--depth", "3", "--json", str(path)]) == 0
    found = json.loads(path.read_text())
    assert found["size"] == [64, 96]
    parts = found["parts"]
    for kind in ("parameters", "trainable", "flops", "activations"):
        assert parts[""][kind] == sum(counts[kind] for name, counts in parts.items() if name and "." not in name)
    # The first stack at an eighth of its width: 3 -> 8 -> 8 channels, 3 x 3, at full size, each with a batch norm.
    # Weights 8 * 27 + 8 * 72 = 792, multiply-adds 792 for each pixel; outputs 16 for each pixel.
    stack = parts["backbone.stack1"]
    assert stack["parameters"] >= 792
    assert stack["flops"] >= 792 * 64 * 96
    assert stack["activations"] == 16 * 64 * 96
    shown = capsys.readouterr().out
    assert f"One image of 64 x 96 pixels, {found['detections']} detections." in shown
    assert "| roi_heads.reid_head " in shown


def test_depth_one_has_the_main_parts(module, capsys):
    assert module.main(["--config-file", CONFIG, "--size", "64", "96", "--depth", "1"]) == 0
    names = [line.split()[1] for line in capsys.readouterr().out.splitlines() if line.startswith("| ")][2:]
    assert names == ["whole", "backbone", "proposal_generator", "roi_heads"]


def test_the_first_stage_gets_a_crop(module, capsys):
    assert module.main(["--config-file", config_path("quick_schedules/crops_instant_test.yaml")]) == 0
    assert "One image of 48 x 24 pixels, 1 detections." in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--size", "0", "9"], "--size: expected a height and a width of at least 1 pixel, found 0 9"),
        (["--depth", "0"], "--depth: expected at least 1, found 0"),
        (["MODEL.NO", "1"], "command line: "),
    ],
)
def test_input_that_does_not_fit_is_one_sentence(module, words, message, capsys):
    assert module.main(["--config-file", CONFIG, *words]) == 2
    assert message in capsys.readouterr().err.splitlines()[-1]
