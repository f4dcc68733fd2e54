"""Break trainings and files on purpose, at random but seeded, and print one table of what came of it.

Examples:
    python tools/inject_faults.py
    python tools/inject_faults.py --kills 100 --mutations 0 --seed 1
    python tools/inject_faults.py --parts mutations --mutations 5000 --report mutations.jsonl --keep broken_files
    python tools/inject_faults.py --parts kills mutations disk --kills 3 --mutations 60 --warm

kills      kill -9 a real run of train_net.py (tiny scenes) in training, saving or evaluation, resume it, and compare
           its end, bit for bit, with that of a run that was never stopped
mutations  read changed .mat, JPEG, .npz, checkpoint, yaml and index files, each in a child with limits
disk       let the disk fill up in the middle of a run, which is to say so and to go on when there is room
ranks      lose one of two processes, by death and by silence

docs/faults.md says what the columns mean. Linux only.
Exit status: 0; 1 when anything crashed, hung or was wrong; 2 when an argument does not fit.
"""

import argparse
import itertools
import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

import torch
from tqdm import tqdm

from faults.deeds import DISK, RANKS, deed_trials
from faults.kills import kill_trials
from faults.mutations import mutation_trials
from faults.outcome import FAULTS, Trial, format_table
from faults.runs import Course, Runner
from inet_d2.command_line import exit_status
from inet_d2.files import check_output, written_aside
from inet_d2.scenes import make_scenes

PARTS = ("kills", "mutations", "disk", "ranks")
FRESH = ("MODEL.WEIGHTS", "")
COURSES = [Course("crops"), Course("inet", 2, FRESH), Course("crops", 2), Course("inet", 0, FRESH)]
TWO_PROCESSES = Course("crops", 0, ("SOLVER.IMS_PER_BATCH", "12"), 2)


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--parts", nargs="+", choices=PARTS, default=PARTS, metavar="PART", help="(default: all)")
    add("--kills", type=int, default=20, help="(default: 20)")
    add("--mutations", type=int, default=1000, help="changed files (default: 1000)")
    add("--seed", type=int, default=0, help="of the moments and mutations (default: 0)")
    add("--warm", action="store_true", help="fork the killed runs from a process that has imported everything: faster")
    add("--report", type=Path, help="write every trial here, one JSON object each line")
    add("--keep", type=Path, help="folder for the changed files that crashed, hung or were read wrongly")
    options = parser.parse_args(arguments)
    for name in ("kills", "mutations", "seed"):
        if getattr(options, name) < 0:
            parser.error(f"--{name}: expected 0 or more, found {getattr(options, name)}")
    return options


def find_trials(options: argparse.Namespace, folder: Path) -> tuple[Iterator[Trial], int]:
    """What is tried, and how much that is."""
    make_scenes(folder / "data", "tiny", seed=0, progress=False, processes=1)
    (folder / "files").mkdir()
    runner = Runner(folder, folder / "data", warm=options.warm)
    parts = {
        "kills": (kill_trials(runner, COURSES, options.kills, options.seed), options.kills),
        "mutations": (
            mutation_trials(folder / "files", options.mutations, options.seed, options.keep),
            options.mutations,
        ),
        "disk": (deed_trials(runner, COURSES[0], DISK), len(DISK)),
        "ranks": (deed_trials(runner, TWO_PROCESSES, RANKS), len(RANKS)),
    }
    chosen = [parts[name] for name in PARTS if name in options.parts]
    return itertools.chain.from_iterable(trials for trials, _ in chosen), sum(number for _, number in chosen)


def run(options: argparse.Namespace) -> list[Trial]:
    """Try everything, print the table, and return what was at fault.

    Raises:
        OSError, ValueError: an argument does not fit.
    """
    if options.report:
        check_output(options.report, "--report")
    if options.keep:
        options.keep.mkdir(parents=True, exist_ok=True)
    tqdm.monitor_interval = 0  # no thread in a process that is copied
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(prefix="faults") as folder:
        trials, number = find_trials(options, Path(folder))
        done = []
        for trial in tqdm(trials, total=number, desc="faults", unit="fault"):
            done.append(trial)
            if trial.outcome in FAULTS:
                tqdm.write(f"{trial.row}: {trial.outcome.value}: {trial.detail}", file=sys.stderr)
    if options.report:
        lines = [json.dumps({**asdict(trial), "outcome": trial.outcome.value}) + "\n" for trial in done]
        with written_aside(options.report) as aside:
            aside.write_text("".join(lines))
    print(format_table(done))
    return [trial for trial in done if trial.outcome in FAULTS]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the tool."""
    options = parse_arguments(arguments)
    at_fault: list[Trial] = []
    status = exit_status("inject_faults", lambda: at_fault.extend(run(options)))
    return status or int(bool(at_fault))


if __name__ == "__main__":
    sys.exit(main())
