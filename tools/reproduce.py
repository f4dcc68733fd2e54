"""Train and evaluate the rows of one of the paper's tables, or of ours, and print the paper's figures beside ours.

Each run has a folder <output>/<scale>/<run>/seed<k>/ with its log, weights and results.json. A run
whose results.json exists is not repeated, and runs that several tables need are made once. The table is written to
<output>/<scale>/<table>.md and .json after every run. tools/paper_tables.yaml says which run stands for which row.

Examples:
    python tools/reproduce.py table3 --seeds 1 2 3
    python tools/reproduce.py table3 --seeds 1 2 3 --resume
    python tools/reproduce.py table1 --scale paper --dry-run
    python tools/reproduce.py table3 --scale study --seeds 1 2
    python tools/reproduce.py table1 --scale street --seeds 1 2
    python tools/reproduce.py split --scale scenes100
    python tools/reproduce.py table2 --output output/short SOLVER.MAX_ITER 300

KEY VALUE pairs at the end apply to every training; give such runs an --output of their own.
Exit status: 0; 1 when a run failed; 2 when an argument or a file does not fit; 130 when interrupted.
"""

import argparse
import fcntl
import shlex
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path

import numpy as np
import yaml

from inet_d2.command_line import child_environment, exit_status, split_options
from inet_d2.files import write_json, written_aside
from inet_d2.reproduction import PREDICTIONS, Reproduction, Step, format_differences, format_paper_table
from inet_d2.visualization import draw_gallery_curves

ROOT = Path(__file__).resolve().parent.parent
TABLES = Path(__file__).with_name("paper_tables.yaml")
# Set for each run by this tool.
RESERVED = (
    "OUTPUT_DIR",
    "SEED",
    "MODEL.WEIGHTS",
    "TEST.EVAL_PERIOD",
    "TEST.SEARCH.USE_GT_BOXES",
    "TEST.SEARCH.BOXES_FROM",
)


class RunError(Exception):
    """A command failed; ``code`` is its exit status."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


class Runner:
    """Runs the steps of a table.

    Args:
        options: of the command line.
    """

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.output: Path = options.output.resolve() / options.scale
        self.plan = Reproduction(
            options.tables,
            table=options.table,
            scale=options.scale,
            output=self.output,
            seeds=options.seeds,
            opts=options.opts,
            root=ROOT,
        )

    def run(self) -> None:
        """Make the scenes, take the steps that are not done, and write the table.

        Raises:
            ValueError: a folder holds an unfinished run, or one with other settings.
            RunError: a command failed.
        """
        steps = list(self.plan.steps(resume=self.options.resume))
        states = [step.state() for step in steps]
        waiting = [step for step, state in zip(steps, states, strict=True) if state != "done"]
        unfinished = [step for step, state in zip(steps, states, strict=True) if state == "unfinished"]
        if unfinished and not self.options.resume and not self.options.dry_run:
            raise ValueError(
                f"{unfinished[0].folder}: an unfinished run; add --resume to go on with it, or remove the folder to "
                "start it again"
            )
        print(f"{self.plan.table['title']}: {len(steps)} steps, {len(steps) - len(waiting)} of them done", flush=True)
        if "scenes" in self.plan.scale:
            self._call("datasets/make_scenes.py", *self.plan.scale["scenes"], "--output", self.output / "datasets")
        self._take(waiting)
        if self.plan.has_source("galleries"):
            self._score_galleries()

    def _take(self, steps: Sequence[Step]) -> None:
        begin, times = time.monotonic(), {}
        for place, step in enumerate(steps):
            now = step.state()
            if times:
                elapsed = timedelta(seconds=round(time.monotonic() - begin))
                now += f"; elapsed {elapsed}, about {remaining(steps[place:], times)} left"
            print(f"\n[{place + 1}/{len(steps)}] {step.title} ({now})", flush=True)
            start = time.monotonic()
            if self.options.dry_run:
                self._call(step.script, *step.arguments)
            elif self._take_one(step):
                times.setdefault(step.kind, []).append(time.monotonic() - start)
                self.write_table()

    def _take_one(self, step: Step) -> bool:
        """Take a step, unless another process has done it: two never train in one folder."""
        step.folder.mkdir(parents=True, exist_ok=True)
        with step.folder.with_suffix(".lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                print("another process is at it; waiting", flush=True)
                fcntl.flock(lock, fcntl.LOCK_EX)
            if step.state() == "done":
                return False
            # The command inherits the lock, which therefore lasts as long as the command.
            self._call(step.script, *step.arguments, console=step.folder / "console.txt", lock=lock.fileno())
        if not (step.folder / "results.json").exists():
            raise RunError(f"{step.folder}: the run ended without results.json; see console.txt there", 1)
        for checkpoint in step.folder.glob("model_[0-9]*.pth"):
            checkpoint.unlink()
        return True

    def _call(self, *command: object, console: Path | None = None, lock: int | None = None) -> None:
        words = [sys.executable, *map(str, command)]
        print(f"$ {shlex.join(['python', *words[1:]])}", flush=True)
        if self.options.dry_run:
            return
        locks = () if lock is None else (lock,)
        if console is None:
            code = subprocess.run(words, cwd=ROOT, env=self._environment(), pass_fds=locks).returncode
            last = []
        else:
            with console.open("ab") as file:
                code = subprocess.run(
                    words, cwd=ROOT, env=self._environment(), stdout=file, stderr=file, pass_fds=locks
                ).returncode
            last = [*console.read_text(errors="replace").splitlines()[-5:], f"... in {console}"]
        if code:
            raise RunError("\n  ".join([f"{command[0]} ended with exit status {code}", *last]), code)

    def _environment(self) -> dict[str, str]:
        environment = child_environment()
        if "scenes" in self.plan.scale:
            environment["DETECTRON2_DATASETS"] = str(self.output / "datasets")
        elif "DETECTRON2_DATASETS" in environment:
            environment["DETECTRON2_DATASETS"] = str(Path(environment["DETECTRON2_DATASETS"]).resolve())
        return environment

    def _score_galleries(self) -> None:
        files = [self.plan.folder(run, seed) / PREDICTIONS for seed in self.plan.seeds for run in self.plan.wanted]
        self._call(
            "tools/score_search.py", "--dataset", "cuhk_sysu_test", "--gallery-size", *self.plan.scale["galleries"],
            "--predictions", *files, "--json", self.output / "galleries.json",
        )  # fmt: skip
        if not self.options.dry_run:
            self._draw_galleries(files[0])

    def _draw_galleries(self, predictions: Path) -> None:
        with np.load(predictions) as file:
            num_images = len(file["gallery_names"])
        sizes = [num_images if size == "all" else size for size in self.plan.scale["galleries"]]
        curves = {
            row.name: {size: list(figures.values()) for size, figures in zip(sizes, row.ours, strict=True) if figures}
            for row in self.plan.rows()
        }
        figure = draw_gallery_curves({"mAP": curves})
        with written_aside(self.output / f"{self.options.table}.png") as aside:
            figure.savefig(aside, dpi=150)

    def write_table(self) -> str:
        """Write the table, as far as there are figures, as Markdown and JSON; the Markdown is returned."""
        rows, columns, opts = self.plan.rows(), list(self.plan.columns), self.options.opts
        missing = [row.name for row in rows if row.run is None]
        about = f"Paper: CUHK-SYSU, gallery of 100. Ours: {self.plan.scale['data']}"
        seeds = f"seeds {', '.join(map(str, self.plan.seeds))}; ± is the standard deviation over seeds (n - 1)"
        paragraphs = [
            f"# {self.plan.table['title']}",
            "; ".join([about, seeds, *(["all runs with " + " ".join(opts)] if opts else [])]) + ".",
            format_paper_table(columns, rows, self.plan.seeds),
            *self._differences(columns),
            *([f"Not implemented: {', '.join(missing)}."] if missing else []),
            *(f"In the place of {run}: {file}." for run, file in self.plan.instead.items()),
            *([f"Left out: {'; '.join(self.plan.absent.values())}."] if self.plan.absent else []),
        ]
        content = {
            "table": self.options.table,
            "scale": self.options.scale,
            "data": self.plan.scale["data"],
            "seeds": self.plan.seeds,
            "options": opts,
            "columns": columns,
            "rows": [asdict(row) for row in rows],
        }
        text = "\n\n".join(paragraphs) + "\n"
        write_json(self.output / f"{self.options.table}.json", content)
        with written_aside(self.output / f"{self.options.table}.md") as aside:
            aside.write_text(text)
        return text

    def _differences(self, columns: Sequence[str]) -> list[str]:
        pairs = self.plan.differences()
        if not pairs:
            return []
        return ["Differences, paired over seeds: mean ± standard error (seeds).", format_differences(columns, pairs)]


def remaining(steps: Sequence[Step], times: dict[str, list[float]]) -> timedelta:
    """The expected time for these steps: the mean of those of their kind so far, or of all."""
    mean = {kind: statistics.fmean(values) for kind, values in times.items()}
    overall = statistics.fmean(mean.values())
    return timedelta(seconds=round(sum(mean.get(step.kind, overall) for step in steps)))


def parse_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    """Read the command line; the first word such as SOLVER.MAX_ITER begins the KEY VALUE pairs."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        usage="%(prog)s TABLE [options] [KEY VALUE ...]",
    )
    tables = yaml.safe_load(TABLES.read_text())
    parser.add_argument("table", choices=tuple(tables["tables"]))
    parser.add_argument(
        "--scale",
        choices=tuple(tables["scales"]),
        default="demo",
        help="demo: generated scenes, on CPU (default); scenes100 and so on: others, to choose a schedule on; hard and "
        "street: scenes whose colours say less, by light or as cameras see them; study: five times as many people "
        "(table3); paper: CUHK-SYSU",
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[1], help="SEED of the trainings (default: 1)")
    parser.add_argument("--resume", action="store_true", help="go on with unfinished runs")
    parser.add_argument("--output", type=Path, default=Path("output/reproduce"), help="default: output/reproduce")
    parser.add_argument("--dry-run", action="store_true", help="print the commands and run nothing")
    words, opts = split_options(arguments)
    options = parser.parse_args(words, argparse.Namespace(opts=opts, tables=tables))
    options.seeds = list(dict.fromkeys(options.seeds))
    if len(options.opts) % 2:
        parser.error(f"KEY VALUE: expected pairs, found {shlex.join(options.opts)}")
    if taken := [key for key in options.opts[::2] if key in RESERVED]:
        parser.error(f"{taken[0]}: expected other keys, as this tool sets it for each run (--seeds, --output)")
    return options


def run(options: argparse.Namespace) -> None:
    """Do the runs and write the table.

    Raises:
        OSError, ValueError: an argument or a file does not fit.
        RunError: a command failed.
    """
    runner = Runner(options)
    runner.run()
    if not options.dry_run:
        print(f"\n{runner.write_table()}\nWritten: {runner.output / options.table}.md and .json")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the tool."""
    options = parse_arguments(sys.argv[1:] if arguments is None else arguments)
    try:
        return exit_status("reproduce", lambda: run(options))
    except RunError as error:
        print(f"reproduce: {error}", file=sys.stderr)
        return 2 if error.code == 2 else 1
    except KeyboardInterrupt:
        print("reproduce: interrupted; the same command with --resume goes on", file=sys.stderr)
        return 130


def _stop(*_: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    # Being told to stop is an interruption, which ends the command that runs, too.
    signal.signal(signal.SIGTERM, _stop)
    sys.exit(main())
