import json

import pytest
import torch

from places import config_path

CONFIG = str(config_path("quick_schedules/inet_instant_test.yaml"))


@pytest.fixture
def module(tool, tiny_datasets):
    return tool("measure_drift")


def test_it_trains_and_measures(module, tmp_path, capsys):
    path = tmp_path / "new/drift.json"
    words = ["--config-file", CONFIG, "--iterations", "4", "--every", "2", "--json", str(path), "MODEL.WEIGHTS", ""]
    assert module.main(words) == 0
    rows = json.loads(path.read_text())
    assert [row["iteration"] for row in rows] == [2, 4]
    assert all(row["drift"] > 0 for row in rows)
    assert all(0 <= row["rank1"] <= 1 for row in rows)
    lines = capsys.readouterr().out.splitlines()
    assert lines[-3].split() == ["iteration", *module.COLUMNS]
    assert lines[-1].split()[1] == f"{rows[-1]['drift']:.3f}"


def test_a_rate_of_nothing_moves_nothing(module, tmp_path):
    path = tmp_path / "drift.json"
    words = ["--config-file", CONFIG, "--iterations", "1", "--every", "1", "--json", str(path)]
    assert module.main([*words, "MODEL.WEIGHTS", "", "SOLVER.BASE_LR", "1e-30", "SOLVER.WEIGHT_DECAY", "0.0"]) == 0
    (row,) = json.loads(path.read_text())
    assert row["drift"] == pytest.approx(0, abs=1e-6)
    assert row["loss_now"] == row["loss_stored"]


def test_the_model_is_left_in_its_mode(module):
    class Model(torch.nn.Module):
        def forward(self, inputs):
            assert not self.training
            return [{"instances": type("Found", (), {"pred_embeddings": torch.eye(3)})}]

    model = Model().train()
    meter = module.DriftMeter(model, [{}], torch.tensor([0, -1, 0]), every=1, scale=1.0)
    assert meter._embed().tolist() == torch.eye(3)[[0, 2]].tolist()
    assert model.training


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--every", "5", "--iterations", "4"], "--every: expected 1 to 4 (--iterations), found 5"),
        (["MODEL.WEIGHTS", "none.pth"], "MODEL.WEIGHTS: no file none.pth"),
        (
            ["--frames", "1", "--iterations", "1", "--every", "1", "MODEL.WEIGHTS", ""],
            "expected people with two regions",
        ),
    ],
)
def test_input_that_does_not_fit_is_one_sentence(module, words, message, capsys):
    assert module.main(["--config-file", CONFIG, *words]) == 2
    assert message in capsys.readouterr().err.splitlines()[-1]
