"""`inet-search index` and `inet-search watch`: put people in, once or whenever files come."""

import argparse
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from inet_d2.engine import load_config
from inet_d2.search.build_embedder import embedder_of
from inet_d2.search.commands.exit_codes import DONE, NOT_ALL
from inet_d2.search.commands.parsers import add_command
from inet_d2.search.commands.words import num_files, num_people
from inet_d2.search.embedder import PRECISIONS, Embedder, build_model_embedder
from inet_d2.search.indexer import Indexer, IndexReport, IndexSettings, forget_missing
from inet_d2.search.onnx_embedder import OnnxEmbedder
from inet_d2.search.sources import count_passed_over, list_files
from inet_d2.search.store import Store, open_store

EXAMPLES = """  Begin an index; stopped, run the same command again and it goes on:
    inet-search index photos/ yard.mp4 --to street.index --config-file configs/CUHK-SYSU/inet_vgg16.yaml \\
        --weights output/cuhk_sysu/inet_vgg16/model_final.pth
  Add what is new (the index knows its model), and forget files that were deleted:
    inet-search index photos/ --to street.index --forget-missing
"""
SETTLED_SECONDS = 2.0  # a file that changed more recently may still be written


def add_parsers(commands: Any) -> None:
    """Add the commands to the command line."""
    parser = add_command(commands, "index", "find and embed everybody in images and videos", EXAMPLES)
    parser.add_argument("sources", nargs="+", metavar="SOURCE", help="image, video, or folder of them")
    _add_options(parser)
    parser.add_argument("--forget-missing", action="store_true", help="forget files under SOURCE that are gone")
    parser.set_defaults(run=run_index)
    parser = add_command(commands, "watch", "index a folder whenever files come, until stopped (Ctrl-C)")
    parser.add_argument("sources", nargs=1, metavar="FOLDER", help="folder to watch, with its sub-folders")
    _add_options(parser)
    parser.add_argument("--every", type=float, default=5.0, metavar="S", help="seconds between looks; default 5")
    parser.add_argument("--rounds", type=int, help=argparse.SUPPRESS)  # tests end it
    parser.set_defaults(run=run_watch)


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--to", required=True, metavar="INDEX", help="file of the index, or address of a Milvus server")
    parser.add_argument("--config-file", metavar="C", help="configuration of the model; a new index needs it")
    parser.add_argument("--weights", metavar="W", help="checkpoint; default the last one in the model's OUTPUT_DIR")
    parser.add_argument("--detector", metavar="ONNX", help="detector as an ONNX file, in the place of --config-file")
    parser.add_argument("--embedder", metavar="ONNX", help="re-identification model as an ONNX file, for --detector")
    parser.add_argument("--fps", type=float, metavar="N", help="frames of a video to look at, per second; default 2")
    parser.add_argument("--min-score", type=float, metavar="P", help="lowest detection score; default 0.5")
    parser.add_argument("--precision", choices=PRECISIONS, help="bf16: CPUs with AMX, and GPUs; default fp32")
    parser.add_argument("--half", action="store_true", help="a new file keeps embeddings as float16, half as large")
    parser.add_argument("--batch-size", type=int, metavar="N", help="images at once; default 1 on CPU, 8 on a GPU")
    parser.add_argument("--readers", type=int, default=2, metavar="N", help="threads that read files; default 2")
    parser.add_argument("--opts", nargs=argparse.REMAINDER, default=[], help="KEY VALUE ... of the model; comes last")


def run_index(args: argparse.Namespace) -> int:
    """Index; 1 if some files could not be read."""
    _check(args)
    files = list_files(args.sources)
    with open_indexer(args) as indexer:
        store = indexer.store
        report = index_with_progress(indexer, files)
        print_report(report, store)
        if others := count_passed_over(args.sources):
            kinds = ", ".join(f"{count} {suffix}" for suffix, count in others.items())
            print(f"passed over, neither images nor videos that can be read: {kinds}")
        if args.forget_missing:
            gone = forget_missing(store, [Path(name).absolute() for name in args.sources])
            store.purge()
            print(f"forgotten, for they are gone: {num_files(len(gone))}")
    return NOT_ALL if report.broken else DONE


def _check(args: argparse.Namespace) -> None:
    for name in ("batch_size", "readers"):
        if (value := getattr(args, name)) is not None and value < 1:
            raise ValueError(f"--{name.replace('_', '-')}: expected at least 1, found {value}")
    IndexSettings(**{key: value for key, value in _given_settings(args).items() if value is not None})


def _given_settings(args: argparse.Namespace) -> dict[str, float | None]:
    return {"fps": args.fps, "min_score": args.min_score}


def named_embedder(args: argparse.Namespace) -> Embedder | None:
    """The model that the options name; ``None`` for the one of the index."""
    if bool(args.detector) != bool(args.embedder) or (args.detector and args.config_file):
        raise ValueError("--detector and --embedder go together, and without --config-file")
    options = [f"--{name}" for name in ("weights", "precision", "opts") if getattr(args, name)]
    if args.detector:
        if options:
            raise ValueError(
                f"{options[0]}: expected none with --detector, whose files hold the whole model; export another one "
                "(docs/export.md)"
            )
        return OnnxEmbedder(args.detector, args.embedder)
    if args.config_file:
        cfg = load_config(args.config_file, args.opts)
        return build_model_embedder(cfg, weights=args.weights, precision=args.precision or PRECISIONS[0])
    if args.opts:
        raise ValueError(
            "--opts: expected --config-file with it, found none; without, the index says what its model is"
        )
    return None


@contextmanager
def open_indexer(args: argparse.Namespace) -> Iterator[Indexer]:
    """The indexer that the options ask for, with the model that they name, or else the one of the index."""
    embedder = named_embedder(args)  # first, so that a model that cannot be built leaves no empty index
    try:
        store = open_store(args.to, create=embedder is not None, half=args.half)
    except FileNotFoundError as error:
        raise ValueError(
            f"{args.to}: a new index needs a model: --config-file C, with --weights W, or --detector and --embedder"
        ) from error
    with store:
        embedder = embedder or embedder_of(store, weights=args.weights)
        kept = embedder.description.get("precision", "that of its ONNX files")
        if args.precision not in (None, kept):
            raise ValueError(
                f"--precision: expected {kept}, as the index has it, found {args.precision}; leave it out, or make the "
                "index anew"
            )
        known = store.read_meta("settings") or vars(IndexSettings())
        given = {key: value for key, value in _given_settings(args).items() if value is not None}
        device = getattr(getattr(embedder, "model", None), "device", None)
        batch_size = args.batch_size or (8 if getattr(device, "type", "cpu") == "cuda" else 1)
        settings = IndexSettings(**{**known, **given})
        yield Indexer(store, embedder, settings, batch_size=batch_size, num_readers=args.readers)


def index_with_progress(indexer: Indexer, files: list[Path]) -> IndexReport:
    """Index with a bar: files, time left, people a second."""
    with logging_redirect_tqdm(), tqdm(total=len(files), unit="file", delay=1.0, file=sys.stderr) as bar:

        def show(report: IndexReport) -> None:
            done = report.num_added + report.num_known + len({path for path, _ in report.broken})
            seconds = bar.format_dict["elapsed"]
            bar.set_postfix_str(f"{report.num_people} people, {report.num_people / max(seconds, 1e-3):.1f}/s", False)
            bar.update(min(done, len(files)) - bar.n)

        return indexer.add(files, show)


def print_report(report: IndexReport, store: Store) -> None:
    """What a run did, and what the index holds now."""
    counts = store.count()
    added, known = num_files(report.num_added), num_files(report.num_known)
    print(f"added: {added} with {num_people(report.num_people)}; known: {known}")
    print(f"index: {num_files(counts.sources)}, {num_people(counts.people)}")
    if report.broken:
        print(f"could not be read, or not to the end: {len(report.broken)}")
        for path, reason in report.broken:
            print(f"  {path}: {reason}")


def run_watch(args: argparse.Namespace) -> int:
    """Index again and again; a file that cannot be read is tried anew once it changes."""
    _check(args)
    folder = Path(args.sources[0])
    if not folder.is_dir():
        raise FileNotFoundError(f"watch {folder}: no such folder")
    tried: dict[Path, int] = {}
    rounds = 0
    with open_indexer(args) as indexer:
        print(f"watching {folder}; Ctrl-C ends it", flush=True)
        while args.rounds is None or rounds < args.rounds:
            rounds += 1
            for path in _settled_files(folder, tried):
                before = indexer.report.num_people, len(indexer.report.broken)
                indexer.add([path])
                if len(indexer.report.broken) == before[1]:
                    print(f"{path}: {indexer.report.num_people - before[0]} people", flush=True)
            if rounds != args.rounds:
                time.sleep(args.every)
    return DONE


def _settled_files(folder: Path, tried: dict[Path, int]) -> list[Path]:
    """Files that came or changed, and are not being written; they count as tried from now on."""
    try:
        found = list_files([folder])
    except ValueError:  # empty
        return []
    settled = []
    for path in found:
        try:
            modified = path.stat().st_mtime_ns
        except FileNotFoundError:
            continue
        if tried.get(path) != modified and time.time() - modified / 1e9 > SETTLED_SECONDS:
            tried[path] = modified
            settled.append(path)
    return settled
