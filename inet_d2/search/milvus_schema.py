"""The collections of an index on a Milvus server: people, sources, and what else is kept."""

from typing import Any

from inet_d2.search.store import Where

NUMBERS = ("place", "until", "time", "end_time", "x1", "y1", "x2", "y2", "score")  # place: offset, a word of SQL's
PEOPLE_FIELDS = ("id", "source", *NUMBERS, "embedding")
EVERYTHING = "id >= -9223372036854775807"


def create_collections(client: Any, name: str) -> None:
    """Make the collections of sources and of kept values; Milvus wants a vector in each."""
    from pymilvus import DataType

    for kind, key, key_type in (("sources", "id", DataType.INT64), ("meta", "key", DataType.VARCHAR)):
        schema = client.create_schema(auto_id=False)
        length = {"max_length": 200} if key_type == DataType.VARCHAR else {}
        schema.add_field(key, key_type, is_primary=True, **length)
        schema.add_field("value", DataType.VARCHAR, max_length=65535)
        schema.add_field("nothing", DataType.FLOAT_VECTOR, dim=2)
        _create(client, f"{name}_{kind}", schema, "nothing", "FLAT", {}, ())


def create_people(client: Any, name: str, dimension: int) -> None:
    """Make the collection of people, once the size of their embeddings is known."""
    from pymilvus import DataType

    schema = client.create_schema(auto_id=False)
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("source", DataType.INT64)
    for field in NUMBERS:
        schema.add_field(field, DataType.DOUBLE)
    schema.add_field("thumbnail", DataType.VARCHAR, max_length=512)
    schema.add_field("embedding", DataType.FLOAT_VECTOR, dim=dimension)
    build = {"M": 16, "efConstruction": 200}
    _create(client, f"{name}_people", schema, "embedding", "HNSW", build, ("source", "time", "place"))


def _create(
    client: Any, name: str, schema: Any, vector: str, index: str, build: dict[str, int], scalars: tuple[str, ...]
) -> None:
    indexes = client.prepare_index_params()
    indexes.add_index(vector, index_type=index, metric_type="IP", params=build)
    for field in scalars:
        indexes.add_index(field, index_type="INVERTED")
    client.create_collection(name, schema=schema, index_params=indexes, consistency_level="Strong")


def filter_of(where: Where) -> str:
    """A filter in Milvus' words; numbers only, so nothing of the user's can be misread."""
    parts = []
    if where.sources is not None:
        parts.append(f"source in {[int(i) for i in where.sources]}")
    for begin, end, (low, high) in (("time", "end_time", where.times), ("place", "until", where.offsets)):
        if low is not None:
            parts.append(f"{end} >= {float(low)!r}")
        if high is not None:
            parts.append(f"{begin} <= {float(high)!r}")
    if where.min_score > 0:
        parts.append(f"score >= {float(where.min_score) - 1e-6!r}")
    return " && ".join(parts) or EVERYTHING
