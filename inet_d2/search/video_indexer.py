"""Put everybody in a video into an index, one minute after the other."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from inet_d2.search.read_ahead import read_ahead
from inet_d2.search.sources import thumbnail
from inet_d2.search.store import VIDEO, Frame, Source
from inet_d2.search.video import VideoReader

if TYPE_CHECKING:
    from inet_d2.search.indexer import Indexer

COMMIT_MINUTE = 60.0  # seconds of video in one transaction
CHANGE_SIZE = (32, 24)
UNCHANGED = (
    6  # grey levels of 255: the most that any of 32 x 24 fields may differ from the last frame that was looked at
)
FRAMES_AHEAD = 8


def index_video(indexer: "Indexer", path: Path, progress: Callable[[], None]) -> None:
    """Add a video, or the rest of one; report it if it is broken, or ends before its time.

    Args:
        indexer: counts what comes in.
        path: the file.
        progress: called after each minute that is safe on the disk.
    """
    try:
        known = indexer.find_known(path)
    except OSError as error:  # unlike those of the index, which end the run
        indexer.broken(path, str(error))
        return
    if isinstance(known, Source) and known.indexed_until is None:
        indexer.count_known(known, path)
        return
    try:
        with VideoReader(path) as video:
            source = known if isinstance(known, Source) else _source(path, known, video)
            for minute, frames in _minutes(indexer, video, source.indexed_until or 0.0):
                part = replace(source, indexed_until=(minute + 1) * COMMIT_MINUTE)
                indexer.report.num_people += indexer.store.add([(part, frames)]).num_people
                progress()
            note = video.problem
    except (ValueError, FileNotFoundError) as error:
        indexer.broken(path, str(error))
        return
    whole = replace(source, indexed_until=None, note=note)
    added = indexer.store.add([(whole, [])])
    indexer.remember(whole)
    indexer.report.num_added += added.num_records
    indexer.report.num_known += 1 - added.num_records  # another process was faster
    if note:
        indexer.broken(path, f"{note}; what comes before is in the index")


def _source(path: Path, content: str, video: VideoReader) -> Source:
    found = path.stat()
    size = (found.st_size, found.st_mtime_ns, video.width, video.height)
    return Source(str(path), content, VIDEO, *size, video.start, video.duration, indexed_until=0.0)


def _minutes(indexer: "Indexer", video: VideoReader, begin: float) -> Iterator[tuple[int, list[Frame]]]:
    pictures = video.frames(indexer.settings.fps, begin)
    # PyAV decodes without the interpreter's lock, so the next frames are ready when the model is
    ahead = read_ahead(lambda _: next(pictures, None), itertools.count(), num_threads=1, depth=FRAMES_AHEAD)
    frames = itertools.takewhile(lambda frame: frame is not None, ahead)
    for minute, group in itertools.groupby(frames, key=lambda frame: int(frame[0] // COMMIT_MINUTE)):
        yield minute, _look(indexer, group)


def _look(indexer: "Indexer", pictures: Iterator[tuple[float, np.ndarray]]) -> list[Frame]:
    """Detect in the frames of a minute that differ from the one before."""
    seen: list[list] = []  # offset, until, thumbnail
    frames: list[Frame] = []
    batch: list = []
    reference = None
    for offset, picture in pictures:
        grey = _grey(picture)
        if reference is not None and np.abs(grey - reference).max() <= UNCHANGED:
            seen[-1][1] = offset
            continue
        reference = grey
        seen.append([offset, offset, thumbnail(picture)])
        batch.append(indexer.embedder.prepare(picture))
        if len(batch) == indexer.batch_size:
            frames += _detected(indexer, batch, seen, len(frames))
            batch = []
    frames += _detected(indexer, batch, seen, len(frames))
    return [replace(frame, until=row[1]) for frame, row in zip(frames, seen, strict=True)]


def _detected(indexer: "Indexer", batch: Sequence, seen: Sequence[Sequence], first: int) -> list[Frame]:
    people = indexer.embedder.detect(batch) if batch else []
    rows = seen[first : first + len(people)]
    return [Frame(row[0], row[1], indexer.keep(found), row[2]) for found, row in zip(people, rows, strict=True)]


def _grey(picture: np.ndarray) -> np.ndarray:
    small = Image.fromarray(picture).resize(CHANGE_SIZE, Image.Resampling.BOX, reducing_gap=2.0)
    return np.asarray(small.convert("L"), dtype=np.int16)
