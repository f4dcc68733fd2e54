"""Two engines, each in processes of its own, and the comparison of what they return.

INET_D2_PARITY_A and INET_D2_PARITY_B name them, each as PYTHON or PYTHON:PYTHONPATH. Without them nothing here runs.
"""

import math
import os
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import torch

FOLDER = Path(__file__).parent
ROOT = FOLDER.parents[1]
VARIABLES = ("INET_D2_PARITY_A", "INET_D2_PARITY_B")
UNSET = "set INET_D2_PARITY_A and INET_D2_PARITY_B to PYTHON[:PYTHONPATH] each, or call make parity PY=..."
SAME = "both sides import {}; put real Detectron2's tree on PYTHONPATH"
SUMMARY = pytest.StashKey[list]()


def split(setting: str) -> tuple[str, dict]:
    """The interpreter of a side, and the environment that it runs in."""
    python, _, path = setting.partition(os.pathsep)
    paths = os.pathsep.join([*filter(None, [path]), str(ROOT)])
    return python, {**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}


def engine_of(setting: str) -> str:
    """Folder of the module detectron2 that this side imports."""
    python, environment = split(setting)
    code = "import detectron2, os; print(os.path.dirname(detectron2.__file__))"
    result = subprocess.run([python, "-c", code], env=environment, capture_output=True, text=True)
    if result.returncode:
        raise pytest.UsageError(f"{setting} has no engine: {(result.stderr.splitlines() or ['?'])[-1]}")
    return result.stdout.strip()


def reason_to_skip() -> str | None:
    settings = [os.environ.get(name) for name in VARIABLES]
    if not all(settings):
        return UNSET
    engines = [engine_of(setting) for setting in settings]
    return SAME.format(engines[0]) if engines[0] == engines[1] else None


def pytest_collection_modifyitems(config, items):
    ours = [item for item in items if FOLDER in item.path.parents]
    reason = reason_to_skip() if ours else None
    if reason:
        config.stash[SUMMARY] = [f"tests/parity is skipped, it compares two engines: {reason}"]
        for item in ours:
            item.add_marker(pytest.mark.skip(reason=reason))


def pytest_terminal_summary(terminalreporter, config):
    for line in config.stash.get(SUMMARY, []):
        terminalreporter.write_line(line)


def run_both(sides: list[list[Path]], datasets: Path) -> None:
    """Run the experiments of both sides at the same time; the first folder of a side is its own."""
    processes = []
    for variable, folders in zip(VARIABLES, sides, strict=True):
        python, environment = split(os.environ[variable])
        environment["DETECTRON2_DATASETS"] = str(datasets)
        command = [python, str(FOLDER / "run_experiments.py"), *map(str, folders)]
        with (folders[0] / "log.txt").open("a") as log:
            processes.append(subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log))
    codes = [process.wait() for process in processes]
    for code, variable, folders in zip(codes, VARIABLES, sides, strict=True):
        if code:
            pytest.fail(f"{variable}: the process ended with {code}:\n{(folders[0] / 'log.txt').read_text()[-3000:]}")


@pytest.fixture(scope="session")
def results(tiny_scenes, tmp_path_factory, request):
    """What both engines returned: [{name: outcome}, {name: outcome}]."""
    base = tmp_path_factory.mktemp("parity")
    a, b = base / "a", base / "b"
    a.mkdir()
    b.mkdir()
    run_both([[a], [b]], tiny_scenes)
    run_both([[a, b], [b, a]], tiny_scenes)
    found = [{**torch.load(side / "experiments.pt"), **torch.load(side / "exchanges.pt")} for side in (a, b)]
    lines = request.config.stash.setdefault(SUMMARY, [])
    for variable, outcomes in zip(VARIABLES, found, strict=True):
        versions = ", ".join(f"{key} {value}" for key, value in outcomes.pop("environment").items())
        lines.append(f"{variable}: {versions}")
    return found


@pytest.fixture(scope="session")
def report(request):
    """Comparisons by name, for one line at the end: report[name] = comparison."""
    comparisons = {}
    yield comparisons
    if comparisons:
        worst = max(comparisons, key=lambda name: comparisons[name].largest)
        numbers = sum(comparison.count for comparison in comparisons.values())
        request.config.stash.setdefault(SUMMARY, []).append(
            f"parity: {len(comparisons)} experiments, {numbers} values compared, largest difference "
            f"{comparisons[worst].largest:.2g} ({worst})"
        )


@dataclass
class Comparison:
    """Differences between two nested values.

    Attributes:
        atol: what numbers that are not whole may differ by.
        rtol: the same, as a share of the largest number of the tensor (or of the number itself).
        largest: the largest difference that was met.
        count: numbers, texts and tensor entries compared.
        faults: where the two differ, in words.
    """

    atol: float = 0.0
    rtol: float = 0.0
    largest: float = 0.0
    count: int = 0
    faults: list[str] = field(default_factory=list)

    def compare(self, a, b, where: str = "") -> None:
        if type(a) is not type(b):
            self.faults.append(f"{where}: {type(a).__name__} {a!r:.60} and {type(b).__name__} {b!r:.60}")
        elif isinstance(a, dict):
            self._compare_dicts(a, b, where)
        elif isinstance(a, list):
            if len(a) != len(b):
                self.faults.append(f"{where}: {len(a)} and {len(b)} items")
            for index, (x, y) in enumerate(zip(a, b, strict=False)):
                self.compare(x, y, f"{where}/{index}")
        elif isinstance(a, torch.Tensor):
            self._compare_tensors(a, b, where)
        elif isinstance(a, float):
            self._compare_tensors(torch.tensor(a, dtype=torch.float64), torch.tensor(b, dtype=torch.float64), where)
        else:
            self.count += 1
            if a != b:
                self.faults.append(f"{where}: {a!r:.200} and {b!r:.200}")

    def _compare_dicts(self, a: dict, b: dict, where: str) -> None:
        if list(a) != list(b):
            lone = [f"only A has {key}" for key in a.keys() - b.keys()] + [
                f"only B has {key}" for key in b.keys() - a.keys()
            ]
            self.faults.append(f"{where}: {', '.join(sorted(lone)) or 'the keys are in another order'}")
        for key in a.keys() & b.keys():
            self.compare(a[key], b[key], f"{where}/{key}")

    def _compare_tensors(self, a: torch.Tensor, b: torch.Tensor, where: str) -> None:
        self.count += a.numel()
        if a.shape != b.shape or a.dtype != b.dtype:
            self.faults.append(f"{where}: {tuple(a.shape)} {a.dtype} and {tuple(b.shape)} {b.dtype}")
            return
        if torch.equal(a, b):
            return
        x, y = a.double(), b.double()
        same = (x == y) | (x.isnan() & y.isnan())
        difference = torch.where(same, 0.0, (x - y).abs()).nan_to_num(math.inf, math.inf).max().item()
        self.largest = max(self.largest, difference)
        finite = x[x.isfinite()].abs()
        allowed = self.atol + self.rtol * (finite.max().item() if finite.numel() else 0.0)
        if difference > (allowed if a.is_floating_point() else 0.0):
            self.faults.append(f"{where}: largest difference {difference:.3g} of {tuple(a.shape)} {a.dtype}")


@pytest.fixture
def comparison():
    return Comparison
