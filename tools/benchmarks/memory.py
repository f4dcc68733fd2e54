"""Peak memory of training steps, each in a process of its own.

I-Net beside Faster R-CNN, and the identity losses with HEP alone for several numbers of identities.

Examples:
    python tools/benchmark.py --task memory
    python tools/benchmark.py --task memory --identities 5532 1000000
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

from torch import Tensor

from benchmarks import steps
from benchmarks.measuring import WARM_UP, machine, peak_mib
from inet_d2.command_line import child_environment


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Steps."""
    steps.add_arguments(parser)
    parser.add_argument("--of", help=argparse.SUPPRESS)
    parser.set_defaults(clock="wall")  # of no interest here


def run(options: argparse.Namespace) -> None:
    """Measure all steps, or, in a child, one.

    Raises:
        OSError, ValueError: the configuration does not fit.
    """
    if options.of:
        print(json.dumps(memory_of(options.of, options)))
        return
    print(machine())
    measure(options)


def memory_of(name: str, options: argparse.Namespace) -> dict[str, float]:
    """Peak memory of some steps in this process, in MiB; ``working`` is all but weights and optimiser state."""
    device = steps.configuration(options.config_file or steps.STEP_CONFIG, options.opts).MODEL.DEVICE
    before = peak_mib(device)
    step = steps.step_of(name, options)
    for _ in range(WARM_UP):
        step()
    total = peak_mib(device) - before
    state = [x for values in step.optimizer.state.values() for x in values.values() if isinstance(x, Tensor)]
    weights, optimizer = (
        sum(x.nbytes for x in part) / (1 << 20) for part in (step.module.state_dict().values(), state)
    )
    return {"weights": weights, "optimiser": optimizer, "working": total - weights - optimizer, "together": total}


def measure(options: argparse.Namespace) -> None:
    """Measure each step in a process of its own and print the table."""
    parts = ("weights", "optimiser", "working", "together")
    print(f"\n| process | {' | '.join(f'{part} MiB' for part in parts)} | ratio of working | of together |")
    print("|---|" + "---:|" * (len(parts) + 2))
    config = ["--config-file", str(options.config_file)] if options.config_file else []
    script = str(Path(__file__).resolve().parents[1] / "benchmark.py")
    for names in (["Faster R-CNN", "I-Net"], [f"HEP {n}" for n in options.identities]):
        reference = None
        for name in names:
            words = ["--task", "memory", "--of", name, "--people", str(options.people), *config, *options.opts]
            shown = subprocess.check_output([sys.executable, script, *words], env=child_environment())
            peak = json.loads(shown.splitlines()[-1])
            reference = reference or peak
            cells = [f"{peak[part]:.0f}" for part in parts]
            cells += [f"{peak[part] / reference[part]:.3f}" for part in parts[2:]]
            print(f"| {name} | {' | '.join(cells)} |", flush=True)
