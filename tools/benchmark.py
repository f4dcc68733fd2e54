"""Measure the speed and memory of parts of inet_d2 on this machine, always beside something to compare with.

Examples:
    python tools/benchmark.py --task score
    python tools/benchmark.py --task train --config-file configs/CUHK-SYSU/inet_vgg16.yaml --repetitions 5
    python tools/benchmark.py --task memory
    python tools/benchmark.py --task search
    python tools/benchmark.py --task train --help

Each task has options of its own (--task NAME --help); those that build a model take KEY VALUE pairs at the end.
Exit status: 0, or 2 when an argument or a configuration does not fit.
"""

import argparse
import importlib
import sys
from collections.abc import Sequence

from inet_d2.command_line import exit_status, split_options

# Each is a file in tools/benchmarks/ with a docstring, add_arguments(parser) and run(options). A task that takes KEY
# VALUE pairs sets the default of "opts".
TASKS = {
    "score": "all queries against the full gallery",
    "data": "the training loaders against decoding alone, and the share that waiting for crops has",
    "train": "training steps: I-Net against Faster R-CNN, HEP by the number of identities; then memory",
    "memory": "peak memory of these training steps",
    "heads": "what heads cost: parameters, multiply-adds, images a second against I-Net's",
    "parts": "where the time of a training step goes, I-Net's beside Faster R-CNN's",
    "demo": "where the time of make demo went, from its own logs",
    "infer": "images a second of detection and embedding against detection alone",
    "gpu": "the share of a GPU that training and inference use; where there is none, one line says so",
    "descriptors": "two-step baselines: crops a second, beside resizing the crops",
    "two_step": "two-step baselines: memory by the number of crops",
    "reid": "ranking crops for re-identification, beside sorting",
    "export": "exported models in torch, ONNX Runtime and OpenVINO against the model",
    "search": "the index of inet-search against a matrix product, and indexing against the bare model",
}


def parse_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    """Read the command line; ``run`` is what the task does."""
    words, opts = split_options(arguments)
    first = argparse.ArgumentParser(add_help=False)
    first.add_argument("--task", choices=TASKS)
    task = first.parse_known_args(words)[0].task
    module = importlib.import_module(f"benchmarks.{task}") if task else None
    names = "\n".join(f"    {name:<12}{meaning}" for name, meaning in TASKS.items())
    parser = argparse.ArgumentParser(
        description=module.__doc__ if module else f"{__doc__}\nTasks:\n{names}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--task", required=True, choices=TASKS)
    if module:
        module.add_arguments(parser)
        parser.set_defaults(run=module.run)
    options = parser.parse_args(words)
    if opts and "opts" not in options:
        parser.error(f"unrecognized arguments: {' '.join(opts)}")
    options.opts = opts
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the tool."""
    options = parse_arguments(sys.argv[1:] if arguments is None else arguments)
    return exit_status("benchmark", lambda: options.run(options))


if __name__ == "__main__":
    sys.exit(main())
