"""How the people of a frame lie in an SQLite row: one blob each for boxes, scores and embeddings.

A row for each frame, not for each person, keeps opening fast; a person who is removed leaves a place of zeros in the
blobs, so that the ids of the others stay.
"""

import sqlite3
from collections.abc import Sequence

import numpy as np

from inet_d2.search.people_check import check_lengths
from inet_d2.search.people_matrix import FrameColumns, Part
from inet_d2.search.store import People

PEOPLE_BITS = 12  # a person's id is the frame's id and a number below 4,096
REMOVED = -1.0  # score of a person who was removed
MAPPED_BYTES = 0x7FFF0000  # the most that SQLite maps
READ_FRAMES = 128  # at once; a block of them stays in the processor's cache while it is put together


def pack_people(people: People, dtype: np.dtype) -> tuple[bytes, bytes, bytes]:
    """The blobs of one frame; ``dtype`` is that of the embeddings."""
    values = (
        np.asarray(people.boxes, np.float32),
        np.asarray(people.scores, np.float32),
        np.asarray(people.embeddings, dtype),
    )
    return tuple(value.tobytes() for value in values)


def erase_people(db: sqlite3.Connection, frame: int, numbers: np.ndarray, dtype: np.dtype) -> int:
    """Overwrite people of a frame, or delete the frame with its last one; how many there were."""
    row = db.execute("SELECT boxes, scores, embeddings FROM frames WHERE id = ?", (frame,)).fetchone()
    if row is None:
        return 0
    dtypes = (np.float32, np.float32, dtype)
    boxes, scores, embeddings = (np.frombuffer(blob, kind).copy() for blob, kind in zip(row, dtypes, strict=True))
    num_removed = int((scores[numbers] != REMOVED).sum())
    boxes.reshape(len(scores), 4)[numbers] = 0
    embeddings.reshape(len(scores), -1)[numbers] = 0
    scores[numbers] = REMOVED
    if (scores == REMOVED).all():
        db.execute("DELETE FROM frames WHERE id = ?", (frame,))
    else:
        blobs = (boxes.tobytes(), scores.tobytes(), embeddings.tobytes())
        db.execute("UPDATE frames SET boxes = ?, scores = ?, embeddings = ? WHERE id = ?", (*blobs, frame))
    return num_removed


def read_frames(db: sqlite3.Connection, ids: tuple[int, int], dimension: int, dtype: np.dtype) -> Part:
    """Read frames into arrays that are made once, at their final size.

    Args:
        db: an open index.
        ids: after the first, up to and with the second.
        dimension: D.
        dtype: of the embeddings in the file.

    Returns:
        Their people; embeddings are float32.

    Raises:
        sqlite3.DatabaseError: the blobs do not fit each other, or hold embeddings that are none; SQLite's own pages
            carry no checksums.
    """
    try:
        part = _read_frames(db, ids, dimension, dtype)
        check_lengths(part.embeddings, part.scores, "people")
    except (IndexError, KeyError, OverflowError, TypeError, ValueError) as error:
        raise sqlite3.DatabaseError(f"it is damaged ({error}); make the index anew") from error
    return part


def _read_frames(db: sqlite3.Connection, ids: tuple[int, int], dimension: int, dtype: np.dtype) -> Part:
    which = "FROM frames WHERE id > ? AND id <= ?"
    num_people, num_frames = db.execute(f"SELECT coalesce(sum(num_people), 0), count(*) {which}", ids).fetchone()
    frames = FrameColumns(np.empty(num_frames, np.int64), *(np.empty(num_frames) for _ in range(3)))
    part = Part(
        frames,
        np.empty(num_people, np.int64),
        np.empty(num_people, np.int32),
        np.empty((num_people, 4), np.float32),
        np.empty(num_people, np.float32),
        np.empty((num_people, dimension), np.float32),
    )
    db.execute(f"PRAGMA mmap_size = {MAPPED_BYTES}")  # while it is read: half the time of copying pages
    starts = dict(db.execute("SELECT id, start FROM sources"))
    rows = db.execute(
        f'SELECT id, source, "offset", until, num_people, boxes, scores, embeddings {which} ORDER BY id', ids
    )
    frame = person = 0
    while block := rows.fetchmany(READ_FRAMES):
        found, sources, offsets, untils, counts, boxes, scores, embeddings = zip(*block, strict=True)
        places = slice(frame, frame + len(block))
        frames.sources[places], frames.offsets[places], frames.untils[places] = sources, offsets, untils
        frames.times[places] = [starts[source] for source in sources]
        people = slice(person, person + sum(counts))
        numbers = np.arange(sum(counts)) - np.repeat(np.cumsum(counts) - counts, counts)
        part.ids[people] = (np.repeat(found, counts) << PEOPLE_BITS) + numbers
        part.row_frames[people] = np.repeat(np.arange(frame, frame + len(block)), counts)
        part.boxes[people] = _unpacked(boxes, np.float32, (len(numbers), 4))
        part.scores[people] = _unpacked(scores, np.float32, (len(numbers),))
        part.embeddings[people] = _unpacked(embeddings, dtype, (len(numbers), dimension))
        frame, person = places.stop, people.stop
    db.execute("PRAGMA mmap_size = 0")
    frames.times[:] += frames.offsets
    alive = part.scores != REMOVED
    if alive.all():
        return part
    columns = (part.ids, part.row_frames, part.boxes, part.scores, part.embeddings)
    return Part(frames, *(column[alive] for column in columns))


def _unpacked(blobs: Sequence[bytes], dtype: np.dtype | type, shape: tuple[int, ...]) -> np.ndarray:
    """Not left to the assignment, which would repeat one person for several."""
    return np.frombuffer(b"".join(blobs), dtype).reshape(shape)
