import pytest


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--task", "score", "--queries", "0"], "--queries: expected at least 1, found 0"),
        (["--task", "score", "--people", "4"], "unrecognized arguments: --people 4"),
        (["--task", "score", "SOLVER.MAX_ITER", "4"], "unrecognized arguments: SOLVER.MAX_ITER 4"),
        (["--task", "train", "--people", "1"], "--people: expected at least 2, found 1"),
        (["--task", "train", "--repetitions", "0"], "--repetitions: expected at least 1, found 0"),
        (["--task", "nothing"], "invalid choice: 'nothing'"),
        ([], "the following arguments are required: --task"),
    ],
)
def test_arguments_are_checked(tool, words, message, capsys):
    with pytest.raises(SystemExit) as stop:
        tool("benchmark").main(words)
    assert stop.value.code == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [
        [],
        *(["--task", name] for name in ("score", "train", "memory", "descriptors", "data", "two_step", "heads", "gpu")),
    ],
)
def test_help_of_the_tool_and_of_each_task_shows_examples(tool, words, capsys):
    with pytest.raises(SystemExit) as stop:
        tool("benchmark").main([*words, "--help"])
    assert stop.value.code == 0
    shown = capsys.readouterr().out
    assert " ".join(["python tools/benchmark.py", *words]) in shown
    assert ("--people" in shown) == (words[-1:] in (["train"], ["memory"], ["data"], ["gpu"]))


def test_every_task_is_listed(tool, capsys):
    module = tool("benchmark")
    with pytest.raises(SystemExit):
        module.main(["--help"])
    shown = capsys.readouterr().out
    assert all(f"{name} " in shown and meaning in shown for name, meaning in module.TASKS.items())


def test_errors_of_the_user_are_one_sentence(tool, capsys):
    assert tool("benchmark").main(["--task", "memory", "--of", "I-Net", "--config-file", "nowhere.yaml"]) == 2
    assert "benchmark: nowhere.yaml: cannot read this configuration file" in capsys.readouterr().err
