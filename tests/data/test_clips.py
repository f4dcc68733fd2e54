import numpy as np
import pytest
import torch
from PIL import Image

from inet_d2.data import ClipMapper, TrackletDataset
from inet_d2.engine import load_config
from places import config_path


@pytest.fixture
def records(tmp_path):
    """Person 0 has tracklets of 6 and 2 frames, person 1 one of a single frame; a frame's grey says which it is."""
    found = []
    for number, (pid, frames) in enumerate([(1, 1), (0, 6), (0, 2)]):
        paths = [str(tmp_path / f"{number}_{k}.png") for k in range(frames)]
        for k, path in enumerate(paths):
            picture = np.full((8, 4, 3), 40 * number + 5 * k, np.uint8)
            picture[:, 0] = 255
            Image.fromarray(picture).save(path)
        found.append({"file_names": paths, "image_id": f"t{number}", "person_id": pid, "camera_id": number})
    return found


def mapper(**other):
    fixed = {"size": (8, 4), "num_frames": 4, "num_clips": 3, "flip_prob": 0.0, "image_format": "BGR"}
    return ClipMapper(**{**fixed, **other})


def greys(frames):
    return frames[:, 0, 0, 2].tolist()


def test_one_item_for_each_identity(records):
    dataset = TrackletDataset(records)
    assert [(item["pid"], [r["image_id"] for r in item["tracklets"]]) for item in (dataset[0], dataset[1])] == [
        (0, ["t1", "t2"]),
        (1, ["t0"]),
    ]
    assert len(dataset) == 2


def test_clips_take_different_tracklets_and_different_frames_in_order(records):
    np.random.seed(0)  # noqa: NPY002
    for _ in range(10):
        clips = mapper()(TrackletDataset(records)[0])
        names = [clip["image_id"] for clip in clips]
        assert set(names[:2]) == {"t1", "t2"}
        for clip in clips:
            shown = greys(clip["frames"])
            assert clip["frames"].shape == (4, 3, 8, 4)
            assert clip["frames"].dtype == torch.uint8
            assert shown == sorted(shown)
            # Four of six are all different; two frames come twice each.
            assert len(set(shown)) == (4 if clip["image_id"] == "t1" else 2)
            assert clip["pid"] == 0
            assert clip["camera_id"] == int(clip["image_id"][1])


def test_a_single_frame_is_repeated(records):
    assert greys(mapper()(TrackletDataset(records)[1])[0]["frames"]) == [0, 0, 0, 0]


def test_a_clip_is_mirrored_as_a_whole(records):
    clip = mapper(flip_prob=1.0)(TrackletDataset(records)[1])[0]["frames"]
    assert (clip[:, :, :, 3] == 255).all()
    assert (clip[:, :, :, 0] == 0).all()


def test_testing_takes_all_frames_in_order_without_chance(records):
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    whole = mapper(flip_prob=1.0).whole(records[1])
    assert greys(whole["frames"]) == [40, 45, 50, 55, 60, 65]
    assert whole["image_id"] == "t1"
    assert "file_names" not in whole
    assert (np.random.get_state()[1] == state).all()  # noqa: NPY002


@pytest.mark.parametrize(
    ("count", "shown"), [(1, [55]), (2, [45, 60]), (3, [45, 55, 65]), (6, [40, 45, 50, 55, 60, 65])]
)
def test_testing_may_look_at_fewer_frames(records, count, shown):
    # Six frames in as many equal parts: the middle of each.
    assert greys(mapper(test_frames=count).whole(records[1])["frames"]) == shown
    assert greys(mapper(test_frames=9).whole(records[2])["frames"]) == [80, 85]


def test_crops_of_any_size_become_one_size(records):
    assert mapper(size=(16, 16)).whole(records[1])["frames"].shape == (6, 3, 16, 16)
    assert mapper(size=(4, 2)).whole(records[1])["frames"].shape == (6, 3, 4, 2)


def test_settings_and_bad_settings(records):
    cfg = load_config(config_path("MARS/sta_r50.yaml"))
    made = ClipMapper(cfg)
    assert (made.size, made.num_frames, made.num_clips, made.flip_prob) == ((256, 128), 4, 4, 0.5)
    with pytest.raises(ValueError, match=r"INPUT\.CLIP: expected SIZE, FRAMES and PER_IDENTITY of at least 1"):
        mapper(num_frames=0)
    with pytest.raises(FileNotFoundError, match=r"none.png is missing"):
        mapper().whole({**records[0], "file_names": ["none.png"]})
