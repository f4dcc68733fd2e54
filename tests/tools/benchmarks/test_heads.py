import re

import pytest
import torch

from benchmarks import heads
from inet_d2.engine import INetTrainer, load_config
from places import config_path

CONFIGS = [config_path(f"quick_schedules/{name}_instant_test.yaml") for name in ("inet", "seqnet")]
QUICK = ["--scenes", "2", "--repetitions", "1"]


def test_table_has_the_first_as_one_and_fewer_images_for_more_seconds():
    # 2 s against 4 s: half the images. Training: (1 + 1) s against (1 + 0.6) s: 2 / 1.6 = 1.25 times the images.
    costs = {
        "a": heads.Cost(1_500_000, 2.5e9, 3.0, searching=[[2.0]], training=[[1.0, 1.0]]),
        "b": heads.Cost(2_000_000, 3e9, 4.5, searching=[[4.0]], training=[[1.0, 0.6]]),
    }
    lines = heads.cost_table(costs).splitlines()
    assert lines[2] == "| a | 1.500 | 2.500 | 3.0 | 1.000 (1.000 to 1.000) | 1.000 (1.000 to 1.000) |"
    assert lines[3] == "| b | 2.000 | 3.000 | 4.5 | 0.500 (0.500 to 0.500) | 1.250 (1.250 to 1.250) |"


def test_configurations_are_measured_with_given_weights(tool, tmp_path, capsys):
    paths, parameters = [], []
    for number, config in enumerate(CONFIGS):
        torch.manual_seed(number)
        model = INetTrainer.build_model(load_config(config))
        parameters.append(sum(p.numel() for p in model.parameters()))
        # exp(-200) is 0 in float32: no score exceeds the threshold of 0, and so there are no detections.
        torch.nn.init.zeros_(model.roi_heads.box_predictor.cls_score.weight)
        model.roi_heads.box_predictor.cls_score.bias.data = torch.tensor([-100.0, 100.0])
        paths.append(str(tmp_path / f"{number}.pth"))
        torch.save({"model": model.state_dict()}, paths[-1])
    words = ["--task", "heads", "--config-file", *CONFIGS, *QUICK, "--weights", *paths]
    assert tool("benchmark").main(words) == 0
    shown = capsys.readouterr().out
    assert "2 scenes searched with given weights" in shown
    for config, number in zip(("inet", "seqnet"), parameters, strict=True):
        assert re.search(rf"^\| {config}_instant_test \| {number / 1e6:.3f} \| \d+\.\d{{3}} \| 0\.0 \| \d", shown, re.M)
    assert re.search(r"inet_instant_test: \d+\.\d\d images a second searching, \d+\.\d\d in training", shown)


def test_multiply_adds_grow_with_the_image():
    small, large = (
        heads.count(heads.searching_model(cfg, ""), heads.scenes(cfg, 1))
        for cfg in (load_config(CONFIGS[0], ["INPUT.MIN_SIZE_TEST", side]) for side in ("60", "120"))
    )
    assert small[0] == large[0]
    assert small[1] < large[1]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["--config-file", CONFIGS[0], CONFIGS[0]],
            "--config-file: expected files of different names, found inet_inst",
        ),
        (
            ["--config-file", *CONFIGS, "--weights", "a.pth"],
            "--weights: expected one file for each of 2 configurations",
        ),
        (["--config-file", CONFIGS[0], "--weights", "nowhere.pth"], "nowhere.pth"),
    ],
)
def test_arguments_that_do_not_fit_are_one_sentence(tool, words, message, capsys):
    assert tool("benchmark").main(["--task", "heads", *words]) == 2
    assert message in capsys.readouterr().err.splitlines()[-1]
