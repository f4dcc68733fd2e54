import logging
from pathlib import Path

import pytest

from inet_d2.data.datasets import reading


def test_contents_come_in_the_order_of_the_paths_and_progress_is_logged(monkeypatch, caplog):
    monkeypatch.setattr(reading, "_PROGRESS_SECONDS", -1.0)
    paths = [Path(str(number)) for number in range(200)]
    with caplog.at_level(logging.INFO):
        found = reading.read_files(lambda path: int(path.name) ** 2, paths, what="numbers", threads=3)
    assert found == [number**2 for number in range(200)]
    assert caplog.messages[-1] == "read 200 of 200 numbers"


def test_what_reading_raises_reaches_the_caller():
    with pytest.raises(FileNotFoundError, match="nowhere"):
        reading.read_files(lambda path: path.read_text(), [Path("/nowhere")], what="texts", threads=1)
