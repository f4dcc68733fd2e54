"""Put everybody in images and videos into an index; what is there already is left alone."""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from inet_d2.search.embedder import Embedder
from inet_d2.search.read_ahead import read_ahead
from inet_d2.search.sources import content_hash, is_unchanged, is_video, read_picture, thumbnail
from inet_d2.search.store import IMAGE, Frame, People, Source, Store
from inet_d2.search.video_indexer import index_video

_logger = logging.getLogger(__name__)

COMMIT_SECONDS = 1.0  # images are committed together, at most this long after the first


@dataclass(frozen=True)
class IndexSettings:
    """What an index is made with; the same for all of its sources.

    Attributes:
        fps: frames of a video that are looked at, per second.
        min_score: lowest detection score of a person who is kept.
    """

    fps: float = 2.0
    min_score: float = 0.5

    def __post_init__(self) -> None:
        if not self.fps > 0:
            raise ValueError(f"--fps: expected more than 0, found {self.fps:g}")
        if not 0 <= self.min_score <= 1:
            raise ValueError(f"--min-score: expected 0 to 1, found {self.min_score:g}")


@dataclass
class IndexReport:
    """What one run did.

    Attributes:
        num_added: files that came in.
        num_known: files that were in the index.
        num_people: people who came in.
        broken: path and reason of what could not be read, or not to its end.
    """

    num_added: int = 0
    num_known: int = 0
    num_people: int = 0
    broken: list[tuple[str, str]] = field(default_factory=list)


class ReadImage(NamedTuple):
    """A file after its look in a reading thread; without ``prepared`` there is nothing to detect."""

    path: Path
    source: Source | None
    prepared: Any = None
    thumbnail: bytes = b""
    error: str = ""


def check_model(store: Store, embedder: Embedder, settings: IndexSettings) -> None:
    """Write model and settings into a new index; refuse others in one that has them.

    Raises:
        ValueError: the index was made with another model or other settings.
    """
    known = store.read_meta("model")
    if known is None:
        store.write_meta("settings", vars(settings))
        store.write_meta("model", embedder.description)
        return
    if known["fingerprint"] != embedder.description["fingerprint"]:
        raise ValueError(
            f"the index was made with another model (fingerprint {known['fingerprint']}, found "
            f"{embedder.description['fingerprint']}); use that one, or another index"
        )
    for name, value in store.read_meta("settings").items():
        if (found := getattr(settings, name)) != value:
            raise ValueError(
                f"--{name.replace('_', '-')}: the index was made with {value:g}, found {found:g}; leave it out, or "
                "make another index"
            )


class Indexer:
    """Adds files to an index.

    Args:
        store: the index, open for writing.
        embedder: the model of the index.
        settings: of the index; default those it has, or :class:`IndexSettings`.
        batch_size: pictures of one size that go through the model together.
        num_readers: threads that read and decode.

    Raises:
        ValueError: the index was made with another model or other settings.
    """

    def __init__(
        self,
        store: Store,
        embedder: Embedder,
        settings: IndexSettings | None = None,
        *,
        batch_size: int = 1,
        num_readers: int = 2,
    ) -> None:
        self.store = store
        self.embedder = embedder
        self.settings = settings or IndexSettings(**(store.read_meta("settings") or {}))
        self.report = IndexReport()
        self.batch_size = batch_size
        self._num_readers = num_readers
        check_model(store, embedder, self.settings)
        known = store.sources()
        self._by_path = {source.path: source for source in known}
        self._by_content = {source.content: source for source in known}
        self._waiting: list[tuple[Source, list[Frame]]] = []
        self._waiting_since = 0.0

    def add(self, paths: Sequence[Path], progress: Callable[[IndexReport], None] = lambda report: None) -> IndexReport:
        """Add files.

        Args:
            paths: see :func:`inet_d2.search.sources.list_files`.
            progress: called with the report of what is safe on the disk.

        Returns:
            What was done; also in ``report`` after an exception.

        Raises:
            OSError, ValueError: the index cannot be written; what was reported by ``progress`` is safe.
        """
        for batch in self._batches([path for path in paths if not is_video(path)]):
            self._detect(batch)
            if time.monotonic() - self._waiting_since > COMMIT_SECONDS:
                self._commit()
            progress(self.report)
        self._commit()
        for path in (path for path in paths if is_video(path)):
            index_video(self, path, lambda: progress(self.report))
        progress(self.report)
        return self.report

    def find_known(self, path: Path) -> Source | str:
        """The source of a file's content if the index has it, else the content's hash."""
        source = self._by_path.get(str(path))
        if source and is_unchanged(str(path), source.size, source.modified_ns):
            return source
        content = content_hash(path)
        return self._by_content.get(content, content)

    def count_known(self, source: Source, path: Path) -> None:
        """Count a file that the index has, and follow it where it was moved."""
        self.report.num_known += 1
        modified = path.stat().st_mtime_ns
        is_other_copy = source.path != str(path) and Path(source.path).exists()
        if source.id and not is_other_copy and (source.path, source.modified_ns) != (str(path), modified):
            self.store.move(source.id, str(path), modified)

    def remember(self, source: Source) -> None:
        """This content is in the index now, or on its way."""
        self._by_content[source.content] = source

    def keep(self, people: People) -> People:
        """The people whose score suffices."""
        chosen = people.scores >= self.settings.min_score
        return People(*(column[chosen] for column in people))

    def broken(self, path: Path, reason: str) -> None:
        """Report a file that cannot be read, or not to its end."""
        _logger.warning("%s", reason)
        self.report.broken.append((str(path), reason))

    def _batches(self, images: Sequence[Path]) -> Iterator[list[ReadImage]]:
        """Neighbouring images whose inputs have one shape, so that no answer depends on another image's size."""
        batch: list[ReadImage] = []
        depth = self.batch_size + 2 * self._num_readers
        for image in read_ahead(self._read, images, num_threads=self._num_readers, depth=depth):
            if image.prepared is None:
                self._batch_without_people(image)
                continue
            shapes = {self.embedder.shape(image.prepared) for image in [*batch[-1:], image]}
            if len(shapes) > 1 or len(batch) == self.batch_size:
                yield batch
                batch = []
            batch.append(image)
        if batch:
            yield batch

    def _batch_without_people(self, image: ReadImage) -> None:
        if image.error:
            self.broken(image.path, image.error)
        else:
            self.count_known(image.source, image.path)

    def _read(self, path: Path) -> ReadImage:
        try:
            str(path).encode()
            known = self.find_known(path)
            if isinstance(known, Source):
                return ReadImage(path, known)
            picture, taken = read_picture(path)
            found = path.stat()
        except UnicodeEncodeError:
            return ReadImage(path, None, error=f"{str(path)!r}: the name is no text; rename the file")
        except (OSError, ValueError) as error:
            return ReadImage(path, None, error=str(error))
        height, width = picture.shape[:2]
        source = Source(str(path), known, IMAGE, found.st_size, found.st_mtime_ns, width, height, taken)
        try:
            return ReadImage(path, source, self.embedder.prepare(picture), thumbnail(picture))
        except ValueError as error:
            return ReadImage(path, None, error=f"image {path}: {error}")

    def _detect(self, batch: Sequence[ReadImage]) -> None:
        for image, people in zip(batch, self.embedder.detect([image.prepared for image in batch]), strict=True):
            if image.source.content in self._by_content:  # a copy of an image that was being read at the same time
                self.count_known(self._by_content[image.source.content], image.path)
                continue
            self.remember(image.source)
            if not self._waiting:
                self._waiting_since = time.monotonic()
            self._waiting.append((image.source, [Frame(0.0, 0.0, self.keep(people), image.thumbnail)]))

    def _commit(self) -> None:
        if self._waiting:
            added = self.store.add(self._waiting)
            self.report.num_people += added.num_people
            self.report.num_added += added.num_records
            self.report.num_known += len(self._waiting) - added.num_records  # another process was faster
            self._waiting = []


def forget_missing(store: Store, folders: Sequence[Path]) -> list[Source]:
    """Remove the sources under some folders whose file is gone or has other content.

    Args:
        store: open for writing.
        folders: absolute; also single files.

    Returns:
        What was removed.
    """
    gone = [
        source
        for source in store.sources()
        if any(Path(source.path).is_relative_to(folder) for folder in folders)
        and not is_unchanged(source.path, source.size, source.modified_ns)
        and not (Path(source.path).is_file() and content_hash(Path(source.path)) == source.content)
    ]
    store.remove_sources([source.id for source in gone])
    return gone
