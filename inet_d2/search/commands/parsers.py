"""Options that several commands share."""

import argparse
from typing import Any

from inet_d2.search.moments import parse_moment
from inet_d2.search.store import Source, Store, Where


def add_command(commands: Any, name: str, help_text: str, examples: str = "") -> argparse.ArgumentParser:
    """A command with its help; INDEX is its first argument unless it is called index."""
    parser = commands.add_parser(
        name,
        help=help_text,
        description=f"{help_text[0].upper()}{help_text[1:]}.",
        epilog=examples and f"Examples:\n{examples}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    if name not in ("index", "watch"):
        parser.add_argument("index", metavar="INDEX", help="file of the index")
    return parser


def add_filters(parser: argparse.ArgumentParser) -> None:
    """``--from``, ``--to`` and ``--source``."""
    moment = "a date (2026-05-31, 2026-05-31T20:15) or a place in the videos (90, 1:30)"
    parser.add_argument("--from", dest="begin", metavar="T", help=f"not before this: {moment}")
    parser.add_argument("--to", dest="end", metavar="T", help="not after this")
    parser.add_argument("--source", action="append", metavar="S", help="only files whose path contains S; repeatable")


def where_of(args: argparse.Namespace, store: Store, min_score: float = 0.0) -> Where:
    """What the options of :func:`add_filters` ask for.

    Raises:
        ValueError: a time that cannot be read, or no source has such a path.
    """
    bounds: dict[str, list[float | None]] = {"time": [None, None], "offset": [None, None]}
    for place, text in enumerate((args.begin, args.end)):
        if text is not None:
            kind, seconds = parse_moment(text)
            bounds[kind][place] = seconds
    for low, high in bounds.values():
        if low is not None and high is not None and low > high:
            raise ValueError(f"--from {args.begin} is after --to {args.end}; exchange them")
    sources = None
    if args.source:
        sources = [source.id for source in matching_sources(store, args.source)]
    return Where(sources, tuple(bounds["time"]), tuple(bounds["offset"]), min_score)


def matching_sources(store: Store, parts: list[str]) -> list[Source]:
    """Sources whose path contains one of some texts."""
    found = [source for source in store.sources() if any(part in source.path for part in parts)]
    if not found:
        raise ValueError(
            f"--source {' '.join(parts)}: no file of the index has that in its path; see: inet-search info"
        )
    return found
