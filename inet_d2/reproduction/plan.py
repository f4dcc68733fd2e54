"""Which runs a table of the paper needs, where they lie, and what came out of them."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from inet_d2.engine.checkpoint_file import is_sound
from inet_d2.engine.setup import config_leaves, load_config
from inet_d2.reproduction.paper_table import PaperRow

PREDICTIONS = Path("inference", "cuhk_sysu_test", "predictions.npz")
# Keys that do not change what a run finds, or that only say where things are.
FREE_KEYS = {
    "DATALOADER.NUM_WORKERS",
    "MODEL.DEVICE",
    "MODEL.WEIGHTS",
    "OUTPUT_DIR",
    "SOLVER.CHECKPOINT_PERIOD",
    "TEST.EVAL_PERIOD",
}


@dataclass(frozen=True)
class Step:
    """One call of train_net.py.

    Attributes:
        title: for the progress.
        kind: steps of one kind take about the same time; "evaluation" trains nothing.
        folder: OUTPUT_DIR; ``results.json`` in it, and of a training a sound ``model_final.pth``, say that the step is
            done.
        arguments: of train_net.py.
        config_file: absolute path of its configuration.
        options: KEY VALUE pairs that decide on its results.
    """

    title: str
    kind: str
    folder: Path
    arguments: list[str]
    config_file: Path
    options: list[str]

    def state(self) -> str:
        """``done``, ``unfinished`` or ``new``; an unfinished evaluation counts as new.

        Raises:
            FileNotFoundError: there is no such configuration.
            ValueError: an option does not fit the configuration, or the folder holds a run with another configuration.
        """
        if other := self._other_settings():
            raise ValueError(
                f"{self.folder}: made with {', '.join(other)}; give another --output, or remove the folder"
            )
        trains = self.kind != "evaluation"
        # A run of before may have figures, but have been stopped before its weights were whole.
        if (self.folder / "results.json").exists() and (not trains or is_sound(self.folder / "model_final.pth")):
            return "done"
        started = trains and self.folder.is_dir() and any(self.folder.iterdir())
        return "unfinished" if started else "new"

    def _other_settings(self) -> list[str]:
        """What differs between the configuration that is asked for and the one that train_net.py left in the folder."""
        wanted = load_config(str(self.config_file), self.options)
        record = self.folder / "config.yaml"
        if not record.exists():
            return []
        # Both as a file has them, with lists for tuples.
        wanted, found = (dict(config_leaves(yaml.safe_load(text))) for text in (wanted.dump(), record.read_text()))
        return [
            f"{key} {found[key]} instead of {wanted[key]}"
            for key in wanted
            if key in found and key not in FREE_KEYS and found[key] != wanted[key]
        ]


class Reproduction:
    """One table at one scale.

    Args:
        tables: content of ``tools/paper_tables.yaml``.
        table: a name under ``tables``.
        scale: a name under ``scales``.
        output: absolute path of the folder of all runs of this scale.
        seeds: of the trainings.
        opts: KEY VALUE pairs for all runs, over those of the tables.
        root: folder that the configurations are relative to.

    Raises:
        ValueError: the table has no row with a run at this scale.
    """

    def __init__(
        self,
        tables: Mapping[str, Any],
        *,
        table: str,
        scale: str,
        output: Path,
        seeds: Sequence[int],
        opts: Sequence[str] = (),
        root: Path = Path(),
    ) -> None:
        self.output, self.seeds, self.opts, self.root = output, list(seeds), list(opts), root
        self.scale: Mapping[str, Any] = tables["scales"][scale]
        self.table: Mapping[str, Any] = tables["tables"][table]
        self.columns: dict[str, str] = self.table["columns"]
        if self.columns == "galleries":
            self.columns = {f"mAP, gallery {size}": f"galleries/{size}/mAP" for size in self.scale["galleries"]}
        # Rows with the run that stands for them; rows that are there at other scales only are left out.
        self._rows = {
            r["name"]: (r, r["runs"][scale] if "runs" in r else None)
            for r in self.table["rows"]
            if "runs" not in r or scale in r["runs"]
        }
        self.wanted = list(dict.fromkeys(run for _, run in self._rows.values() if run))
        if not self.wanted:
            raise ValueError(f"{table}: no row has a run at scale {scale}; see tools/paper_tables.yaml")

    def folder(self, run: str, seed: int) -> Path:
        """OUTPUT_DIR of a run."""
        return self.output / run / f"seed{seed}"

    def has_source(self, kind: str) -> bool:
        """Whether a column needs figures of this kind: search, detection, annotated or galleries."""
        return any(source.startswith(f"{kind}/") for source in self.columns.values())

    def steps(self, *, resume: bool) -> Iterator[Step]:
        """All steps in the order to take: seed by seed, each run before what starts from it."""
        names = dict.fromkeys(name for run in self.wanted for name in self._lineage(run))
        for seed in self.seeds:
            for name in names:
                yield self._training(name, seed, resume)
                if self.has_source("annotated") and name in self.wanted and not self._is_annotated(name):
                    yield self._annotated(name, seed)

    def _lineage(self, name: str) -> list[str]:
        """The run and those whose weights it starts from, the earliest first."""
        start = self.scale["runs"][name].get("from")
        return [*(self._lineage(start) if start else []), name]

    def _training(self, name: str, seed: int, resume: bool) -> Step:
        run, folder = self.scale["runs"][name], self.folder(name, seed)
        start = ["MODEL.WEIGHTS", str(self.folder(run["from"], seed) / "model_final.pth")] if "from" in run else []
        kind = f"after {run['from']}" if "from" in run else name
        options = self._options(name, seed)
        return self._step(f"{name}, seed {seed}", kind, folder, run["config"], ["--resume"] * resume, options, start)

    def _annotated(self, name: str, seed: int) -> Step:
        run, folder = self.scale["runs"][name], self.folder(name, seed) / "annotated"
        options = [*self._options(name, seed), "TEST.SEARCH.USE_GT_BOXES", "True"]
        start = ["MODEL.WEIGHTS", str(folder.parent / "model_final.pth")]
        title = f"{name}, seed {seed}, on annotated boxes"
        return self._step(title, "evaluation", folder, run["config"], ["--eval-only"], options, start)

    def _step(
        self, title: str, kind: str, folder: Path, config: str, flags: list[str], options: list[str], start: list[str]
    ) -> Step:
        arguments = ["--config-file", config, *flags, *options, *start, "OUTPUT_DIR", str(folder)]
        return Step(title, kind, folder, arguments, self.root / config, options)

    def _options(self, name: str, seed: int) -> list[str]:
        own = self.scale["runs"][name].get("options", [])
        # One evaluation, at the end: results.json is there when a run is done and not before.
        return [str(word) for word in (*self.scale["options"], *own, *self.opts, "SEED", seed, "TEST.EVAL_PERIOD", 0)]

    def _is_annotated(self, name: str) -> bool:
        return self.scale["runs"][name].get("annotated", False)

    def figure(self, run: str, seed: int, source: str) -> float | None:
        """One figure.

        Args:
            run: a name under ``runs``.
            seed: of the run.
            source: as in ``columns``.

        Returns:
            0-100; None if it has not been measured.
        """
        kind, *keys = source.split("/")
        path = self.folder(run, seed) / "results.json"
        if kind == "galleries":
            path, keys = self.output / "galleries.json", [str(self.folder(run, seed) / PREDICTIONS), "search", *keys]
        elif kind != "annotated":
            keys = [kind, *keys]
        elif not self._is_annotated(run):
            path = path.parent / "annotated" / path.name
        value: Any = json.loads(path.read_text()) if path.exists() else {}
        for key in keys:
            value = value.get(key, {})
        return value if isinstance(value, (int, float)) else None

    def rows(self) -> list[PaperRow]:
        """The rows of the table with the figures that there are."""
        return [self._row(row, run) for row, run in self._rows.values()]

    def differences(self) -> list[tuple[PaperRow, PaperRow]]:
        """Rows with the rows that the table compares them with, those of other scales left out."""
        rows = {row.name: row for row in self.rows()}
        pairs = self.table.get("differences", [])
        return [(rows[name], rows[other]) for name, other in pairs if name in rows and other in rows]

    def _row(self, row: Mapping[str, Any], run: str | None) -> PaperRow:
        ours: list[dict[int, float] | None] = []
        for source in self.columns.values():
            if run is None or (self._is_annotated(run) and not source.startswith("annotated/")):
                ours.append(None)
                continue
            found = {seed: self.figure(run, seed, source) for seed in self.seeds}
            ours.append({seed: value for seed, value in found.items() if value is not None})
        return PaperRow(row["name"], run, row.get("paper", [None] * len(ours)), ours, row.get("note", ""))
