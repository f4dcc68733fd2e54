"""`inet-search query`: where and when somebody was."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from inet_d2.files import check_output, check_outputs, written_aside
from inet_d2.image_file import check_picture_output
from inet_d2.search.answer_files import answer_as_csv, answer_as_json, answer_as_text
from inet_d2.search.answer_pictures import answer_as_html, draw_answer, draw_numbered
from inet_d2.search.build_embedder import embedder_of
from inet_d2.search.commands.exit_codes import DONE, NOT_ALL
from inet_d2.search.commands.parsers import add_command, add_filters, index_files, where_of
from inet_d2.search.query import Query, search
from inet_d2.search.query_picture import QueryPicture, SeveralPeopleError, read_query
from inet_d2.search.store import Store, open_store

EXAMPLES = """  The only person in a picture, or one of several (if you do not say which, they are drawn with numbers):
    inet-search query street.index --image somebody.jpg
    inet-search query street.index --image group.jpg --person 2 --sheet answer.png
  Several pictures of one person, one evening, one camera; the answer as a file:
    inet-search query street.index --image a.jpg --image b.jpg --from 2026-05-31T18:00 --source yard --json a.json
"""


def add_parsers(commands: Any) -> None:
    """Add the command to the command line."""
    parser = add_command(commands, "query", "search a person by one picture or several", EXAMPLES)
    parser.add_argument(
        "--image", required=True, action="append", type=Path, metavar="IMG", help="shows the person; repeatable"
    )
    parser.add_argument(
        "--box", nargs=4, type=float, action="append", metavar=("X1", "Y1", "X2", "Y2"), help="where, in pixels; "
        "once for each --image, in order",
    )  # fmt: skip
    parser.add_argument("--person", type=int, action="append", metavar="N", help="which of several, from the left")
    parser.add_argument("--top", type=int, default=10, metavar="N", help="rows to show; default 10")
    parser.add_argument(
        "--false-alarms", type=float, default=0.05, metavar="P",
        help="share of searches for someone absent that may show a find; default 0.05",
    )  # fmt: skip
    add_filters(parser)
    parser.add_argument("--gap", type=float, default=2.0, metavar="S", help="seconds within a sighting; default 2")
    parser.add_argument("--all", action="store_true", help="every box as a row of its own")
    parser.add_argument("--json", metavar="OUT", help="write the answer as JSON; - for standard output")
    parser.add_argument("--csv", metavar="OUT", help="write the rows as CSV; - for standard output")
    parser.add_argument("--sheet", type=Path, metavar="PNG", help="draw the answer")
    parser.add_argument("--html", type=Path, metavar="HTML", help="the answer as one page with its pictures")
    parser.add_argument("--weights", metavar="W", help="where the index's checkpoint is now")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Search; 1 if there is a threshold and nothing passes it."""
    _check(args)
    with open_store(args.index, read_only=True) as store:
        if not store.count().people:
            raise ValueError(f"index {args.index} holds nobody; add people with: inet-search index SOURCE --to INDEX")
        _check_outputs(args, store)
        where = where_of(args, store)
        pictures = read_queries(args, store)
        query = Query(
            np.stack([picture.embedding for picture in pictures]),
            pictures=pictures,
            top=args.top,
            where=where,
            false_alarms=args.false_alarms,
            gap=0.0 if args.all else args.gap,
        )
        answer = search(store, query)
        if "-" not in (args.json, args.csv):
            print(answer_as_text(answer))
        _write(args.json, lambda: json.dumps(answer_as_json(answer, store.read_meta("model")), indent=2) + "\n")
        _write(args.csv, lambda: answer_as_csv(answer))
        _write(args.html, lambda: answer_as_html(answer))
        if args.sheet:
            _save_picture(args.sheet, draw_answer(answer))
    return NOT_ALL if answer.is_not_found else DONE


def _check(args: argparse.Namespace) -> None:
    """Refuse what cannot work before the model is built."""
    Query(np.zeros((1, 1)), top=args.top, false_alarms=args.false_alarms, gap=args.gap)
    for image in args.image:
        if not image.is_file():
            raise FileNotFoundError(f"--image {image}: no such file")
    for name in ("box", "person"):
        given = getattr(args, name)
        if given and len(given) != len(args.image):
            raise ValueError(f"--{name}: expected one for each --image ({len(args.image)}), found {len(given)}")


def _check_outputs(args: argparse.Namespace, store: Store) -> None:
    """Refuse to write over what is searched, and where nothing can be written."""
    inputs = _inputs(args, store)
    if args.json == args.csv == "-":
        raise ValueError("--csv: standard output is what --json writes; name a file")
    outputs = {f"--{name}": getattr(args, name) for name in ("json", "csv", "html", "sheet")}
    if args.sheet:
        check_picture_output(args.sheet, "--sheet", inputs)
    check_outputs({option: path for option, path in outputs.items() if path and str(path) != "-"}, inputs)


def _inputs(args: argparse.Namespace, store: Store) -> list[str | Path]:
    return [*args.image, *index_files(args.index), *(source.path for source in store.sources())]


def read_queries(args: argparse.Namespace, store: Store) -> list[QueryPicture]:
    """The person in each --image; a picture of several people is drawn with their numbers."""
    embedder = embedder_of(store, weights=args.weights)
    min_score = (store.read_meta("settings") or {}).get("min_score", 0.5)
    pictures = []
    for number, image in enumerate(args.image):
        box, person = args.box and args.box[number], args.person and args.person[number]
        try:
            pictures.append(read_query(embedder, image, box=box, person=person, min_score=min_score))
        except SeveralPeopleError as error:
            drawn = args.sheet or Path(f"{image.stem}.people.png")
            check_output(drawn, f"--sheet (numbers the people of {image})", _inputs(args, store))
            _save_picture(drawn, draw_numbered(np.asarray(_upright(image)), error.boxes))
            raise ValueError(f"{error} (numbered in {drawn})") from error
    return pictures


def _upright(image: Path) -> np.ndarray:
    from inet_d2.search.sources import read_picture

    return read_picture(image)[0]


def _write(path: str | Path | None, make: Any) -> None:
    if path is None:
        return
    if str(path) == "-":
        sys.stdout.write(make())
        return
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    with written_aside(path) as aside:
        aside.write_text(make(), encoding="utf-8")


def _save_picture(path: Path, picture: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with written_aside(path) as aside:
        Image.fromarray(picture).save(aside)
    sys.stderr.write(f"picture: {path}\n")
