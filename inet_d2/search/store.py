"""What an index of people holds, and the one interface to it.

Shapes: n people of a frame, N rows of the index, D embedding size, Q examples of a query, K hits.
Times are seconds since 1970 (UTC); offsets are seconds from the start of a video, 0 for an image.
"""

from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

IMAGE, VIDEO = "image", "video"
FORMAT_VERSION = 1


class People(NamedTuple):
    """The people of one picture.

    Attributes:
        boxes: (n, 4) float32 XYXY, pixels of the picture.
        scores: (n,) float32, detection scores in [0, 1].
        embeddings: (n, D) float32, unit length; times the score where the model's configuration sets
            TEST.SEARCH.CONFIDENCE_WEIGHT.
    """

    boxes: np.ndarray
    scores: np.ndarray
    embeddings: np.ndarray


class Added(NamedTuple):
    """What came into an index.

    Attributes:
        num_records: of those that were given; the others were there already.
        num_people: of these.
    """

    num_records: int
    num_people: int


@dataclass(frozen=True)
class Source:
    """An image file or a video.

    Attributes:
        path: absolute path, as it was when the file was indexed.
        content: hash of the file's bytes, which is what makes it this source.
        kind: ``IMAGE`` or ``VIDEO``.
        size: bytes.
        modified_ns: the file's time of change, nanoseconds since 1970.
        width: pixels, upright.
        height: pixels, upright.
        start: time of the picture, or of the video's first frame.
        duration: seconds; 0 for an image.
        indexed_until: offset up to which it is in the index; ``None`` once it is whole.
        note: what was wrong with it, in words; "" if nothing.
        id: set by the store.
    """

    path: str
    content: str
    kind: str
    size: int
    modified_ns: int
    width: int
    height: int
    start: float
    duration: float = 0.0
    indexed_until: float | None = None
    note: str = ""
    id: int = 0


@dataclass(frozen=True, eq=False)
class Frame:
    """One picture of a source: the image itself, or a frame of the video.

    Attributes:
        offset: where it is in the video.
        until: offset up to which nothing changed in the video; ``offset`` if unknown.
        people: whom it shows.
        thumbnail: grey picture of 16 x 12 pixels, row by row; tells copies from other pictures.
    """

    offset: float
    until: float
    people: People
    thumbnail: bytes


@dataclass(frozen=True)
class Where:
    """Which rows count. ``None`` leaves a bound open; bounds are included.

    Attributes:
        sources: ids of sources.
        times: from, to.
        offsets: from, to, seconds from the start of the video.
        min_score: lowest detection score.
    """

    sources: Collection[int] | None = None
    times: tuple[float | None, float | None] = (None, None)
    offsets: tuple[float | None, float | None] = (None, None)
    min_score: float = 0.0

    @property
    def is_everything(self) -> bool:
        """No row is left out."""
        bounds = (*self.times, *self.offsets)
        return self.sources is None and bounds == (None,) * 4 and self.min_score <= 0


@dataclass(frozen=True, eq=False)
class Rows:
    """People of the index, one each row.

    Attributes:
        ids: (K,) int64, one for each person, stable while the index lives.
        sources: (K,) int64, ids of their sources.
        offsets: (K,) float64.
        untils: (K,) float64, see :class:`Frame`.
        times: (K,) float64.
        boxes: (K, 4) float32 XYXY, pixels of the picture.
        scores: (K,) float32.
        embeddings: (K, D) float32.
        similarities: (K,) float32 in [-1, 1]; empty where nothing was searched.
    """

    ids: np.ndarray
    sources: np.ndarray
    offsets: np.ndarray
    untils: np.ndarray
    times: np.ndarray
    boxes: np.ndarray
    scores: np.ndarray
    embeddings: np.ndarray
    similarities: np.ndarray = field(default_factory=lambda: np.zeros(0, np.float32))

    def __len__(self) -> int:
        return len(self.ids)


class Counts(NamedTuple):
    """How much an index holds; ``frames`` are pictures with people."""

    sources: int
    frames: int
    people: int


class Store(ABC):
    """An index of people.

    Backends raise OSError where the index cannot be reached or written (away, full, locked), and ValueError where it
    is none; the message says what to do.
    """

    @abstractmethod
    def read_meta(self, key: str) -> Any:
        """Read what :meth:`write_meta` kept (JSON types); ``None`` if there is nothing."""

    @abstractmethod
    def write_meta(self, key: str, value: Any) -> None:
        """Keep a value of JSON types."""

    @abstractmethod
    def sources(self, ids: Collection[int] | None = None) -> list[Source]:
        """Sources in the order in which they came: all, or those of some ids that are there."""

    @abstractmethod
    def add(self, records: Sequence[tuple[Source, Sequence[Frame]]]) -> Added:
        """Add sources with their frames, or the next frames of a video; all of it or nothing.

        Args:
            records: a video that is not whole comes again, with the frames after its ``indexed_until``.

        Returns:
            What was added. A source whose content is in the index and whole is left out.

        Raises:
            ValueError: embeddings are not (n, D) with the D of the index or not of unit length, or a number is not
                finite.
        """

    @abstractmethod
    def move(self, source_id: int, path: str, modified_ns: int) -> None:
        """The same content is at another path now."""

    @abstractmethod
    def search(self, examples: np.ndarray, top: int, where: Where = Where()) -> Rows:
        """Find the people most like all examples.

        Args:
            examples: (Q, D) unit length; a row's similarity is the mean of its best min(3, Q) inner products.
            top: largest number of rows, >= 1.
            where: which rows count.

        Returns:
            At most ``top`` rows, most similar first, rows of equal similarity in the order of their ids.
        """

    @abstractmethod
    def rows(self, where: Where = Where(), limit: int | None = None) -> Rows:
        """People in the order of their ids; with ``limit`` that many, evenly spread over all of them."""

    @abstractmethod
    def people(self, ids: np.ndarray) -> Rows:
        """People by their ids, in ascending order; those that are not there are left out."""

    @abstractmethod
    def thumbnails(self, ids: np.ndarray) -> list[bytes]:
        """The thumbnails of the pictures that show these people."""

    @abstractmethod
    def windows(self, where: Where, seconds: float) -> int:
        """How many images and stretches of video (of ``seconds`` each) with people count."""

    @abstractmethod
    def remove_sources(self, ids: Collection[int]) -> int:
        """Forget sources with everybody in them; the number of people."""

    @abstractmethod
    def remove_people(self, ids: np.ndarray) -> int:
        """Forget people; the number of them. Their sources stay known."""

    @abstractmethod
    def purge(self) -> int:
        """Free the room of what was removed, so that nothing of it stays in the files; bytes that became free."""

    @abstractmethod
    def count(self) -> Counts:
        """How much is in the index."""

    @abstractmethod
    def close(self) -> None:
        """Let go of the index."""

    def __enter__(self) -> "Store":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def open_store(where: str, *, create: bool = False, read_only: bool = False, half: bool = False) -> Store:
    """Open an index.

    Args:
        where: path of a file, or the address of a Milvus server (``http://host:19530/name``).
        create: make it if it is not there.
        read_only: others may write meanwhile.
        half: a new file keeps vectors as float16, half as large.

    Returns:
        The index.

    Raises:
        FileNotFoundError: it is not there.
        ValueError: it is no index, or one of another version.
        OSError: it cannot be reached.
    """
    if "://" in where:
        from inet_d2.search.milvus_store import MilvusStore

        return MilvusStore(where, create=create)
    from inet_d2.search.sqlite_store import SQLiteStore

    return SQLiteStore(where, create=create, read_only=read_only, half=half)
