import os

import pytest

from inet_d2.scenes import generate, make_scenes
from inet_d2.scenes.generate import SETTINGS_FILE


def contents(root):
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def test_bytes_do_not_depend_on_processes(tmp_path, scenes_root):
    again = make_scenes(tmp_path, "tiny", seed=3, processes=2, progress=False)
    assert contents(again) == contents(scenes_root)


def test_other_seed_other_pictures(tmp_path, scenes_root):
    other = make_scenes(tmp_path, "tiny", seed=4, progress=False)
    assert (other / "Image/SSM/s1.jpg").read_bytes() != (scenes_root / "Image/SSM/s1.jpg").read_bytes()


def test_a_finished_data_set_is_kept(tmp_path, monkeypatch):
    root = make_scenes(tmp_path, "tiny", progress=False, frames=(6, 6), ids=(3, 2))
    monkeypatch.setattr(generate, "plan_scenes", lambda *_: pytest.fail("drawn again"))
    assert make_scenes(tmp_path, "tiny", progress=False, frames=(6, 6), ids=(3, 2)) == root
    with pytest.raises(FileExistsError, match=r"other settings .*--force"):
        make_scenes(tmp_path, "tiny", seed=1, progress=False, frames=(6, 6), ids=(3, 2))


def test_force_makes_other_settings(tmp_path):
    root = make_scenes(tmp_path, "tiny", progress=False, frames=(6, 6), ids=(3, 2))
    before = contents(root)
    make_scenes(tmp_path, "tiny", seed=1, force=True, progress=False, frames=(6, 6), ids=(3, 2))
    assert contents(root) != before
    assert [p.name for p in tmp_path.iterdir()] == ["CUHK-SYSU"]


def test_a_folder_that_was_not_generated_is_never_removed(tmp_path):
    real = tmp_path / "CUHK-SYSU" / "Image"
    real.mkdir(parents=True)
    with pytest.raises(FileExistsError, match="was not generated"):
        make_scenes(tmp_path, "tiny", force=True, progress=False)
    assert real.is_dir()


def test_an_interrupted_run_leaves_nothing(tmp_path, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(generate, "write_annotations", interrupted)
    with pytest.raises(KeyboardInterrupt):
        make_scenes(tmp_path, "tiny", progress=False, frames=(6, 6), ids=(3, 2))
    assert os.listdir(tmp_path) == []


def test_a_failed_remake_leaves_the_old_one(tmp_path, monkeypatch):
    root = make_scenes(tmp_path, "tiny", progress=False, frames=(6, 6), ids=(3, 2))
    before = contents(root)

    def full(*_):
        raise OSError("disk full")

    monkeypatch.setattr(generate, "write_annotations", full)
    with pytest.raises(OSError, match="disk full"):
        make_scenes(tmp_path, "tiny", seed=1, force=True, progress=False, frames=(6, 6), ids=(3, 2))
    assert contents(root) == before
    assert (root / SETTINGS_FILE).is_file()


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"seed": -1}, "seed must be 0 or more, found -1"), ({"processes": 0}, "processes must be 1 or more, found 0")],
)
def test_bad_arguments_are_refused_before_anything_is_written(tmp_path, changes, message):
    with pytest.raises(ValueError, match=message):
        make_scenes(tmp_path / "new", "tiny", progress=False, **changes)
    assert not (tmp_path / "new").exists()
