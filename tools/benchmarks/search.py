"""The index of inet-search against one float32 matrix product with top-k, and indexing against the bare model.

For each number of people: disk, the cost of opening, queries (all, one source, a tenth of the time) and recall; then
writers that are killed while they add; then images a second of indexing beside those of the model alone.

Examples:
    OMP_NUM_THREADS=1 python tools/benchmark.py --task search --clock cpu
    python tools/benchmark.py --task search --people 10000 --kills 0
"""

import argparse
import os
import signal
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from detectron2.modeling import build_model
from PIL import Image

from benchmarks.measuring import add_clock, at_least_one, clock, in_turn, machine, ratio, seconds
from inet_d2.engine import load_config
from inet_d2.search import Frame, Indexer, People, Source, Store, Where, build_model_embedder, open_store

PER_FRAME, PER_SOURCE, PER_RUN = 4, 500, 6  # people of a frame, of a source; views of one person in a row
TOP = 10
BLOCK = 20_000  # people of one transaction


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Sizes, repetitions, and the model whose indexing is measured."""
    parser.add_argument("--people", type=at_least_one, nargs="+", default=[10_000, 100_000, 1_000_000], metavar="N")
    parser.add_argument("--size", type=at_least_one, default=256, help="embedding size; default 256")
    parser.add_argument("--queries", type=at_least_one, default=50, metavar="N")
    parser.add_argument("--half", action="store_true", help="keep embeddings as float16")
    parser.add_argument("--kills", type=int, default=20, metavar="N", help="writers to kill; default 20")
    parser.add_argument("--images", type=at_least_one, default=64, metavar="N", help="images to index; default 64")
    parser.add_argument("--config-file", default="configs/demo/inet.yaml", metavar="C", help="model to index with")
    add_clock(parser)


def run(options: argparse.Namespace) -> None:
    """Measure and print.

    Raises:
        OSError, ValueError: the configuration does not fit, or the disk is full.
    """
    print(machine())
    for num_people in options.people:
        with tempfile.TemporaryDirectory() as folder:
            measure_queries(num_people, str(Path(folder, "people.index")), options)
    if options.kills:
        lost = sum(rows_lost_by_a_kill() for _ in range(options.kills))
        print(f"killed writers: {options.kills}, acknowledged rows lost: {lost}")
    measure_indexing(options)


def make_people(num_people: int, size: int) -> np.ndarray:
    """(N, D) unit rows: a person is seen in runs of neighbouring rows, and all share a common part."""
    generator = np.random.default_rng(0)
    people = generator.standard_normal((max(2, num_people // 20), size), dtype=np.float32)
    people = people / np.linalg.norm(people, axis=1, keepdims=True) + 0.3 / np.sqrt(size)
    chosen = np.repeat(generator.integers(0, len(people), -(-num_people // PER_RUN)), PER_RUN)[:num_people]
    rows = generator.standard_normal((num_people, size), dtype=np.float32)
    rows *= 0.35 / np.sqrt(size)
    rows += people[chosen]
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows


def fill(store: Store, rows: np.ndarray) -> None:
    """Add people, ``PER_SOURCE`` of them to each source, one frame a second."""
    store.write_meta("model", {"fingerprint": "benchmark"})
    for begin in range(0, len(rows), BLOCK):
        firsts = range(begin, min(begin + BLOCK, len(rows)), PER_SOURCE)
        store.add([(source_of(first), frames_of(rows[first : first + PER_SOURCE])) for first in firsts])


def source_of(number: int) -> Source:
    """A video that begins at its number."""
    return Source(f"/videos/{number}.mp4", f"{number:032x}", "video", 1, 1, 1280, 720, float(number))


def frames_of(rows: np.ndarray) -> list[Frame]:
    """People in frames of ``PER_FRAME``."""
    box = np.array([10, 20, 90, 260], np.float32)
    parts = [rows[i : i + PER_FRAME] for i in range(0, len(rows), PER_FRAME)]
    people = [People(np.tile(box, (len(x), 1)), np.full(len(x), 0.9, np.float32), x) for x in parts]
    return [Frame(float(i), float(i), found, bytes(192)) for i, found in enumerate(people)]


def measure_queries(num_people: int, path: str, options: argparse.Namespace) -> None:
    """Fill an index, open it, search it beside a plain product."""
    rows, now = make_people(num_people, options.size), clock(options.clock, "cpu")
    with open_store(path, create=True, half=options.half) as store:
        inserting = seconds(lambda: fill(store, rows), now)
        store.purge()
    before, begin = resident_mib(), time.process_time()
    store = open_store(path, read_only=True)
    store.search(rows[:1], TOP)
    opening, memory = time.process_time() - begin, resident_mib() - before
    disk = os.path.getsize(path)
    print(
        f"\n{num_people:,} people of {options.size} numbers: {disk / num_people:,.0f} bytes of disk each "
        f"({disk / num_people / (4 * options.size):.2f} of the vector), {num_people / inserting:,.0f} added a second"
    )
    print(f"  opened, with the first answer, in {opening:.2f} CPU s and {memory:,.0f} MiB more memory")
    queries = rows[np.random.default_rng(1).integers(0, num_people, options.queries)] + 0.01
    queries /= np.linalg.norm(queries, axis=1, keepdims=True)
    found = [store.search(query[None], TOP) for query in queries]
    best = [rows @ query for query in queries]
    line = 1e-6 if not options.half else 2e-3  # similarities that are equal but for rounding are the same answer
    hits = [sum(f.similarities >= np.sort(b)[-TOP:][0] - line) / TOP for f, b in zip(found, best, strict=True)]
    print(f"  recall of the best {TOP}: {statistics.fmean(hits):.4f}")
    times = np.quantile(store.rows().times, [0.45, 0.55])
    filters = {
        "all people": Where(),
        "one source": Where(sources=[store.sources()[len(store.sources()) // 2].id]),
        "a tenth of the time": Where(times=(float(times[0]), float(times[1]))),
    }
    print_ratios(store, rows, queries, filters, now)
    store.close()


def print_ratios(store: Store, rows: np.ndarray, queries: np.ndarray, filters: dict, now: object) -> None:
    """Time each kind of query and the plain product in turn; ratios of the medians."""
    times: dict[str, list[float]] = {name: [] for name in ("product", *filters)}
    for query in queries:
        times["product"].append(seconds(lambda query=query: top_rows_plain(rows, query), now))
        for name, where in filters.items():
            times[name].append(seconds(lambda query=query, where=where: store.search(query[None], TOP, where), now))
    base = statistics.median(times["product"])
    for name in filters:
        print(f"  {name}: {statistics.median(times[name]) / base:.2f} times the product with top-{TOP} (p50)")


def top_rows_plain(rows: np.ndarray, query: np.ndarray) -> np.ndarray:
    """What a query is compared with."""
    similarities = rows @ query
    best = np.argpartition(similarities, len(similarities) - TOP)[-TOP:]
    return best[np.argsort(-similarities[best])]


def resident_mib() -> float:
    """Memory of this process now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / (1 << 20)


def rows_lost_by_a_kill() -> int:
    """Kill a writer at a random moment; how many rows that it had said to be safe are gone."""
    with tempfile.TemporaryDirectory() as folder:
        path, (read_end, write_end) = str(Path(folder, "people.index")), os.pipe()
        rows = make_people(PER_SOURCE, 32)
        if not (pid := os.fork()):
            with open_store(path, create=True) as store:
                for number in range(100_000):
                    store.add([(source_of(number), frames_of(rows[:PER_FRAME]))])
                    os.write(write_end, b".")
        os.close(write_end)
        acknowledged = len(os.read(read_end, 1))
        time.sleep(float(np.random.default_rng(time.time_ns()).uniform(0, 0.3)))
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        while part := os.read(read_end, 65536):
            acknowledged += len(part)
        os.close(read_end)
        with open_store(path, read_only=True) as store:
            return max(0, acknowledged * PER_FRAME - store.count().people)


def measure_indexing(options: argparse.Namespace) -> None:
    """Index images in turns with the bare model on the same images, ready in memory."""
    with tempfile.TemporaryDirectory() as folder:
        cfg = load_config(options.config_file)
        weights = Path(folder, "weights.pth")
        torch.save({"model": build_model(cfg).state_dict()}, weights)
        embedder = build_model_embedder(cfg, weights=str(weights))
        paths = [Path(folder, f"{i}.jpg") for i in range(options.images)]
        for path in paths:
            Image.effect_noise((320, 240), 60).convert("RGB").save(path)
        parts = np.array_split(np.arange(options.images), max(1, options.images // 8))
        with open_store(str(Path(folder, "an.index")), create=True) as store:
            indexer, turn = Indexer(store, embedder), iter(parts)
            ready = [embedder.prepare(np.asarray(Image.open(path))) for path in paths[:8]]
            now = clock(options.clock, "cpu")

            def index() -> list[float]:
                chosen = [paths[i] for i in next(turn)]
                return [seconds(lambda: indexer.add(chosen), now) / len(chosen)]

            def model() -> list[float]:
                return [seconds(lambda: [embedder.detect([x]) for x in ready], now) / len(ready)]

            warm_up = min(1, len(parts) - 1)
            times = in_turn({"model": model, "index": index}, len(parts) - warm_up, warm_up=warm_up)
        middle, low, high = ratio(times["model"], times["index"])
        print(f"\nindexing: {middle:.2f} times the images a second of the bare model ({low:.2f} to {high:.2f})")
