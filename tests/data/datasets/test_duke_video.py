import pytest

from inet_d2.data.datasets import load_duke_video


def write(root, names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"")


@pytest.mark.parametrize(
    "style", ["{pid:04d}_C{camera}_F{frame:04d}_X30823.jpg", "{pid:04d}C{camera}F{frame:04d}X30823.jpg"]
)
def test_both_ways_of_naming_and_tracklets_without_a_first_frame(tmp_path, style):
    for split, pid, tracklet, camera, frames in (
        ("query", 7, 3, 6, (2, 10, 3)),
        ("gallery", 7, 4, 8, (1, 2)),
        ("gallery", 2, 1, 1, (1,)),
    ):
        write(
            tmp_path,
            [f"{split}/{pid:04d}/{tracklet:04d}/" + style.format(pid=pid, camera=camera, frame=f) for f in frames],
        )
    (query,) = load_duke_video(tmp_path, "query")
    assert (query["person_id"], query["camera_id"], query["image_id"]) == (0, 6, "query/0007/0003")
    frames = [path.split("/")[-1].replace("_", "").split("F")[1][:4] for path in query["file_names"]]
    assert frames == ["0002", "0003", "0010"]
    # Person 2 is searched by nobody and comes after those who are.
    assert [(r["person_id"], r["camera_id"]) for r in load_duke_video(tmp_path, "gallery")] == [(1, 1), (0, 8)]


def test_what_does_not_fit_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="train does not exist"):
        load_duke_video(tmp_path, "train")
    write(tmp_path, ["train/0001/0001/holiday.jpg"])
    with pytest.raises(ValueError, match=r"expected crops named as 0001_C6_F0099_X30823.jpg, found holiday.jpg"):
        load_duke_video(tmp_path, "train")
    write(tmp_path, ["train/people/0001/0001_C6_F0001_X1.jpg"])
    with pytest.raises(ValueError, match="expected folders named by ids, found people"):
        load_duke_video(tmp_path, "train")
