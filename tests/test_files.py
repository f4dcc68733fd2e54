import pytest

from inet_d2.files import written_aside


def test_the_file_is_there_when_the_block_ends(tmp_path):
    path = tmp_path / "a.json"
    with written_aside(str(path)) as aside:
        aside.write_text("new")
        assert aside.suffix == ".json"
        assert not path.exists()
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_failure_leaves_the_older_file(tmp_path):
    path = tmp_path / "a.json"
    path.write_text("old")

    def write_half():
        with written_aside(path) as aside:
            aside.write_text("half")
            raise RuntimeError("half")

    with pytest.raises(RuntimeError, match="half"):
        write_half()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
