"""Search one person in images and videos of one's own: `inet-search`, and the same from Python (docs/search.md)."""

from inet_d2.search.build_embedder import embedder_from, embedder_of
from inet_d2.search.embedder import Embedder, ModelEmbedder, build_model_embedder
from inet_d2.search.indexer import Indexer, IndexReport, IndexSettings, forget_missing
from inet_d2.search.query import Answer, Query, search
from inet_d2.search.query_picture import QueryPicture, SeveralPeopleError, read_query
from inet_d2.search.sources import list_files
from inet_d2.search.store import Frame, People, Source, Store, Where, open_store

__all__ = [
    "Answer",
    "Embedder",
    "Frame",
    "IndexReport",
    "IndexSettings",
    "Indexer",
    "ModelEmbedder",
    "People",
    "Query",
    "QueryPicture",
    "SeveralPeopleError",
    "Source",
    "Store",
    "Where",
    "build_model_embedder",
    "embedder_from",
    "embedder_of",
    "forget_missing",
    "list_files",
    "open_store",
    "read_query",
    "search",
]
