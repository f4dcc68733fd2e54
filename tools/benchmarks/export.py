"""A model against the files that tools/export_model.py makes of it, one image at a time, in turn and in the same run.

TorchScript and torch.export run in torch, ONNX in ONNX Runtime and OpenVINO where these are installed, all with as many
threads as torch. The image is noise at the testing size; without --weights the model has random ones, and as many
detections as the table's first line says.

Examples:
    python tools/benchmark.py --task export
    python tools/benchmark.py --task export --config-file configs/demo/heads/seqnet.yaml --clock cpu
    python tools/benchmark.py --task export --config-file C --weights W --repetitions 10
"""

import argparse
import statistics
import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import nn

from benchmarks.measuring import add_clock, at_least_one, clock, in_turn, machine, ratio_text, timed
from benchmarks.steps import STEP_CONFIG
from inet_d2.engine import INetTrainer, load_config
from inet_d2.export.comparison import model_embeddings, model_outputs
from inet_d2.export.exportable import check_exportable, check_model
from inet_d2.export.formats import FORMATS, write_graph
from inet_d2.export.graphs import GivenBoxes, WholePicture
from inet_d2.export.runtimes import open_graph, runtimes_of
from inet_d2.search import build_model_embedder

Calls = Mapping[str, Callable[[], object]]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The model, the formats, and how often they are measured."""
    parser.add_argument(
        "--config-file", default=str(STEP_CONFIG), metavar="FILE", help="of the model (default: demo's)"
    )
    parser.add_argument("--weights", metavar="FILE", help="checkpoint (default: random weights)")
    parser.add_argument("--format", nargs="+", choices=FORMATS, default=list(FORMATS), help="(default: all)")
    parser.add_argument("--repetitions", type=at_least_one, default=20, help="timed images for each (default 20)")
    add_clock(parser)
    parser.set_defaults(opts=[])


def run(options: argparse.Namespace) -> None:
    """Export to a temporary folder, time and print the tables.

    Raises:
        OSError, ValueError: the configuration or the weights do not fit, or the model cannot be exported.
    """
    model, side = _model(options)
    rng = np.random.default_rng(0)
    image = rng.uniform(0, 255, (1, 3, side, side * 4 // 3)).astype(np.float32)
    box = np.array([[side / 4, side / 8, side / 2, side]], np.float32)
    print(machine())
    print(f"{options.clock} time, median of {options.repetitions} in turn; noise of {side * 4 // 3} x {side}\n")
    with tempfile.TemporaryDirectory() as folder:
        count = len(model_outputs(model, image).boxes)
        for title, graph, inputs, eager in (
            (f"image -> {count} people", WholePicture, (image,), lambda: model_outputs(model, image)),
            ("image, 1 box -> embedding", GivenBoxes, (image, box), lambda: model_embeddings(model, image, box)),
        ):
            calls = {"model": eager, **exported_calls(graph(model).eval(), inputs, options.format, Path(folder))}
            print(f"{title}\n\n{time_table(calls, options)}\n", flush=True)


def _model(options: argparse.Namespace) -> tuple[nn.Module, int]:
    """The model, and the shorter side of its pictures."""
    cfg = load_config(options.config_file, options.opts)
    check_exportable(cfg)
    cfg.MODEL.DEVICE = "cpu"
    torch.manual_seed(0)
    if options.weights:
        model = build_model_embedder(cfg, weights=options.weights).model
    else:
        model = INetTrainer.build_model(cfg).eval()
    check_model(model)
    return model, cfg.INPUT.MIN_SIZE_TEST or 480


def exported_calls(graph: nn.Module, inputs: tuple[np.ndarray, ...], formats: list[str], folder: Path) -> Calls:
    """Runtime -> runs the graph once; files are written to ``folder``."""
    calls = {}
    for name in formats:
        path = folder / f"{type(graph).__name__}{FORMATS[name][0]}"
        write_graph(path, name, graph, "")
        for runtime in runtimes_of(path):
            calls[runtime] = partial(open_graph(path, runtime), *inputs)
    return calls


def time_table(calls: Calls, options: argparse.Namespace) -> str:
    """Median milliseconds, and the ratio to the model, as Markdown."""
    now = clock(options.clock, "cpu")
    times = in_turn({name: timed(call, now) for name, call in calls.items()}, options.repetitions)
    lines = ["| runs in | ms | time / model's (quartiles) |", "|---|---:|---:|"]
    for name, measured in times.items():
        milliseconds = 1e3 * statistics.median(map(sum, measured))
        lines.append(f"| {name} | {milliseconds:.1f} | {ratio_text(measured, times['model'])} |")
    return "\n".join(lines)
