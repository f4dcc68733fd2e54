"""The short form of `make faults`, and its command line."""

import json

import pytest


def test_short_form(run_script, tmp_path):
    """Killed runs end as others do, broken files end in sentences; a fault is exit code 1."""
    result = run_script(
        "tools/inject_faults.py", "--parts", "kills", "mutations", "--kills", 3, "--mutations", 60, "--warm",
        "--report", tmp_path / "trials.jsonl",
    )  # fmt: skip
    trials = [json.loads(line) for line in (tmp_path / "trials.jsonl").read_text().splitlines()]
    assert len(trials) == 63
    assert [trial["outcome"] for trial in trials[:3]] == ["right result"] * 3
    # Not everything may be taken for right or for an error.
    assert {"documented error", "right result", "cannot tell"} == {trial["outcome"] for trial in trials[3:]}
    assert result.stdout.splitlines()[-1].split("|")[2].strip() == "63"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--kills", "-1"], "--kills: expected 0 or more, found -1"),
        (["--parts", "luck"], "invalid choice: 'luck'"),
    ],
)
def test_arguments_are_checked(tool, words, message, capsys):
    with pytest.raises(SystemExit) as stop:
        tool("inject_faults").main(words)
    assert stop.value.code == 2
    assert message in capsys.readouterr().err


def test_an_output_that_cannot_be_is_refused_first(tool, tmp_path, capsys):
    assert tool("inject_faults").main(["--report", str(tmp_path)]) == 2
    assert "inject_faults: --report: expected the name of a file" in capsys.readouterr().err
