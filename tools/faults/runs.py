"""Runs of train_net.py on the tiny scenes, which are broken off, resumed and compared."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from faults.child import CONTEXT, ask, kill_session
from faults.digest import digest
from faults.in_the_run import COUNT_FILE
from inet_d2.command_line import child_environment
from inet_d2.engine.checkpoint_file import read_checkpoint
from inet_d2.npz_file import open_npz

ROOT = Path(__file__).resolve().parents[2]
CONFIGS = ROOT / "configs/quick_schedules"
ITERATIONS, PERIOD = 12, 3  # of a run, and between its checkpoints
_LIMIT = 300.0  # seconds; a run takes a few


@dataclass(frozen=True)
class Course:
    """What is trained.

    Attributes:
        stage: "crops" or "inet".
        workers: of the loaders.
        words: KEY VALUE pairs.
        processes: of the training.
    """

    stage: str
    workers: int = 0
    words: tuple[str, ...] = ()
    processes: int = 1


@dataclass
class Run:
    """A run that has been started.

    Attributes:
        process: of this machine.
        output: OUTPUT_DIR.
        log: what it says.
        started: time of its start.
    """

    process: "subprocess.Popen | _Fork"
    output: Path
    log: Path
    started: float = field(default_factory=time.monotonic)

    def code(self) -> int | None:
        """Exit code; None while it runs."""
        return self.process.poll()

    def wait(self) -> int | None:
        """Exit code; None if it hangs, and then it is killed with its children."""
        while self.code() is None and time.monotonic() - self.started < _LIMIT:
            time.sleep(0.01)
        code = self.code()
        if code is None:
            kill_session(self.process.pid)
            self.process.wait()
        return code

    def kill(self) -> bool:
        """``kill -9``; whether it was still running."""
        self.process.send_signal(signal.SIGKILL)
        return self.process.wait() == -signal.SIGKILL

    def text(self) -> str:
        """All that it has said."""
        return self.log.read_text(errors="replace")


class _Fork:
    """A run in a copy of this process, which has imported everything; looks like a ``subprocess.Popen``."""

    def __init__(self, words: Sequence[str], pipe: int, environment: dict[str, str]) -> None:
        self._process = CONTEXT.Process(target=_run_here, args=(words, pipe, environment))
        self._process.start()
        self.pid = self._process.pid

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self) -> int | None:
        self._process.join()
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)


def _run_here(words: Sequence[str], pipe: int, environment: dict[str, str]) -> None:
    os.setsid()
    for stream in (1, 2):
        os.dup2(pipe, stream)
    os.environ.update(environment)
    os.chdir(ROOT)
    sys.argv = ["train_net.py", *words]
    sys.path.insert(0, str(ROOT))
    import train_net

    sys.exit(train_net.start(train_net.parse_arguments()))


class Runner:
    """Starts runs.

    Args:
        folder: for their outputs.
        data: DETECTRON2_DATASETS, with the tiny scenes.
        warm: run them in copies of this process, which spares them the imports; otherwise by the command line.
    """

    def __init__(self, folder: Path, data: Path, *, warm: bool) -> None:
        self.folder, self.warm = folder, warm
        tools = str(ROOT / "tools")
        environment = child_environment()
        path = os.pathsep.join([tools, environment["PYTHONPATH"]])
        self.environment = {**environment, "PYTHONPATH": path, "DETECTRON2_DATASETS": str(data), "OMP_NUM_THREADS": "1"}
        self.number = 0

    def start(self, course: Course, output: Path, *words: str) -> Run:
        """Start a run; ``words`` come first, flags or KEY VALUE pairs."""
        self.number += 1
        log = self.folder / f"{self.number:03d}_{output.name}.txt"
        flags = [word for word in words if word.startswith("--")]
        pairs = [word for word in words if not word.startswith("--")]
        if course.processes > 1:
            flags += ["--num-gpus", str(course.processes), "--dist-timeout", "0.2"]
        command = [
            "--config-file", str(CONFIGS / f"{course.stage}_instant_test.yaml"), *flags,
            "SOLVER.MAX_ITER", str(ITERATIONS), "SOLVER.CHECKPOINT_PERIOD", str(PERIOD),
            "DATALOADER.NUM_WORKERS", str(course.workers), "MODEL.DEVICE", "cpu",
            "EXTENSIONS", "('faults.in_the_run',)", "OUTPUT_DIR", str(output), *course.words, *pairs,
        ]  # fmt: skip
        # Not into the file itself: what a run says shall be seen also when it cannot write files any more.
        with log.open("w") as file, subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=file).stdin as pipe:
            if self.warm and course.processes == 1:
                return Run(_Fork(command, pipe.fileno(), self.environment), output, log)
            process = subprocess.Popen(
                [sys.executable, str(ROOT / "train_net.py"), *command],
                stdout=pipe, stderr=subprocess.STDOUT, env=self.environment, cwd=ROOT, start_new_session=True,
            )  # fmt: skip
            return Run(process, output, log)

    def finish(self, course: Course, output: Path, *words: str) -> Run:
        """Run to the end.

        Raises:
            RuntimeError: it fails.
        """
        run = self.start(course, output, *words)
        code = run.wait()
        if code != 0:
            raise RuntimeError(f"{output.name}: the run ended with {code}: {last_line(run.text())}")
        return run


def last_line(text: str) -> str:
    """The last line with words."""
    return next((line for line in reversed(text.splitlines()) if line.strip()), "")


def iterations_done(output: Path) -> int:
    """How many iterations all runs in a folder have done, those that were done again included."""
    path = output / COUNT_FILE
    return path.stat().st_size if path.exists() else 0


def result_of(output: Path) -> str:
    """A digest of what a finished run leaves: its last checkpoint, figures and predictions."""
    answer = ask(_result_of, output)
    return answer.value if answer.has_value else f"none: {answer.text}"


def _result_of(output: Path) -> str:
    with open_npz(next(output.glob("inference/*/predictions.npz")), remedy="") as content:
        predictions = [np.array(content[name]) for name in sorted(content.files)]
    return digest([read_checkpoint(output / "model_final.pth"), (output / "results.json").read_text(), predictions])
