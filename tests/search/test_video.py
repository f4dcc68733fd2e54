"""Videos: frames by their own times, upright, broken ones reported, unchanged frames skipped, stopped runs go on."""

from fractions import Fraction

import numpy as np
import pytest

from inet_d2.search import Indexer, IndexSettings, Where, list_files, open_store
from inet_d2.search.source_picture import picture_of as stored_picture
from inet_d2.search.video import VideoReader

av = pytest.importorskip("av", reason="videos need PyAV: pip install av")
TICK = 1000  # time base 1/1000 s


@pytest.fixture
def store(tmp_path):
    with open_store(str(tmp_path / "an.index"), create=True) as store:
        yield store


def write_video(path, frames, codec="mpeg4"):
    """Write (seconds, (H, W, 3) RGB) frames with just these times."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25)
        stream.height, stream.width = frames[0][1].shape[:2]
        stream.pix_fmt, stream.bit_rate = "yuv420p", 4_000_000
        stream.time_base = stream.codec_context.time_base = Fraction(1, TICK)
        for seconds, picture in frames:
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            frame.pts, frame.time_base = round(seconds * TICK), Fraction(1, TICK)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def grey(level, size=(64, 96)):
    return np.full((*size, 3), level, np.uint8)


UNEVEN = [0.0, 0.1, 0.4, 0.5, 1.7, 1.8, 3.0, 3.1, 3.2, 4.9]  # variable frame rate


def test_times_are_those_of_the_file(tmp_path):
    path = write_video(tmp_path / "v.mkv", [(t, grey(20 + 20 * i)) for i, t in enumerate(UNEVEN)])
    with VideoReader(path) as video:
        assert (video.width, video.height) == (96, 64)
        every = list(video.frames(1000))
        np.testing.assert_allclose([t for t, _ in every], UNEVEN, atol=2e-3)
        # the first frame of each half second that has one
        np.testing.assert_allclose([t for t, _ in video.frames(2)], [0.0, 0.5, 1.7, 3.0, 4.9], atol=2e-3)
        np.testing.assert_allclose([t for t, _ in video.frames(2, begin=1.75)], [1.8, 3.0, 4.9], atol=2e-3)
        for t, level in ((1.7, 100), (1.75, 100), (3.05, 140), (0.0, 20), (99.0, 200)):
            assert abs(int(np.median(video.frame_at(t))) - level) <= 6, t


def test_a_turned_video_is_upright(tmp_path, embedder, store, make):
    lying = np.rot90(make.picture(make.red))  # what a phone records when it is held upright
    path = write_video(tmp_path / "v.mp4", [(t / 4, lying) for t in range(8)])
    content = path.read_bytes()
    place = content.index(b"tkhd") + 4 + 40  # the 3 x 3 display matrix of the track
    turned = b"".join(
        n.to_bytes(4, "big", signed=True) for n in (0, 0x10000, 0, -0x10000, 0, 0, 96 << 16, 0, 0x40000000)
    )
    path.write_bytes(content[:place] + turned + content[place + 36 :])
    with VideoReader(path) as video:
        assert (video.width, video.height) == (96, 64)
        assert np.abs(video.frame_at(0).astype(int) - make.picture(make.red)).mean() < 12
    Indexer(store, embedder).add([path])
    np.testing.assert_allclose(store.rows().boxes[0], [6, 12, 18, 52], atol=3)


def walk(make, seconds, fps=4):
    """Somebody red walks to the right for a while."""
    return [(i / fps, make.picture(make.red, size=(64, 640), shift=4 * i)) for i in range(seconds * fps)]


def test_people_of_a_video_come_with_their_times(tmp_path, embedder, store, make):
    path = write_video(tmp_path / "v.mp4", walk(make, 10))
    report = Indexer(store, embedder, IndexSettings(fps=2), batch_size=3).add(list_files([path]))
    assert (report.num_added, report.broken) == (1, [])
    source, rows = store.sources()[0], store.rows()
    assert (source.kind, source.indexed_until) == ("video", None)
    assert source.duration == pytest.approx(10, abs=0.3)
    assert source.start == pytest.approx(path.stat().st_mtime - source.duration)
    np.testing.assert_allclose(rows.offsets, np.arange(0, 10, 0.5), atol=0.01)
    np.testing.assert_allclose(rows.times, source.start + rows.offsets)
    # it moves 4 pixels a frame, 4 frames a second
    np.testing.assert_allclose(rows.boxes[:, 0], 6 + 16 * rows.offsets, atol=3)
    assert stored_picture(source, 5.0).shape == (64, 640, 3)
    assert len(store.rows(Where(offsets=(2.0, 4.0)))) == 5
    assert Indexer(store, embedder).add([path]).num_known == 1


def test_still_frames_are_looked_at_once(tmp_path, embedder, store, make):
    still = [(t / 4, make.picture(make.red, size=(64, 640))) for t in range(40)]
    gone = [(10 + t / 4, make.picture(size=(64, 640))) for t in range(8)]
    seen = []
    real = embedder.detect
    Indexer(store, embedder)
    try:
        embedder.detect = lambda batch: seen.append(len(batch)) or real(batch)
        Indexer(store, embedder).add([write_video(tmp_path / "v.mkv", still + gone)])
    finally:
        del embedder.detect
    assert sum(seen) <= 5
    rows = store.rows()
    assert rows.offsets[0] == 0.0
    assert rows.untils.max() == pytest.approx(9.5, abs=0.01)
    assert len(store.rows(Where(offsets=(7.0, 8.0)))) == 1  # still there


def test_a_stopped_video_goes_on_where_it_was(tmp_path, embedder, make, store, monkeypatch):
    monkeypatch.setattr("inet_d2.search.video_indexer.COMMIT_MINUTE", 4.0)
    path = write_video(tmp_path / "v.mp4", walk(make, 10))
    calls = []

    def stop(report):
        calls.append(1)
        if len(calls) == 1:
            raise KeyboardInterrupt

    indexer = Indexer(store, embedder)
    with pytest.raises(KeyboardInterrupt):
        indexer.add([path], stop)
    assert store.sources()[0].indexed_until == 4.0
    np.testing.assert_allclose(store.rows().offsets, np.arange(0, 4, 0.5), atol=0.01)
    begins = []
    monkeypatch.setattr(VideoReader, "_seek", lambda self, t, real=VideoReader._seek: begins.append(t) or real(self, t))
    report = Indexer(store, embedder).add([path])
    assert begins == [4.0]
    assert report.num_added == 1
    np.testing.assert_allclose(store.rows().offsets, np.arange(0, 10, 0.5), atol=0.01)


def test_a_cut_video_is_indexed_up_to_the_break_and_reported(tmp_path, embedder, make, store):
    path = write_video(tmp_path / "v.mkv", walk(make, 20))
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    report = Indexer(store, embedder).add([path])
    (broken,) = report.broken
    assert broken[0] == str(path)
    assert "what comes before is in the index" in broken[1]
    assert 8 < store.rows().offsets.max() < 16
    assert store.sources()[0].note
    assert Indexer(store, embedder).add([path]).num_known == 1  # not tried for ever


def test_what_is_no_video_is_reported(tmp_path, embedder, make, store):
    path = write_video(tmp_path / "v.mp4", walk(make, 10))
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])  # the index at the end is lost
    (tmp_path / "text.mp4").write_text("no video")
    (tmp_path / "empty.mkv").touch()
    report = Indexer(store, embedder).add(list_files([tmp_path]))
    assert len(report.broken) == 3
    assert all("cannot be decoded" in reason for _, reason in report.broken)
    assert store.sources() == []


def test_a_moved_video_has_no_picture(tmp_path, embedder, make, store):
    path = write_video(tmp_path / "v.mp4", walk(make, 2))
    Indexer(store, embedder).add([path])
    path.rename(tmp_path / "w.mp4")
    assert stored_picture(store.sources()[0], 1.0) is None
    Indexer(store, embedder).add([tmp_path / "w.mp4"])  # follows it
    assert stored_picture(store.sources()[0], 1.0) is not None


def test_a_video_that_may_not_be_read_is_reported(tmp_path, embedder, make, store, monkeypatch):
    path = write_video(tmp_path / "v.mp4", walk(make, 2))

    def refuse(path):
        raise PermissionError(f"{path}: no permission")

    monkeypatch.setattr("inet_d2.search.indexer.content_hash", refuse)
    report = Indexer(store, embedder).add([path])
    assert report.broken == [(str(path), f"{path}: no permission")]
