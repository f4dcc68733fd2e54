import json

import pytest


@pytest.fixture
def runs(tmp_path):
    for name, rate in (("inet", 1.0), ("oim", 2.0)):
        (tmp_path / name).mkdir()
        lines = [{"iteration": i, "total_loss": rate * i, "loss_" + name: 1.0, "lr": 0.1} for i in (19, 39, 59)]
        (tmp_path / name / "metrics.json").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return [str(tmp_path / name) for name in ("inet", "oim")]


@pytest.fixture
def module(tool):
    return tool("plot_metrics")


def test_losses_of_two_runs(module, runs, tmp_path, capsys):
    assert module.main([*runs, "--output", str(tmp_path / "a.png"), "--smooth", "2"]) == 0
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    assert "3 scalars of 2 runs" in capsys.readouterr().out


def test_patterns_choose_and_order_the_panels(module):
    runs = {"a": {"lr": 1, "loss_a": 2}, "b": {"lr": 3, "loss_b": 4}}
    assert module.choose_panels(runs, ["lr", "loss_*"]) == {
        "lr": {"a": 1, "b": 3},
        "loss_a": {"a": 2},
        "loss_b": {"b": 4},
    }


def test_names_of_the_scalars(module, runs, capsys):
    assert module.main([*runs, "--list"]) == 0
    assert capsys.readouterr().out.split() == ["loss_inet", "loss_oim", "lr", "total_loss"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--keys", "mAP"], "--keys mAP: expected one of loss_inet, loss_oim, lr, total_loss, found none of them"),
        (["--labels", "a"], "--labels: expected 2 different names, one for each run, found ['a']"),
        (["--labels", "a", "a"], "--labels: expected 2 different names"),
        (["--smooth", "0"], "expected a window of at least 1 value, found 0"),
    ],
)
def test_options_that_do_not_fit_are_one_sentence(module, runs, tmp_path, words, message, capsys):
    assert module.main([*runs, "--output", str(tmp_path / "a.png"), *words]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "a.png").exists()


def test_something_to_do_is_needed(module, runs, capsys):
    with pytest.raises(SystemExit):
        module.main(runs)
    assert "--output or --list: expected one of them" in capsys.readouterr().err
