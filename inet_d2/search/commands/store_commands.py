"""`inet-search info`, `remove`, `keep` and `export`: look after an index."""

import argparse
import csv
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from inet_d2.files import check_output, written_aside
from inet_d2.search.commands.exit_codes import DONE
from inet_d2.search.commands.parsers import add_command, add_filters, index_files, where_of
from inet_d2.search.commands.query_command import read_queries
from inet_d2.search.commands.words import num_files, num_people
from inet_d2.search.filters import matching_sources
from inet_d2.search.moments import format_time
from inet_d2.search.sources import is_unchanged
from inet_d2.search.store import Rows, Store, Where, open_store

REMOVE_EXAMPLES = """  Some files; an evening (people in it, the files stay known); a person, first a look, then --yes:
    inet-search remove street.index --source yard.mp4
    inet-search remove street.index --from 2026-05-31T18:00 --to 2026-05-31T22:00
    inet-search remove street.index --image somebody.jpg --similarity 0.8
    inet-search remove street.index --image somebody.jpg --similarity 0.8 --yes
"""
COLUMNS = ("person", "path", "kind", "time", "offset", "until", "x1", "y1", "x2", "y2", "score")
DAY = 86400.0


def add_parsers(commands: Any) -> None:
    """Add the commands to the command line."""
    parser = add_command(commands, "info", "say what an index holds")
    parser.add_argument("--json", action="store_true", help="as JSON")
    parser.add_argument("--files", action="store_true", help="list its files")
    parser.set_defaults(run=run_info)
    parser = add_command(commands, "remove", "forget files, times or a person for good", REMOVE_EXAMPLES)
    add_filters(parser)
    parser.add_argument("--image", action="append", type=Path, metavar="IMG", help="forget the person in this picture")
    parser.add_argument("--box", nargs=4, type=float, action="append", metavar=("X1", "Y1", "X2", "Y2"))
    parser.add_argument("--person", type=int, action="append", metavar="N", help="which of several, from the left")
    parser.add_argument(
        "--similarity", type=float, metavar="S", help="with --image: forget everybody at least so alike"
    )
    parser.add_argument("--yes", action="store_true", help="with --image: do it; without, only show who would go")
    parser.add_argument("--weights", metavar="W", help="where the index's checkpoint is now")
    parser.set_defaults(run=run_remove, sheet=None)
    parser = add_command(commands, "keep", "forget everybody seen before the last days, for good")
    parser.add_argument("--days", type=float, required=True, metavar="N", help="days to keep")
    parser.set_defaults(run=run_keep)
    parser = add_command(commands, "export", "write all people as CSV or Parquet")
    parser.add_argument("output", type=Path, metavar="OUT", help="file.csv, or file.parquet with embeddings (pyarrow)")
    add_filters(parser)
    parser.set_defaults(run=run_export)


def run_info(args: argparse.Namespace) -> int:
    """Print what the index holds."""
    with open_store(args.index, read_only=True) as store:
        found = describe(store)
        sources = store.sources() if args.files else []
    if args.json:
        json.dump({**found, "files": [vars(source) for source in sources]}, sys.stdout, indent=2)
        print()
        return DONE
    for key, value in found.items():
        print(f"{key.replace('_', ' '):>18}: {value}")
    for source in sources:
        state = source.note or ("not to its end" if source.indexed_until is not None else "")
        print(f"{source.id:>6}  {format_time(source.start)}  {ascii_safe(source.path)}{state and f'  ({state})'}")
    return DONE


def ascii_safe(path: str) -> str:
    """A path whose control characters cannot play with the terminal."""
    return path if path.isprintable() else path.encode("unicode_escape").decode()


def describe(store: Store) -> dict[str, Any]:
    """What an index holds, in JSON types."""
    counts, model, curve = store.count(), store.read_meta("model") or {}, store.read_meta("curve")
    sources = store.sources()
    times = [source.start for source in sources]
    return {
        "files": counts.sources,
        "of_them_videos": sum(source.kind == "video" for source in sources),
        "not_to_their_end": sum(bool(source.note) or source.indexed_until is not None for source in sources),
        "moved_or_changed": sum(not is_unchanged(s.path, s.size, s.modified_ns) for s in sources),
        "people": counts.people,
        "pictures_with_people": counts.frames,
        "from": format_time(min(times)) if times else None,
        "to": format_time(max(times)) if times else None,
        "embedding_size": store.read_meta("dimension"),
        "model": model.get("fingerprint"),
        "weights": model.get("weights") or model.get("embedder"),
        "settings": store.read_meta("settings"),
        "calibrated_on": curve["data"] if curve else None,
    }


def run_remove(args: argparse.Namespace) -> int:
    """Forget, erase from the file, and say how much."""
    has_times = args.begin is not None or args.end is not None
    if not (has_times or args.source or args.image):
        raise ValueError("remove: say what: --source S, --from T, --to T, or --image IMG")
    with open_store(args.index) as store:
        if args.image:
            return _remove_person(args, store)
        if not has_times:
            sources = matching_sources(store, args.source)
            return _report(store, store.remove_sources([source.id for source in sources]), len(sources))
        return _report(store, store.remove_people(store.rows(where_of(args, store)).ids), 0)


def _remove_person(args: argparse.Namespace, store: Store) -> int:
    if args.similarity is None:
        raise ValueError("--image needs --similarity S: how alike somebody must be to be forgotten (see a query first)")
    pictures = read_queries(args, store)
    examples = np.stack([picture.embedding for picture in pictures])
    rows = store.search(examples, max(1, store.count().people), where_of(args, store))
    num_alike = int((rows.similarities >= args.similarity).sum())
    if args.yes:
        return _report(store, store.remove_people(rows.ids[:num_alike]), 0)
    paths = {source.id: source.path for source in store.sources()}
    print(
        f"{num_alike} of {len(rows)} people are at least so alike; --yes forgets them. The last of them, and the next:"
    )
    for i in range(max(0, num_alike - 5), min(len(rows), num_alike + 3)):
        mark = "goes " if i < num_alike else "stays"
        print(f"  {mark} {rows.similarities[i]:.3f}  {ascii_safe(paths[int(rows.sources[i])])} {rows.offsets[i]:.1f} s")
    return DONE


def _report(store: Store, people: int, sources: int) -> int:
    freed = store.purge()
    print(f"removed: {num_people(people)}, {num_files(sources)} of the index; {freed:,} bytes freed")
    print("The pictures themselves are not touched. People of a removed file come back if it is indexed again.")
    return DONE


def run_keep(args: argparse.Namespace) -> int:
    """Forget sources that ended before the time, and people seen before it."""
    if args.days < 0:
        raise ValueError(f"--days: expected at least 0, found {args.days:g}")
    limit = time.time() - DAY * args.days
    with open_store(args.index) as store:
        old = [source.id for source in store.sources() if source.start + source.duration < limit]
        num_people = store.remove_sources(old)
        rows = store.rows(Where(times=(None, limit)))
        num_people += store.remove_people(rows.ids)
        return _report(store, num_people, len(old))


def run_export(args: argparse.Namespace) -> int:
    """Write one row for each person."""
    suffix = args.output.suffix.lower()
    if suffix not in (".csv", ".parquet"):
        raise ValueError(f"export: expected a name that ends in .csv or .parquet, found {args.output}")
    check_output(args.output, "export", index_files(args.index))
    with open_store(args.index, read_only=True) as store:
        rows = store.rows(where_of(args, store))
        table = list(_records(store, rows))
    args.output.parent.mkdir(parents=True, exist_ok=True)
    with written_aside(args.output) as aside:
        if suffix == ".csv":
            with aside.open("w", newline="", encoding="utf-8") as file:
                writer = csv.writer(file)
                writer.writerows([COLUMNS, *table])
        else:
            _write_parquet(aside, table, rows)
    print(f"exported: {len(rows)} people to {args.output}")
    return DONE


def _records(store: Store, rows: Rows) -> Iterator[tuple]:
    sources = {source.id: source for source in store.sources()}
    columns = (rows.ids, rows.sources, rows.times, rows.offsets, rows.untils, rows.boxes, rows.scores)
    for person, source_id, moment, offset, until, box, score in zip(*columns, strict=True):
        source = sources[int(source_id)]
        edges = [round(float(edge), 2) for edge in box]
        place = (format_time(moment), round(float(offset), 3), round(float(until), 3))
        yield (int(person), source.path, source.kind, *place, *edges, round(float(score), 4))


def _write_parquet(path: Path, table: list[tuple], rows: Rows) -> None:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise ValueError("Parquet needs pyarrow, and there is none: pip install pyarrow, or export to .csv") from error
    values = rows.embeddings.reshape(-1)
    columns = {name: [row[i] for row in table] for i, name in enumerate(COLUMNS)}
    columns["embedding"] = pa.FixedSizeListArray.from_arrays(pa.array(values), max(1, rows.embeddings.shape[1]))
    pq.write_table(pa.table(columns), path)
