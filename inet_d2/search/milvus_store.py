"""The index on a Milvus server or cluster, for those who outgrow one machine.

Milvus has no transactions over several calls. A source is therefore written first as *pending*, then its people, then
the source as it is; people of pending sources are no part of any answer, and ids are hashes, so that a batch that was
interrupted is repeated without doubles.
"""

import base64
import hashlib
import json
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from inet_d2.search.milvus_schema import EVERYTHING, PEOPLE_FIELDS, create_collections, create_people, filter_of
from inet_d2.search.people_check import check_people
from inet_d2.search.people_matrix import join_rows, select
from inet_d2.search.similarity import combined_similarities, top_rows
from inet_d2.search.store import FORMAT_VERSION, Added, Counts, Frame, Rows, Source, Store, Where

TIMEOUT = 20.0  # seconds for one call
MOST = 16_000  # rows of one answer; Milvus gives 16,384 at most
BLOCK = 2_000  # rows of one call: 64 MB are refused
PART = 60_000  # characters of one piece of a kept value
NO_ROWS: list[dict[str, Any]] = []


class MilvusStore(Store):
    """An index on a server.

    Args:
        where: ``http://host:19530/name``; the name is that of the index, "people" without one.
        create: make it if it is not there.

    Raises:
        FileNotFoundError: the server has no such index.
        OSError: the server cannot be reached.
        ValueError: pymilvus is missing, or the index has another version.
    """

    def __init__(self, where: str, *, create: bool = False) -> None:
        try:
            import pymilvus
        except ImportError as error:
            raise ValueError("an index on a server needs pymilvus, and there is none: pip install pymilvus") from error
        scheme, _, rest = where.partition("://")
        server, _, name = rest.partition("/")
        self._where, self._name = where, name.strip("/") or "people"
        self._error = pymilvus.MilvusException
        self._size: int | None = None
        with self._explained():
            self._client = pymilvus.MilvusClient(f"{scheme}://{server}", timeout=TIMEOUT)
            if not self._has("meta"):
                if not create:
                    raise FileNotFoundError(
                        f"index {where}: there is none; make it with: inet-search index SOURCE --to {where}"
                    )
                create_collections(self._client, self._name)
                self.write_meta("format", FORMAT_VERSION)
        if (version := self.read_meta("format")) != FORMAT_VERSION:
            raise ValueError(f"index {where}: expected format {FORMAT_VERSION}, found {version}; make it anew")

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except self._error as error:
            raise OSError(
                f"index {self._where}: the server does not do this ({error.message}); is it running, and is this its "
                "address?"
            ) from error

    def _has(self, kind: str) -> bool:
        return self._client.has_collection(f"{self._name}_{kind}")

    def _query(self, kind: str, expression: str, fields: Sequence[str], limit: int | None = None) -> list[dict]:
        """Rows of a collection; without a limit all of them."""
        if not self._has(kind):
            return NO_ROWS
        name = f"{self._name}_{kind}"
        with self._explained():
            if limit is not None:
                return self._client.query(name, filter=expression, output_fields=list(fields), limit=limit)
            rows: list[dict] = []
            pages = self._client.query_iterator(name, batch_size=BLOCK, filter=expression, output_fields=list(fields))
            while page := pages.next():
                rows += page
            pages.close()
        return rows

    def read_meta(self, key: str) -> Any:  # noqa: D102
        rows = self._query("meta", f'key >= "{key}/" && key < "{key}0"', ["key", "value"])
        parts = [row["value"] for row in sorted(rows, key=lambda row: row["key"])]
        return json.loads("".join(parts)) if parts else None

    def write_meta(self, key: str, value: Any) -> None:  # noqa: D102
        text = json.dumps(value)
        parts = [text[i : i + PART] for i in range(0, len(text), PART)]
        rows = [{"key": f"{key}/{i:04}", "value": part, "nothing": [0.0, 0.0]} for i, part in enumerate(parts)]
        with self._explained():
            self._client.delete(f"{self._name}_meta", filter=f'key >= "{key}/" && key < "{key}0"')
            self._client.upsert(f"{self._name}_meta", rows)

    def _dimension(self) -> int | None:
        """D; ``None`` while nobody is in the index."""
        self._size = self._size or self.read_meta("dimension")
        return self._size

    def sources(self, ids: Collection[int] | None = None) -> list[Source]:  # noqa: D102
        return [source for _, source in sorted(self._known(ids).values(), key=lambda known: known[0])]

    def _known(self, ids: Collection[int] | None = None) -> dict[int, tuple[int, Source]]:
        """When it came, and the source, by id; without the pending ones. ``None`` for all."""
        if ids is None:
            rows = self._query("sources", EVERYTHING, ["id", "value"])
        else:
            wanted, rows = list(ids), []
            for first in range(0, len(wanted), BLOCK):
                some = wanted[first : first + BLOCK]
                rows += self._query("sources", f"id in {some}", ["id", "value"], len(some))
        values = {int(row["id"]): json.loads(row["value"]) for row in rows}
        return {i: (v["came"], Source(**v["source"])) for i, v in values.items() if not v["is_pending"]}

    def _write_source(self, source: Source, came: int, *, is_pending: bool) -> None:
        value = json.dumps({"came": came, "is_pending": is_pending, "source": asdict(source)})
        with self._explained():
            row = {"id": source.id, "value": value, "nothing": [0.0, 0.0]}
            self._client.upsert(f"{self._name}_sources", [row])

    def add(self, records: Sequence[tuple[Source, Sequence[Frame]]]) -> Added:  # noqa: D102
        for source, frames in records:
            self._check_sizes(source, frames)
        counts = [self._add(source, frames) for source, frames in records]
        return Added(sum(count is not None for count in counts), sum(count or 0 for count in counts))

    def _check_sizes(self, source: Source, frames: Sequence[Frame]) -> None:
        dimension = self._dimension()
        for people in (frame.people for frame in frames if len(frame.people.boxes)):
            dimension = dimension or people.embeddings.shape[-1]
            check_people(people, dimension, f"index {self._where}: {source.path}")
            if not self._has("people"):
                with self._explained():
                    create_people(self._client, self._name, dimension)
                self.write_meta("dimension", dimension)

    def _add(self, source: Source, frames: Sequence[Frame]) -> int | None:
        """People who were added; ``None`` for a record that the index has."""
        source = replace(source, id=_hash(source.content))
        came, known = self._known([source.id]).get(source.id, (time.time_ns(), None))
        begin = -1.0
        if known is not None:
            if known.indexed_until is None:
                return None
            begin = known.indexed_until
            if source.indexed_until is not None and source.indexed_until <= begin:
                return None  # another process was faster
            source = replace(source, path=known.path, start=known.start)
        else:
            self._write_source(source, came, is_pending=True)
        rows = [row for frame in frames if frame.offset >= begin for row in _people_rows(source, frame)]
        with self._explained():
            for first in range(0, len(rows), BLOCK):
                self._client.upsert(f"{self._name}_people", rows[first : first + BLOCK])
        self._write_source(source, came, is_pending=False)
        return len(rows)

    def move(self, source_id: int, path: str, modified_ns: int) -> None:  # noqa: D102
        came, source = self._known([source_id])[source_id]
        self._write_source(replace(source, path=path, modified_ns=modified_ns), came, is_pending=False)

    def search(self, examples: np.ndarray, top: int, where: Where = Where()) -> Rows:  # noqa: B008, D102
        examples = np.asarray(examples, dtype=np.float32)
        dimension = self._dimension()
        if examples.ndim != 2 or not len(examples) or (dimension or examples.shape[1]) != examples.shape[1]:
            raise ValueError(f"index {self._where}: query: expected examples (Q, {dimension}), found {examples.shape}")
        if not np.isfinite(examples).all():
            raise ValueError(f"index {self._where}: query: expected finite examples, found NaN or infinity")
        if top < 1:
            raise ValueError(f"index {self._where}: top: expected at least 1, found {top}")
        if not self._has("people") or (where.sources is not None and not where.sources):
            return self._rows(NO_ROWS)
        # several examples: whoever is among the best of the mean is near the top of one of them
        limit = min(MOST, top if len(examples) == 1 else 4 * top)
        with self._explained():
            answers = self._client.search(
                f"{self._name}_people", data=examples.tolist(), filter=filter_of(where), limit=limit,
                output_fields=list(PEOPLE_FIELDS), anns_field="embedding",
                search_params={"metric_type": "IP", "params": {"ef": max(96, limit)}},
            )  # fmt: skip
        found = {hit["id"]: {"id": hit["id"], **hit["entity"]} for answer in answers for hit in answer}
        rows = self._rows(list(found.values()))
        similarities = combined_similarities(rows.embeddings, examples)
        return select(replace(rows, similarities=similarities), top_rows(similarities, top))

    def rows(self, where: Where = Where(), limit: int | None = None) -> Rows:  # noqa: B008, D102
        if where.sources is not None and not where.sources:
            return self._rows(NO_ROWS)
        if limit is None:
            return self._rows(self._query("people", filter_of(where), PEOPLE_FIELDS))
        # ids are hashes, so any of them are a fair sample
        ids = np.sort([int(row["id"]) for row in self._query("people", filter_of(where), ["id"], MOST)])
        return self.people(ids if len(ids) <= limit else ids[np.arange(limit) * len(ids) // limit])

    def people(self, ids: np.ndarray) -> Rows:  # noqa: D102
        found: list[dict] = []
        for first in range(0, len(ids), BLOCK):
            wanted = [int(i) for i in ids[first : first + BLOCK]]
            found += self._query("people", f"id in {wanted}", PEOPLE_FIELDS, len(wanted))
        return self._rows(found)

    def _rows(self, found: Sequence[Mapping[str, Any]]) -> Rows:
        """Rows in the order of their ids, without the people of pending sources."""
        known = self._known({int(row["source"]) for row in found})
        found = sorted((row for row in found if int(row["source"]) in known), key=lambda row: row["id"])
        if not found:
            return join_rows([], self._dimension() or 0)
        columns = [np.array([row[name] for row in found]) for name in ("id", "source", "place", "until", "time")]
        boxes = np.array([[row[name] for name in ("x1", "y1", "x2", "y2")] for row in found], np.float32)
        scores = np.array([row["score"] for row in found], np.float32)
        return Rows(*columns, boxes, scores, np.array([row["embedding"] for row in found], np.float32))

    def thumbnails(self, ids: np.ndarray) -> list[bytes]:  # noqa: D102
        wanted = [int(i) for i in ids]
        rows = self._query("people", f"id in {wanted}", ["id", "thumbnail"], max(1, len(wanted)))
        found = {int(row["id"]): base64.b64decode(row["thumbnail"]) for row in rows}
        return [found.get(i, b"") for i in wanted]

    def windows(self, where: Where, seconds: float) -> int:  # noqa: D102
        if where.sources is not None and not where.sources:
            return 0
        rows = self._query("people", filter_of(where), ["source", "place"])
        return len({(row["source"], row["place"] // seconds) for row in rows})

    def remove_sources(self, ids: Collection[int]) -> int:  # noqa: D102
        wanted = [int(i) for i in ids]
        if not wanted:
            return 0
        num_people = len(self._query("people", f"source in {wanted}", ["id"]))
        with self._explained():
            if self._has("people"):
                self._client.delete(f"{self._name}_people", filter=f"source in {wanted}")
            self._client.delete(f"{self._name}_sources", ids=wanted)
        return num_people

    def remove_people(self, ids: np.ndarray) -> int:  # noqa: D102
        num_people = len(self.people(np.asarray(ids)))
        with self._explained():
            for first in range(0, len(ids), BLOCK):
                self._client.delete(f"{self._name}_people", ids=[int(i) for i in ids[first : first + BLOCK]])
        return num_people

    def purge(self) -> int:
        """Ask the server to compact; it does so when it likes, and does not say how much became free."""
        with self._explained():
            for kind in ("people", "sources"):
                if self._has(kind):
                    self._client.flush(f"{self._name}_{kind}")
                    self._client.compact(f"{self._name}_{kind}")
        return 0

    def count(self) -> Counts:  # noqa: D102
        known = self._known()
        rows = self._query("people", EVERYTHING, ["source", "place"])
        frames = {(row["source"], row["place"]) for row in rows if int(row["source"]) in known}
        return Counts(len(known), len(frames), sum(int(row["source"]) in known for row in rows))

    def close(self) -> None:  # noqa: D102
        self._client.close()


def _hash(*parts: object) -> int:
    """A number of 63 bits."""
    digest = hashlib.blake2b("/".join(map(str, parts)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


def _people_rows(source: Source, frame: Frame) -> Iterator[dict[str, Any]]:
    thumbnail = base64.b64encode(frame.thumbnail).decode()
    boxes, scores, embeddings = frame.people
    for number, (box, score, embedding) in enumerate(zip(boxes, scores, embeddings, strict=True)):
        yield {
            "id": _hash(source.content, f"{frame.offset:.6f}", number),
            "source": source.id,
            "place": frame.offset,
            "until": frame.until,
            "time": source.start + frame.offset,
            "end_time": source.start + frame.until,
            **dict(zip(("x1", "y1", "x2", "y2"), map(float, box), strict=True)),
            "score": float(score),
            "thumbnail": thumbnail,
            "embedding": np.asarray(embedding, np.float32).tolist(),
        }
