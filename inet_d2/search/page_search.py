"""What the search page asks for, in JSON types; pictures that were uploaded stay in memory only."""

import io
import secrets
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image

from inet_d2.image_file import upright_rgb
from inet_d2.search.answer_files import answer_as_json
from inet_d2.search.answer_pictures import outlined
from inet_d2.search.embedder import Embedder
from inet_d2.search.filters import make_where
from inet_d2.search.query import Query, search
from inet_d2.search.query_picture import QueryPicture, choose_box, detect_people
from inet_d2.search.similarity import unit_rows
from inet_d2.search.source_picture import crop_of, picture_of
from inet_d2.search.store import Rows, Source, Store
from inet_d2.visualization.jpeg import encode_jpeg

KEPT_PICTURES = 20  # uploads in memory; the oldest go first
MAX_PIXELS = 50_000_000
MAX_ROWS = 100
CROP_SIZE, SCENE_SIZE = (240, 480), (1600, 1200)


class PageSearch:
    """Answers for one page. Requests run in threads and take turns at the model and the index.

    Args:
        store: the index.
        embedder: its model.
        name: of the index, for the page's title.
    """

    def __init__(self, store: Store, embedder: Embedder, name: str) -> None:
        self._store = store
        self._embedder = embedder
        self._name = name
        self._min_score = (store.read_meta("settings") or {}).get("min_score", 0.5)
        self._pictures: OrderedDict[str, np.ndarray] = OrderedDict()
        self._lock = threading.Lock()

    def info(self) -> dict[str, Any]:
        """Name, counts and first and last time of the index."""
        with self._lock:
            counts, curve, sources = self._store.count(), self._store.read_meta("curve"), self._store.sources()
        times = [source.start for source in sources]
        return {
            "name": self._name,
            "files": counts.sources,
            "people": counts.people,
            "calibrated_on": curve and curve["data"],
            "begin": min(times, default=None),
            "end": max((source.start + source.duration for source in sources), default=None),
        }

    def add_picture(self, content: bytes) -> dict[str, Any]:
        """Keep an upload and find its people.

        Args:
            content: JPEG, PNG or WebP.

        Returns:
            ``picture`` (a token), ``width``, ``height``, ``boxes`` from left to right.

        Raises:
            ValueError: it is no such picture, or too large.
        """
        picture = _decoded(content)
        token = secrets.token_urlsafe(12)
        with self._lock:
            boxes = detect_people(self._embedder, picture, self._min_score)
            self._pictures[token] = picture
            while len(self._pictures) > KEPT_PICTURES:
                self._pictures.popitem(last=False)
        height, width = picture.shape[:2]
        return {"picture": token, "width": width, "height": height, "boxes": boxes.round(1).tolist()}

    def answer(self, asked: Any) -> dict[str, Any]:
        """Search.

        Args:
            asked: ``examples``, each ``{picture, box}`` or ``{person}``; ``rejected``, ids of people; ``top``,
                ``false_alarms``, ``begin``, ``end``, ``source``, ``all``, as the options of ``inet-search query``.

        Returns:
            See :func:`inet_d2.search.answer_files.answer_as_json`; each row also has ``has_picture``.

        Raises:
            ValueError: something in it does not fit.
        """
        if not isinstance(asked, Mapping) or not isinstance(asked.get("examples"), list) or not asked["examples"]:
            raise ValueError("examples: expected at least one picture or person")
        with self._lock:
            pictures, examples = self._examples(asked["examples"])
            rejected = self._embeddings(asked.get("rejected") or [])
            part = str(asked.get("source") or "")
            query = Query(
                examples,
                rejected=rejected,
                pictures=pictures,
                top=min(_number(asked, "top", 20, int), MAX_ROWS),
                where=make_where(
                    self._store, _text(asked, "begin"), _text(asked, "end"), [part] if part else []
                ),
                false_alarms=_number(asked, "false_alarms", 0.05, float),
                gap=0.0 if asked.get("all") else 2.0,
            )  # fmt: skip
            answer = search(self._store, query)
            found = answer_as_json(answer, self._store.read_meta("model") or {})
        for row, hit in zip(found["found"], answer.found, strict=True):
            row["seconds"] = hit.sighting.time
            row["duration"] = hit.source.duration
        return found

    def _examples(self, asked: Sequence[Any]) -> tuple[list[QueryPicture], np.ndarray]:
        pictures, embeddings, people = [], [], []
        for example in asked:
            if isinstance(example, Mapping) and "person" in example:
                people.append(example["person"])
                continue
            token = example.get("picture") if isinstance(example, Mapping) else None
            picture = self._pictures.get(token) if isinstance(token, str) else None
            if picture is None:
                raise ValueError("the picture is not here any more; drop it again")
            box = choose_box(self._embedder, picture, "picture", box=_box(example), person=None, min_score=0.0)
            embedding = self._embedder.embed(picture, box[None])[0]
            pictures.append(QueryPicture("picture", picture, box, embedding))
            embeddings.append(embedding[None])
        embeddings.append(self._embeddings(people))
        if not sum(map(len, embeddings)):
            raise ValueError("examples: nobody in the index has these numbers any more; search again")
        return pictures, np.concatenate(embeddings)

    def _embeddings(self, people: Any) -> np.ndarray:
        return unit_rows(self._people(people).embeddings)

    def _people(self, ids: Any) -> Rows:
        if not isinstance(ids, list) or not all(isinstance(i, int) and abs(i) < 1 << 63 for i in ids):
            raise ValueError("people: expected a list of numbers")
        return self._store.people(np.array(ids, dtype=np.int64))

    def source(self, source_id: int) -> Source | None:
        """A source by its id; ``None`` if there is none."""
        if source_id >= 1 << 63:
            return None
        with self._lock:
            return next(iter(self._store.sources([source_id])), None)

    def uploaded_jpeg(self, token: str) -> bytes | None:
        """An upload as the page shows it, without what the camera wrote into it."""
        picture = self._pictures.get(token)
        return None if picture is None else encode_jpeg(picture, SCENE_SIZE)

    def crop_jpeg(self, person: int) -> bytes | None:
        """A person; ``None`` if there is no such person, or the file was moved."""
        found = self._picture_of(person)
        return found and encode_jpeg(crop_of(*found), CROP_SIZE)

    def scene_jpeg(self, person: int) -> bytes | None:
        """The picture that shows a person, with the person outlined."""
        found = self._picture_of(person)
        return found and encode_jpeg(outlined(*found), SCENE_SIZE)

    def _picture_of(self, person: int) -> tuple[np.ndarray, np.ndarray] | None:
        if abs(person) >= 1 << 63:
            return None
        with self._lock:
            rows = self._people([person])
        source = self.source(int(rows.sources[0])) if len(rows) else None
        picture = source and picture_of(source, float(rows.offsets[0]))
        return None if picture is None else (picture, rows.boxes[0])


def _decoded(content: bytes) -> np.ndarray:
    try:
        with Image.open(io.BytesIO(content), formats=("JPEG", "PNG", "WEBP")) as image:
            if image.width * image.height > MAX_PIXELS:
                raise ValueError(f"the picture is too large: expected at most {MAX_PIXELS // 1_000_000} million pixels")
            return upright_rgb(image)
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError("this is no JPEG, PNG or WebP picture that can be read") from error


def _box(example: Mapping[str, Any]) -> list[float]:
    box = example.get("box")
    if not isinstance(box, list) or len(box) != 4 or not all(isinstance(x, (int, float)) for x in box):
        raise ValueError("box: expected four numbers")
    return box


def _text(asked: Mapping[str, Any], key: str) -> str | None:
    return str(asked[key]).strip() if asked.get(key) else None


def _number(asked: Mapping[str, Any], key: str, default: float, kind: type) -> Any:
    try:
        return kind(asked.get(key) or default)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{key}: expected a number, found {asked[key]!r}") from error
