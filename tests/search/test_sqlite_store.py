"""What is the SQLite file's own: acknowledged rows survive a kill, erased bytes are gone, clear errors."""

import os
import signal
import sqlite3

import numpy as np
import pytest

from inet_d2.search import Where, open_store
from inet_d2.search.sqlite_store import SQLiteStore


@pytest.fixture
def index(tmp_path):
    return str(tmp_path / "an.index")


def of_unit_length(vectors):
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def start_writer(index, make):
    """A process that adds one image after the other and says so; (its id, a file of numbers)."""
    read_end, write_end = os.pipe()
    if pid := os.fork():
        os.close(write_end)
        return pid, os.fdopen(read_end)
    try:
        with open_store(index, create=True) as store:
            for i in range(100000):
                store.add([(make.source(i), [make.frame((1.0, 0.0))])])
                os.write(write_end, b"%d\n" % i)
    finally:
        os._exit(1)


def test_a_killed_writer_loses_nothing_acknowledged(index, make):
    pid, numbers = start_writer(index, make)
    with numbers:
        for _ in range(30):
            last = int(numbers.readline())
        os.kill(pid, signal.SIGKILL)
        last = max([last, *map(int, numbers.read().split())])
    os.waitpid(pid, 0)
    with open_store(index) as store:
        assert len(store.sources()) in (last + 1, last + 2)  # the last one may have been on its way
        assert store.count().people == len(store.sources())


def test_two_writers_at_once_make_no_doubles(index, make):
    writers = [start_writer(index, make) for _ in range(2)]
    for pid, numbers in writers:
        with numbers:
            for _ in range(20):
                assert numbers.readline()
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
    with open_store(index) as store:
        contents = [source.content for source in store.sources()]
        assert len(contents) == len(set(contents)) == store.count().people >= 20


def test_a_full_disk_is_a_sentence_and_keeps_what_was_there(index, make):
    with open_store(index, create=True) as store:
        store.add([(make.source(0), [make.frame((1.0, 0.0))])])
        pages = store._db.execute("PRAGMA page_count").fetchone()[0]
        store._db.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(OSError, match=r"an\.index: database or disk is full; free some room"):
            store.add([(make.source(i), [make.frame((1.0, 0.0))] * 50) for i in range(1, 200)])
        kept = store.count()
    with open_store(index) as store:
        assert store.count() == kept
        assert kept.sources >= 1


def test_a_locked_index_is_a_sentence(index, make, monkeypatch):
    with open_store(index, create=True) as store, open_store(index) as other:
        other._db.execute("PRAGMA busy_timeout = 1")
        store._db.execute("BEGIN IMMEDIATE")
        with pytest.raises(OSError, match="another process writes to it"):
            other.write_meta("a", 1)


def test_what_was_removed_is_not_in_the_files(index, make, tmp_path):
    generator = np.random.default_rng(0)
    vectors = of_unit_length(generator.normal(size=(40, 64)))
    with open_store(index, create=True) as store:
        for i in range(20):
            store.add([(make.source(i), [make.frame(*vectors[2 * i : 2 * i + 2])])])
        store.remove_people(store.rows().ids[[0]])
        store.remove_sources([source.id for source in store.sources()[10:]])
        store.purge()
        content = b"".join(path.read_bytes() for path in tmp_path.glob("an.index*"))
        is_there = [vector.tobytes() in content for vector in vectors]
        assert is_there == [False, *[True] * 19, *[False] * 20]


def test_half_precision_halves_the_file(tmp_path, make):
    sizes = []
    for half in (False, True):
        path = tmp_path / f"{half}.index"
        with open_store(str(path), create=True, half=half) as store:
            frame = make.frame(*np.eye(256)[:4])
            store.add([(make.source(i), [frame]) for i in range(250)])
            store.purge()
        sizes.append(path.stat().st_size)
    assert sizes[0] < 1.45e6
    assert sizes[0] - sizes[1] > 0.95 * 1000 * 512  # 256 numbers of 2 bytes less for each person


def test_growth_is_read_in_parts_and_joined(index, make):
    generator = np.random.default_rng(1)
    with open_store(index, create=True) as store:
        for i in range(30):
            store.add([(make.source(i), [make.frame(*of_unit_length(generator.normal(size=(2, 4))), offset=0.5)])])
            store.search(np.ones((1, 4), np.float32), 1)  # reads what is new
        grown = store.rows(Where(times=(5000.0, None)))
        ranking = store.search(np.ones((1, 4), np.float32), 60)
    with open_store(index) as store:
        fresh = store.rows(Where(times=(5000.0, None)))
        again = store.search(np.ones((1, 4), np.float32), 60)
    for name in ("ids", "sources", "times", "offsets", "embeddings"):
        np.testing.assert_array_equal(getattr(grown, name), getattr(fresh, name))
        np.testing.assert_array_equal(getattr(ranking, name), getattr(again, name))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"no database, but long enough to be looked at " * 30, "expected an index of inet-search, but file is not"),
        ("other", "expected an index of inet-search, found another file"),
        ("newer", "expected format 1, found 99"),
    ],
)
def test_other_files_are_refused(tmp_path, content, message):
    path = tmp_path / "file"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content == "other":
        database = sqlite3.connect(path)
        database.execute("CREATE TABLE a (b)")
        database.commit()
        database.close()
    else:
        SQLiteStore(str(path), create=True).close()
        database = sqlite3.connect(path)
        database.execute("UPDATE meta SET value = '99' WHERE key = 'format'")
        database.commit()
        database.close()
    with pytest.raises(ValueError, match=message):
        open_store(str(path), create=True)


def test_folders_and_places_that_cannot_be_written_are_refused(tmp_path):
    with pytest.raises(ValueError, match="expected a file, found a folder"):
        open_store(str(tmp_path), create=True)
    with pytest.raises(OSError, match="unable to open database file; is its folder there"):
        open_store(str(tmp_path / "none/an.index"), create=True)


def test_an_empty_file_is_a_missing_index(tmp_path):
    (tmp_path / "an.index").touch()
    with pytest.raises(FileNotFoundError, match="there is none"):
        open_store(str(tmp_path / "an.index"))


def test_an_index_in_a_folder_that_cannot_be_written_is_read(index, make, monkeypatch):
    with open_store(index, create=True) as store:
        store.add([(make.source(0), [make.frame((1.0, 0.0))])])
    asked = []
    monkeypatch.setattr(os, "access", lambda path, mode: asked.append(mode) and False)
    with open_store(index, read_only=True) as store:
        assert store.count().people == 1
        with pytest.raises(OSError, match="cannot be written"):
            store.write_meta("a", 1)
    assert asked == [os.W_OK]


def test_stretches_of_videos_that_were_written_in_turns_are_counted_once(index, make):
    with open_store(index, create=True) as store:
        for minute in range(2):
            for video in range(2):
                part = make.source(video, indexed_until=60.0 * (minute + 1))
                store.add([(part, [make.frame((1.0, 0.0), offset=60.0 * minute + t) for t in (0.0, 1.0, 5.0)])])
            store.rows()  # read as parts
        assert store.windows(Where(), 2.0) == 8  # two stretches a minute, two minutes, two videos
        assert store.windows(Where(), 1000.0) == 2
        assert store.windows(Where(offsets=(60.0, 61.0)), 2.0) == 2


@pytest.mark.parametrize(
    ("column", "damage"),
    [
        ("embeddings", lambda blob: blob[:3] + bytes([blob[3] ^ 2]) + blob[4:]),  # the exponent of a 1
        ("embeddings", lambda blob: np.full(2, np.nan, np.float32).tobytes()),
        ("embeddings", lambda blob: blob[:4]),
        ("scores", lambda blob: blob + blob),
        ("boxes", lambda blob: blob[:-4]),
    ],
)
def test_damage_that_sqlite_cannot_see_is_told(index, make, column, damage):
    with open_store(index, create=True) as store:
        store.add([(make.source(0), [make.frame((1.0, 0.0))])])
    with sqlite3.connect(index) as db:
        blob = db.execute(f"SELECT {column} FROM frames").fetchone()[0]
        db.execute(f"UPDATE frames SET {column} = ?", (damage(blob),))
    db.close()
    message = r"an\.index: expected an index of inet-search, but it is damaged \(.*\); make the index anew"
    with open_store(index) as store, pytest.raises(ValueError, match=message):
        store.search(np.array([[1, 0]], np.float32), 1)


@pytest.mark.parametrize("damage", ["num_people = 3", "num_people = -1", "source = 7"])
def test_rows_that_do_not_fit_together_are_told(index, make, damage):
    with open_store(index, create=True) as store:
        store.add([(make.source(1), [make.frame((1.0, 0.0))])])
    with sqlite3.connect(index) as db:
        db.execute(f"UPDATE frames SET {damage}")
    db.close()
    with open_store(index) as store, pytest.raises(ValueError, match=r"an\.index: .*, but it is damaged \("):
        store.rows()
