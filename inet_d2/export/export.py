"""Exports a model's graphs, each held against the model before its file gets its name."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import numpy as np
from torch import nn

from inet_d2.export.comparison import Differences, compare, compare_rows, model_embeddings, model_outputs
from inet_d2.export.exportable import detects
from inet_d2.export.formats import FORMATS, check_size, write_graph
from inet_d2.export.graphs import GivenBoxes, WholePicture
from inet_d2.export.runtimes import Run, open_graph, runtimes_of
from inet_d2.files import written_aside

STEMS = {"whole_picture": "detector", "given_boxes": "embedder"}
"""Kind of graph -> stem of its file; the names are those of the options of ``inet-search``."""

# Parts of the picture's width and height.
_GIVEN = np.array([[0.1, 0.2, 0.3, 0.9], [0.4, 0.0, 0.5, 0.25], [0.6, 0.3, 1.0, 1.0]], np.float32)


class Check(NamedTuple):
    """One exported file, of a kind of graph, on one picture, in one runtime."""

    kind: str
    file: str
    runtime: str
    size: tuple[int, int]
    differences: Differences


def export(
    model: nn.Module,
    folder: Path,
    formats: Sequence[str],
    *,
    describe: Callable[[str], str],
    images: Sequence[np.ndarray],
    report: Callable[[str | Check], None],
) -> None:
    """Write a model's files; all of them get their names, or none.

    Args:
        model: one that :func:`inet_d2.export.exportable.check_model` lets pass; in evaluation mode, on the CPU.
        folder: for ``detector`` and ``embedder`` with the suffixes of the formats and with ``.yaml``; exists.
        formats: of ``FORMATS``.
        describe: text of the yaml for a kind of graph.
        images: (1, 3, H, W) float32, to compare the files with the model on.
        report: gets a sentence before each step, and each comparison.

    Raises:
        ValueError: a file differs from the model, a package is missing that a format needs, or an image has a side
            that a format does not take.
    """
    for name, image in itertools.product(formats, images):
        check_size(name, model.smallest_side, image.shape[-2:])
    graphs = {"given_boxes": GivenBoxes(model).eval()}
    if detects(model):
        graphs["whole_picture"] = WholePicture(model).eval()
    with ExitStack() as files:
        wrong = []
        for kind, graph in graphs.items():
            for name in formats:
                path = folder / f"{STEMS[kind]}{FORMATS[name][0]}"
                report(f"writing {path}")
                aside = files.enter_context(written_aside(path))
                write_graph(aside, name, graph, describe(kind))
                for check in _checks(model, kind, path.name, aside, images):
                    report(check)
                    wrong += [] if check.differences.fit(max(check.size)) else [f"{check.file} in {check.runtime}"]
            contract = files.enter_context(written_aside(folder / f"{STEMS[kind]}.yaml"))
            contract.write_text(describe(kind), encoding="utf-8")
        if wrong:
            raise ValueError(
                f"{wrong[0]}: expected what the model gives, found larger differences (above); nothing was written. "
                "Please report it with the configuration and the versions of torch and of the runtime"
            )


def _checks(model: nn.Module, kind: str, file: str, path: Path, images: Sequence[np.ndarray]) -> Iterator[Check]:
    for runtime in runtimes_of(path):
        run = open_graph(path, runtime)
        for image in images:
            compared = _compare_boxes if kind == "given_boxes" else _compare_people
            yield Check(kind, file, runtime, image.shape[-2:], compared(model, run, image))


def _compare_people(model: nn.Module, run: Run, image: np.ndarray) -> Differences:
    return compare(model_outputs(model, image), run(image))


def _compare_boxes(model: nn.Module, run: Run, image: np.ndarray) -> Differences:
    """Three boxes, then the first alone, then none."""
    height, width = image.shape[-2:]
    boxes = _GIVEN * np.array([width, height, width, height], np.float32)
    expected = model_embeddings(model, image, boxes)
    found = np.concatenate([run(image, boxes[:count])[0] for count in (3, 1, 0)])
    return compare_rows(np.concatenate([expected, expected[:1]]), found)
