"""The Python example of docs/search.md runs."""

import re
import shutil
from pathlib import Path

from places import ROOT

DOCUMENT = ROOT / "docs/search.md"


def test_the_example_runs(photos, colour_model, make, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for source, name in zip(colour_model, ("model.yaml", "weights.pth"), strict=True):
        shutil.copy(source, tmp_path / name)
    make.write(tmp_path / "somebody.png", None, make.blue)
    (block,) = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(), re.S)
    exec(compile(block, str(DOCUMENT), "exec"), {})
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "5 files, 5 people"
    assert lines[1].split()[-1] == "None"
    assert {Path(line.split()[0]).name for line in lines[1:3]} == {"blue.png", "both.png"}
