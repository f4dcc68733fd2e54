"""Options that several commands share."""

import argparse
from typing import Any

from inet_d2.search.filters import make_where
from inet_d2.search.store import Store, Where


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
        parser.add_argument("index", metavar="INDEX", help="file of the index, or address of a Milvus server")
    return parser


def add_filters(parser: argparse.ArgumentParser) -> None:
    """``--from``, ``--to`` and ``--source``."""
    moment = "a date (2026-05-31, 2026-05-31T20:15) or a place in the videos (90, 1:30)"
    parser.add_argument("--from", dest="begin", metavar="T", help=f"not before this: {moment}")
    parser.add_argument("--to", dest="end", metavar="T", help="not after this")
    parser.add_argument("--source", action="append", metavar="S", help="only files whose path contains S; repeatable")


def where_of(args: argparse.Namespace, store: Store) -> Where:
    """What the options of :func:`add_filters` ask for; see :func:`inet_d2.search.filters.make_where`."""
    return make_where(store, args.begin, args.end, args.source or ())


def index_files(index: str) -> list[str]:
    """What an output must not replace: the file of an index, and what SQLite keeps beside it while it is open."""
    return [index, *(f"{index}-{kind}" for kind in ("wal", "shm", "journal"))]
