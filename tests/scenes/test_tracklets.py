import json

import numpy as np
import pytest
from PIL import Image
from scipy.io import loadmat

from inet_d2.data.datasets import load_mars
from inet_d2.data.pids import UNLABELLED
from inet_d2.scenes import tracklets
from inet_d2.scenes.gait import pose_at, sample_gait
from inet_d2.scenes.person import sample_person
from inet_d2.scenes.tracklets import TRACKLET_PRESETS, make_tracklets


@pytest.fixture(scope="module")
def few(tmp_path_factory):
    """A smaller preset than any that is given out, with every tracklet covered for a while."""
    preset = tracklets.TrackletPreset((2, 2), 1, 4, (64, 32), occluded=1.0, stretch=(2, 2))
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(TRACKLET_PRESETS, "few", preset)
        yield make_tracklets(tmp_path_factory.mktemp("few"), "few", seed=3, progress=False)


def test_the_reader_of_mars_reads_all_splits(few):
    train, query, gallery = (load_mars(few, split) for split in ("train", "query", "gallery"))
    assert {r["person_id"] for r in train} == {0, 1}
    assert {r["person_id"] for r in query} == {0, 1}
    assert {r["person_id"] for r in gallery} == {UNLABELLED, 0, 1}
    assert all(len(r["file_names"]) == 4 for r in [*train, *query, *gallery])
    assert {r["image_id"] for r in query} < {r["image_id"] for r in gallery}
    # Each camera that sees somebody gives one query, so each query can be found again by another camera.
    pairs = [(r["person_id"], r["camera_id"]) for r in query]
    assert len(set(pairs)) == len(pairs)
    assert all(sum(p == pid for p, _ in pairs) >= 2 for pid in (0, 1))
    for record in [*train, *gallery]:
        for path in record["file_names"]:
            with Image.open(path) as crop:
                assert crop.size == (32, 64)
            assert f"C{record['camera_id']}T" in path


def test_junk_is_there_as_in_the_real_data(few):
    assert len(list((few / "bbox_test" / "00-1").iterdir())) == 4
    rows = loadmat(few / "info" / "tracks_test_info.mat")["track_test_info"]
    assert (rows[:, 2] == -1).sum() == (rows[:, 2] == 0).sum() == 1
    assert (rows[1:, 0] == rows[:-1, 1] + 1).all()


def test_something_stands_before_the_person_in_two_frames_of_four(few):
    covered = json.loads((few / "occlusions.json").read_text())
    files = sorted(p.name for p in few.glob("bbox_*/*/*.jpg"))
    assert set(covered) <= set(files)
    assert len(covered) == len(files) / 2
    assert all(0.4 < top < 0.7 for top in covered.values())
    # Below the line a covered frame differs more from its uncovered neighbour than above it.
    below, above = [], []
    for name, top in covered.items():
        number = int(name[-7:-4])
        for other in (number - 1, number + 1):
            neighbour = f"{name[:-7]}{other:03d}.jpg"
            if neighbour in files and neighbour not in covered:
                a, b = (np.asarray(Image.open(next(few.glob(f"*/*/{n}"))), float) for n in (name, neighbour))
                line = round(64 * top) + 4
                below.append(np.abs(a - b)[line:].mean())
                above.append(np.abs(a - b)[: line - 8].mean())
    assert np.mean(below) > 1.5 * np.mean(above)


def test_the_bytes_are_a_function_of_the_settings(few, tmp_path, monkeypatch):
    monkeypatch.setitem(
        TRACKLET_PRESETS, "few", tracklets.TrackletPreset((2, 2), 1, 4, (64, 32), occluded=1.0, stretch=(2, 2))
    )
    again = make_tracklets(tmp_path, "few", seed=3, progress=False)
    files = sorted(p.relative_to(few) for p in few.rglob("*") if p.is_file())
    assert files == sorted(p.relative_to(again) for p in again.rglob("*") if p.is_file())
    assert all((few / name).read_bytes() == (again / name).read_bytes() for name in files)
    with pytest.raises(FileExistsError, match="holds scenes of other settings"):
        make_tracklets(tmp_path, "few", seed=4, progress=False)


def test_bad_arguments(tmp_path):
    with pytest.raises(ValueError, match="unknown preset of tracklets 'paper'; choose one of tiny, demo"):
        make_tracklets(tmp_path, "paper")
    with pytest.raises(ValueError, match="seed must be 0 or more"):
        make_tracklets(tmp_path, seed=-1)


@pytest.mark.parametrize("seed", range(6))
def test_a_double_step_ends_where_it_began(seed):
    rng = np.random.default_rng(seed)
    person, gait = sample_person(rng), sample_gait(rng)
    begin, half, end = (pose_at(person, gait, phase) for phase in (0.1, 0.6, 1.1))
    for limbs in ("arms", "legs"):
        assert np.allclose(getattr(begin, limbs), getattr(end, limbs))
    assert not np.allclose(begin.legs, half.legs)
    if gait.view == "side":  # left and right have changed places
        assert np.allclose(begin.legs, half.legs[::-1])
        assert np.allclose(begin.arms, half.arms[::-1])
    assert np.array_equal(begin.head, half.head)
