"""What a user writes to narrow a search: times, and parts of paths."""

from collections.abc import Sequence

from inet_d2.search.moments import parse_moment
from inet_d2.search.store import Source, Store, Where


def make_where(store: Store, begin: str | None, end: str | None, parts: Sequence[str]) -> Where:
    """Read a filter.

    Args:
        store: the index.
        begin: see :func:`inet_d2.search.moments.parse_moment`; ``None`` leaves it open.
        end: the same.
        parts: texts, one of which the path contains; none for all files.

    Returns:
        Which rows count.

    Raises:
        ValueError: a time that cannot be read, the end before the beginning, or no source has such a path.
    """
    bounds: dict[str, list[float | None]] = {"time": [None, None], "offset": [None, None]}
    for place, text in enumerate((begin, end)):
        if text is not None:
            kind, seconds = parse_moment(text)
            bounds[kind][place] = seconds
    for low, high in bounds.values():
        if low is not None and high is not None and low > high:
            raise ValueError(f"--from {begin} is after --to {end}; exchange them")
    sources = [source.id for source in matching_sources(store, parts)] if parts else None
    return Where(sources, tuple(bounds["time"]), tuple(bounds["offset"]))


def matching_sources(store: Store, parts: Sequence[str]) -> list[Source]:
    """Sources whose path contains one of some texts."""
    found = [source for source in store.sources() if any(part in source.path for part in parts)]
    if not found:
        raise ValueError(
            f"--source {' '.join(parts)}: no file of the index has that in its path; see: inet-search info"
        )
    return found
