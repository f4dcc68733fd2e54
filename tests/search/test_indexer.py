"""Indexing image files: what comes in, what is known, what is broken, what is gone."""

import os
import shutil
from datetime import datetime

import numpy as np
import pytest
from PIL import Image

from inet_d2.engine import load_config
from inet_d2.search import Indexer, IndexSettings, Where, build_model_embedder, forget_missing, list_files, open_store


@pytest.fixture
def store(tmp_path):
    with open_store(str(tmp_path / "an.index"), create=True) as store:
        yield store


def index(store, embedder, *paths, **options):
    return Indexer(store, embedder, **options).add(list_files(paths))


def test_everybody_in_a_folder_comes_in(store, embedder, photos):
    reports = []
    report = Indexer(store, embedder).add(list_files([photos]), lambda r: reports.append(r.num_added))
    assert (report.num_added, report.num_people, report.num_known, report.broken) == (5, 5, 0, [])
    assert reports[-1] == 5
    by_name = {os.path.basename(source.path): source for source in store.sources()}
    assert set(by_name) == {"red.png", "green.png", "both.png", "nobody.png", "blue.png"}
    rows = store.rows(Where(sources=[by_name["both.png"].id]))
    np.testing.assert_allclose(rows.boxes, [[9, 12, 21, 52], [53, 12, 65, 52]])
    source = by_name["red.png"]
    assert (source.width, source.height, source.kind) == (96, 64, "image")
    assert source.start == pytest.approx(os.path.getmtime(photos / "red.png"))


@pytest.mark.parametrize("batch_size", [1, 2, 8])
def test_batches_change_nothing(store, embedder, photos, make, batch_size):
    make.write(photos / "other_size.png", make.red, size=(80, 70))
    index(store, embedder, photos, batch_size=batch_size, num_readers=3)
    rows = store.rows()
    expected = {}
    for path in list_files([photos]):
        with Image.open(path) as image:
            expected[str(path)] = embedder.detect([embedder.prepare(np.array(image.convert("RGB")))])[0].boxes.tolist()
    for source in store.sources():
        assert rows.boxes[rows.sources == source.id].tolist() == expected[source.path]


def test_again_adds_what_is_new_by_content(store, embedder, photos, make):
    index(store, embedder, photos)
    shutil.copy(photos / "red.png", photos / "a_copy.png")
    (photos / "green.png").rename(photos / "moved.png")
    make.write(photos / "new.png", make.green, make.green)
    report = index(store, embedder, photos)
    assert (report.num_added, report.num_people, report.num_known) == (1, 2, 6)
    names = {os.path.basename(source.path) for source in store.sources()}
    assert "moved.png" in names
    assert not names & {"green.png", "a_copy.png"}  # the copy's original is still there
    assert index(store, embedder, photos).num_known == 7


def test_copies_in_one_run_come_once(store, embedder, make, tmp_path):
    folder = tmp_path / "same"
    folder.mkdir()
    make.write(folder / "a.png", make.red)
    for name in "bcdef":
        shutil.copy(folder / "a.png", folder / f"{name}.png")
    report = index(store, embedder, folder, batch_size=3)
    assert (report.num_added, report.num_known, store.count().people) == (1, 5, 1)


def test_two_writers_report_each_file_once(store, embedder, photos):
    slow = Indexer(store, embedder)  # has read what the index holds before the other one adds to it
    assert index(store, embedder, photos).num_added == 5
    report = slow.add(list_files([photos]))
    assert (report.num_added, report.num_people, report.num_known) == (0, 0, 5)


def test_a_stopped_run_goes_on(store, embedder, photos, monkeypatch):
    monkeypatch.setattr("inet_d2.search.indexer.COMMIT_SECONDS", 0.0)
    indexer = Indexer(store, embedder)
    with pytest.raises(KeyboardInterrupt):
        indexer.add(list_files([photos]), lambda report: (_ for _ in ()).throw(KeyboardInterrupt))
    assert indexer.report.num_added == len(store.sources()) >= 1
    report = index(store, embedder, photos)
    assert report.num_added + indexer.report.num_added == 5
    assert store.count().people == 5


def test_what_cannot_be_read_is_reported_and_skipped(store, embedder, photos):
    (photos / "broken.jpg").write_bytes(b"no image")
    (photos / "empty.png").touch()
    (photos / "cut.png").write_bytes((photos / "red.png").read_bytes()[:120])
    bad_name = os.fsdecode(b"bad\xff.png")
    shutil.copy(photos / "red.png", photos / bad_name)
    report = index(store, embedder, photos)
    assert report.num_added == 5
    assert {os.path.basename(path) for path, _ in report.broken} == {"broken.jpg", "empty.png", "cut.png", bad_name}
    assert any("cannot be decoded" in reason for _, reason in report.broken)
    assert any("the name is no text" in reason for _, reason in report.broken)


def test_a_sliver_keeps_a_pixel_of_its_short_side(store, colour_model, photos):
    # 1 x 3000 pixels with the long side at 1000: a third of a pixel is left of the short side
    config, weights = colour_model
    cfg = load_config(str(config), ["INPUT.MIN_SIZE_TEST", "100", "INPUT.MAX_SIZE_TEST", "1000"])
    embedder = build_model_embedder(cfg, weights=str(weights))
    Image.new("RGB", (1, 3000)).save(photos / "sliver.png")
    report = index(store, embedder, photos)
    assert (report.num_added, report.broken) == (6, [])
    assert embedder.shape(embedder.prepare(np.zeros((3000, 1, 3), np.uint8))) == (3, 1000, 1)


def test_low_scores_are_left_out(store, embedder, tmp_path, make):
    picture = make.picture(make.red)
    picture[40:, :] = 0
    picture[20:24, 60:70] = make.blue  # 4 pixels high: score 0.3
    Image.fromarray(picture).save(tmp_path / "low.png")
    index(store, embedder, tmp_path / "low.png")
    assert store.count().people == 1


def test_time_and_turn_of_a_camera_picture(store, embedder, tmp_path, make):
    exif = Image.Exif()
    exif[0x0112] = 6  # shown turned by 90 degrees clockwise
    exif.get_ifd(0x8769)[0x9003] = "2020:05:31 12:30:00"
    Image.fromarray(np.rot90(make.picture(make.red), 1)).save(tmp_path / "turned.png", exif=exif)
    index(store, embedder, tmp_path / "turned.png")
    source = store.sources()[0]
    assert (source.width, source.height) == (96, 64)
    assert store.rows().boxes[0].tolist() == [6, 12, 18, 52]
    assert source.start == datetime(2020, 5, 31, 12, 30).timestamp()


def test_missing_files_are_forgotten_only_when_asked(store, embedder, photos, make, tmp_path):
    other = make.write(tmp_path / "other.png", make.green, make.red)
    index(store, embedder, photos, other)
    (photos / "red.png").unlink()
    other.unlink()
    make.write(photos / "green.png", make.blue)  # other content under the old name
    index(store, embedder, photos)
    assert len(store.sources()) == 7
    gone = forget_missing(store, [photos])
    assert sorted(os.path.basename(source.path) for source in gone) == ["green.png", "red.png"]
    assert len(store.sources()) == 5  # other.png lies elsewhere


def test_other_models_and_settings_are_refused(store, embedder, photos):
    index(store, embedder, photos)
    with pytest.raises(ValueError, match="--fps: the index was made with 2, found 5"):
        Indexer(store, embedder, IndexSettings(fps=5))
    store.write_meta("model", {**store.read_meta("model"), "fingerprint": "other"})
    with pytest.raises(ValueError, match=r"made with another model \(fingerprint other"):
        Indexer(store, embedder)


@pytest.mark.parametrize(("values", "message"), [({"fps": 0}, "--fps"), ({"min_score": 1.5}, "--min-score")])
def test_settings_are_checked(values, message):
    with pytest.raises(ValueError, match=message):
        IndexSettings(**values)


def test_lists_of_files(photos, tmp_path):
    (photos / ".hidden").mkdir()
    shutil.copy(photos / "red.png", photos / ".hidden/a.png")
    assert [path.name for path in list_files([photos])] == [
        "both.png",
        "green.png",
        "nobody.png",
        "red.png",
        "blue.png",
    ]
    assert len(list_files([photos / "red.png", photos])) == 5
    with pytest.raises(FileNotFoundError, match="none does not exist"):
        list_files([tmp_path / "none"])
    with pytest.raises(ValueError, match=r"notes\.txt: expected one of \.jpg"):
        list_files([photos / "notes.txt"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="no image and no video in"):
        list_files([tmp_path / "empty"])
