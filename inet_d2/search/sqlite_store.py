"""The index as one SQLite file, searched exactly in memory.

Every call of :meth:`SQLiteStore.add` is one transaction that is on the disk when it returns, so a process that is
killed loses nothing that was acknowledged, and readers are not in the way of a writer (WAL mode).
"""

import json
import os
import sqlite3
from collections.abc import Collection, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from inet_d2.search.people_check import check_people
from inet_d2.search.people_matrix import PeopleMatrix
from inet_d2.search.sqlite_frames import PEOPLE_BITS, REMOVED, erase_people, pack_people, read_frames
from inet_d2.search.store import FORMAT_VERSION, Added, Counts, Frame, Rows, Source, Store, Where

APPLICATION_ID = 0x494E4554  # "INET" in the file's header
PAGE_BYTES = 32768  # several frames fit a page; with 4,096 bytes the same people take a third more disk

SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE sources (
  id INTEGER PRIMARY KEY AUTOINCREMENT, path TEXT NOT NULL, content TEXT NOT NULL UNIQUE, kind TEXT NOT NULL,
  size INTEGER NOT NULL, modified_ns INTEGER NOT NULL, width INTEGER NOT NULL, height INTEGER NOT NULL,
  start REAL NOT NULL, duration REAL NOT NULL, indexed_until REAL, note TEXT NOT NULL);
CREATE TABLE frames (
  id INTEGER PRIMARY KEY AUTOINCREMENT, source INTEGER NOT NULL REFERENCES sources (id), "offset" REAL NOT NULL,
  until REAL NOT NULL, num_people INTEGER NOT NULL, thumbnail BLOB NOT NULL, boxes BLOB NOT NULL, scores BLOB NOT NULL,
  embeddings BLOB NOT NULL);
CREATE INDEX frames_by_source ON frames (source);
"""
COLUMNS = [field.name for field in fields(Source) if field.name != "id"]


class SQLiteStore(Store):
    """An index in a file.

    Args:
        path: the file.
        create: make it if it is not there.
        read_only: write nothing.
        half: a new file keeps vectors as float16.

    Raises:
        FileNotFoundError: no such file.
        ValueError: the file is no index, or one of another version.
        OSError: it cannot be opened.
    """

    def __init__(self, path: str, *, create: bool = False, read_only: bool = False, half: bool = False) -> None:
        self.path = Path(path)
        if self.path.is_dir():
            raise ValueError(f"index {path}: expected a file, found a folder; name a file in it")
        is_new = not self.path.exists() or not self.path.stat().st_size
        if is_new and not create:
            raise FileNotFoundError(f"index {path}: there is none; make it with: inet-search index SOURCE --to {path}")
        with self._explained():
            if is_new:
                self._create(half)
            self._db = self._connect(self.path, "ro" if read_only else "rw")
            try:
                self._check()
                if not read_only:
                    self._db.executescript("PRAGMA synchronous = FULL; PRAGMA secure_delete = ON")
            except BaseException:
                self._db.close()
                raise
        self._matrix: PeopleMatrix | None = None
        self._last_frame = 0
        self._removals = self.read_meta("removals") or 0

    @staticmethod
    def _connect(path: Path, mode: str) -> sqlite3.Connection:
        # autocommit: transactions are opened by hand; threads of one process take turns (see the server)
        address = f"{path.absolute().as_uri()}?mode={mode}"
        if mode == "ro" and not os.access(path.parent, os.W_OK) and not path.with_name(f"{path.name}-wal").exists():
            address += "&immutable=1"  # nobody writes there, nor can the files of WAL mode be made
        return sqlite3.connect(address, uri=True, timeout=30, isolation_level=None, check_same_thread=False)

    def _create(self, half: bool) -> None:
        """Make the file aside, so that two who begin it at once find one that is whole."""
        meta = {"format": FORMAT_VERSION, "dtype": "float16" if half else "float32"}
        aside = self.path.with_name(f".{self.path.name}.{os.getpid()}.tmp")
        try:
            with closing(self._connect(aside, "rwc")) as db:
                db.executescript(f"PRAGMA page_size = {PAGE_BYTES}; PRAGMA journal_mode = WAL; {SCHEMA}")
                db.executemany("INSERT INTO meta VALUES (?, ?)", [(k, json.dumps(v)) for k, v in meta.items()])
                db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            if self.path.exists() and not self.path.stat().st_size:
                self.path.unlink()
            with suppress(FileExistsError):  # the other one was faster
                os.link(aside, self.path)
        finally:
            aside.unlink(missing_ok=True)

    def _check(self) -> None:
        if self._db.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
            raise ValueError(f"index {self.path}: expected an index of inet-search, found another file")
        if (version := self.read_meta("format")) != FORMAT_VERSION:
            raise ValueError(
                f"index {self.path}: expected format {FORMAT_VERSION}, found {version}; make it anew, or use the "
                "version of inet_d2 that made it"
            )
        self._dtype = np.dtype(self.read_meta("dtype"))

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            remedies = {
                "full": "free some room and run the command again; what was added before is safe",
                "locked": "another process writes to it; wait for it",
                "readonly": "the file or its folder cannot be written",
            }
            remedy = next((text for word, text in remedies.items() if word in str(error)), "is its folder there?")
            raise OSError(f"index {self.path}: {error}; {remedy}") from error
        except sqlite3.DatabaseError as error:
            raise ValueError(f"index {self.path}: expected an index of inet-search, but {error}") from error

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._explained():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                if self._db.in_transaction:  # a full disk has ended it already
                    self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def read_meta(self, key: str) -> Any:  # noqa: D102
        with self._explained():
            row = self._db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return row and json.loads(row[0])

    def write_meta(self, key: str, value: Any) -> None:  # noqa: D102
        with self._transaction():
            self._write_meta(key, value)

    def _write_meta(self, key: str, value: Any) -> None:
        self._db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, json.dumps(value)))

    def sources(self, ids: Collection[int] | None = None) -> list[Source]:  # noqa: D102
        chosen = "" if ids is None else f"WHERE id IN ({', '.join(str(int(i)) for i in ids)})"
        with self._explained():
            rows = self._db.execute(f"SELECT {', '.join(COLUMNS)}, id FROM sources {chosen} ORDER BY id")
            return [Source(*row) for row in rows]

    def add(self, records: Sequence[tuple[Source, Sequence[Frame]]]) -> Added:  # noqa: D102
        with self._transaction():
            counts = [self._add(source, frames) for source, frames in records]
        return Added(sum(count is not None for count in counts), sum(count or 0 for count in counts))

    def _add(self, source: Source, frames: Sequence[Frame]) -> int | None:
        """People who were added; ``None`` for a record that the index has."""
        found = self._db.execute(
            "SELECT id, indexed_until FROM sources WHERE content = ?", (source.content,)
        ).fetchone()
        begin = -1.0
        if found is None:
            values = [getattr(source, name) for name in COLUMNS]
            marks = ", ".join("?" * len(COLUMNS))
            source_id = self._db.execute(
                f"INSERT INTO sources ({', '.join(COLUMNS)}) VALUES ({marks})", values
            ).lastrowid
        else:
            source_id, begin = found
            if begin is None or (source.indexed_until is not None and source.indexed_until <= begin):
                return None  # another process was faster
            self._db.execute(
                "UPDATE sources SET indexed_until = ?, note = ?, duration = ? WHERE id = ?",
                (source.indexed_until, source.note, source.duration, source_id),
            )
        frames = [frame for frame in frames if frame.offset >= begin and len(frame.people.boxes)]
        self._db.executemany(
            'INSERT INTO frames (source, "offset", until, num_people, thumbnail, boxes, scores, embeddings) '
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            [(source_id, frame.offset, frame.until, *self._packed(frame, source)) for frame in frames],
        )
        return sum(len(frame.people.boxes) for frame in frames)

    def _packed(self, frame: Frame, source: Source) -> tuple[int, bytes, bytes, bytes, bytes]:
        boxes, _, embeddings = frame.people
        dimension = self.read_meta("dimension")
        if dimension is None:
            dimension = embeddings.shape[-1]
            self._write_meta("dimension", dimension)
        where = f"index {self.path}: {source.path}"
        check_people(frame.people, dimension, where)
        if len(boxes) >= 1 << PEOPLE_BITS:
            raise ValueError(f"{where}: expected fewer than {1 << PEOPLE_BITS} people, found {len(boxes)}")
        return len(boxes), frame.thumbnail, *pack_people(frame.people, self._dtype)

    def move(self, source_id: int, path: str, modified_ns: int) -> None:  # noqa: D102
        with self._transaction():
            self._db.execute(
                "UPDATE sources SET path = ?, modified_ns = ? WHERE id = ?", (path, modified_ns, source_id)
            )

    def search(self, examples: np.ndarray, top: int, where: Where = Where()) -> Rows:  # noqa: B008, D102
        examples = np.asarray(examples, dtype=np.float32)
        dimension = self.read_meta("dimension")
        if examples.ndim != 2 or not len(examples) or (dimension or examples.shape[1]) != examples.shape[1]:
            raise ValueError(f"index {self.path}: query: expected examples (Q, {dimension}), found {examples.shape}")
        if not np.isfinite(examples).all():
            raise ValueError(f"index {self.path}: query: expected finite examples, found NaN or infinity")
        if top < 1:
            raise ValueError(f"index {self.path}: top: expected at least 1, found {top}")
        return self._current().search(examples, top, where)

    def rows(self, where: Where = Where(), limit: int | None = None) -> Rows:  # noqa: B008, D102
        return self._current().rows(where, limit)

    def people(self, ids: np.ndarray) -> Rows:  # noqa: D102
        return self._current().people(ids)

    def windows(self, where: Where, seconds: float) -> int:  # noqa: D102
        return self._current().windows(where, seconds)

    def thumbnails(self, ids: np.ndarray) -> list[bytes]:  # noqa: D102
        query = "SELECT thumbnail FROM frames WHERE id = ?"
        with self._explained():
            found = [self._db.execute(query, (int(i) >> PEOPLE_BITS,)).fetchone() for i in ids]
        return [row[0] if row else b"" for row in found]

    def remove_sources(self, ids: Collection[int]) -> int:  # noqa: D102
        with self._transaction():
            people = 0
            for source in ids:
                frames = self._db.execute("SELECT scores FROM frames WHERE source = ?", (source,)).fetchall()
                people += sum(int((np.frombuffer(row[0], np.float32) != REMOVED).sum()) for row in frames)
                self._db.execute("DELETE FROM frames WHERE source = ?", (source,))
                self._db.execute("DELETE FROM sources WHERE id = ?", (source,))
            self._note_removal()
        return people

    def remove_people(self, ids: np.ndarray) -> int:  # noqa: D102
        with self._transaction():
            people = 0
            frames = np.asarray(ids, np.int64) >> PEOPLE_BITS
            for frame in np.unique(frames):
                numbers = np.asarray(ids)[frames == frame] & ((1 << PEOPLE_BITS) - 1)
                people += erase_people(self._db, int(frame), numbers, self._dtype)
            self._note_removal()
        return people

    def _note_removal(self) -> None:
        """Tell readers, also those in other processes, that rows they hold are gone."""
        self._write_meta("removals", (self.read_meta("removals") or 0) + 1)

    def purge(self) -> int:  # noqa: D102
        before = self._bytes()
        with self._explained():
            self._db.execute("VACUUM")
            is_busy = self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
        if is_busy:
            raise OSError(
                f"index {self.path}: what was removed is gone from the index, but another process keeps "
                f"{self.path}-wal open, where traces may be; end it and run the command again"
            )
        return max(0, before - self._bytes())

    def _bytes(self) -> int:
        return sum(p.stat().st_size for p in self.path.parent.glob(f"{self.path.name}*") if _is_of(p, self.path))

    def count(self) -> Counts:  # noqa: D102
        with self._explained():
            sources = self._db.execute("SELECT count(*) FROM sources").fetchone()[0]
            frames = self._db.execute("SELECT count(*) FROM frames").fetchone()[0]
        return Counts(sources, frames, self._current().num_rows)

    def close(self) -> None:  # noqa: D102
        self._db.close()

    def _current(self) -> PeopleMatrix:
        """The matrix with all that is committed; grows by what came since the last call."""
        with self._explained():
            removals = self.read_meta("removals") or 0
            if self._matrix is None or removals != self._removals:
                self._matrix = PeopleMatrix(self.read_meta("dimension") or 0)
                self._last_frame, self._removals = 0, removals
            newest = self._db.execute("SELECT max(id) FROM frames").fetchone()[0] or 0
            if newest > self._last_frame:
                frames = (self._last_frame, newest)
                self._matrix.append(read_frames(self._db, frames, self._matrix.dimension, self._dtype))
                self._last_frame = newest
        return self._matrix


def _is_of(file: Path, index: Path) -> bool:
    return file.name.removeprefix(index.name) in ("", "-wal", "-shm") and os.path.isfile(file)
