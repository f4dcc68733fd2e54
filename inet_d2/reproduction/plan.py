"""Which runs a table of the paper needs, where they lie, and what came out of them."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from inet_d2.reproduction.paper_table import PaperRow
from inet_d2.reproduction.step import DETECT, TRAIN, TWO_STEP, Step

PREDICTIONS = Path("inference", "cuhk_sysu_test", "predictions.npz")


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
        own: Mapping[str, Any] = tables["scales"][scale]
        kind = own.get("like", scale)
        base = tables["scales"][kind]
        self.scale: Mapping[str, Any] = {**base, **own, "runs": {**base["runs"], **own.get("runs", {})}}
        self.table: Mapping[str, Any] = tables["tables"][table]
        scales = _scales_of(tables, table)
        if scale not in scales:
            raise ValueError(f"{table}: no row has a run at scale {scale}; there are some at {', '.join(scales)}")
        self.columns: dict[str, str] = self.table["columns"]
        if self.columns == "galleries":
            self.columns = {f"mAP, gallery {size}": f"galleries/{size}/mAP" for size in self.scale["galleries"]}
        # Columns of boxes from other detectors, and the runs that give these; those whose weights are not here are left
        # out, with the reason.
        self.absent = {
            name: f"{name} needs {run['weights']}, which is not here"
            for name, run in self.scale["runs"].items()
            if "weights" in run and not (root / run["weights"]).exists()
        }
        # Weights that are here and stand in the place of a run for what starts from it.
        files = {name: root / file for name, file in self.scale.get("instead", {}).items()}
        self.instead = {name: file for name, file in files.items() if file.exists()}
        detectors = self.scale.get("detectors", {})
        self._detectors = {column: run for column, run in detectors.items() if run not in self.absent}
        # Rows with the run that stands for them; rows that are there at other scales only are left out.
        self._rows = {
            r["name"]: (r, r["runs"][kind] if "runs" in r else None)
            for r in self.table["rows"]
            if "runs" not in r or kind in r["runs"]
        }
        self.wanted = list(dict.fromkeys(run for _, run in self._rows.values() if run))

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
                if "two_step" in self.scale["runs"][name]:
                    yield self._two_step(name, seed)
                    continue
                yield self._training(name, seed, resume)
                for column in self._box_columns(name):
                    yield self._on_boxes(name, seed, column)
                if self.has_source("annotated") and name in self.wanted and not self._is_annotated(name):
                    yield self._annotated(name, seed)

    def _lineage(self, name: str) -> list[str]:
        """The run and those whose weights or boxes it starts from, the earliest first."""
        run = self.scale["runs"][name]
        needed = [run["from"]] if "from" in run and run["from"] not in self.instead else []
        needed += self._detectors.values() if "two_step" in run else []
        needed += [self._detectors[column] for column in self._box_columns(name)]
        return [*(earlier for start in needed for earlier in self._lineage(start)), name]

    def _box_columns(self, name: str) -> list[str]:
        """Columns in which a network gets the boxes of a detector."""
        columns = self.scale["runs"][name].get("boxes", [])
        return [column for column in columns if column in self._detectors and self.has_source(column)]

    def _boxes(self, column: str, seed: int) -> Path:
        """Predictions whose boxes stand for a column."""
        run = self._detectors[column]
        is_network = "detector" not in self.scale["runs"][run]
        return self.folder(run, seed) / (PREDICTIONS if is_network else PREDICTIONS.name)

    def _training(self, name: str, seed: int, resume: bool) -> Step:
        run, folder = self.scale["runs"][name], self.folder(name, seed)
        if "detector" in run:
            return self._detector(name, seed)
        start = ["MODEL.WEIGHTS", str(self._start(run["from"], seed))] if "from" in run else []
        kind = f"after {run['from']}" if "from" in run else name
        options = self._options(name, seed)
        return self._step(f"{name}, seed {seed}", kind, folder, run["config"], ["--resume"] * resume, options, start)

    def _start(self, run: str, seed: int) -> Path:
        """Weights of what starts from a run."""
        return self.instead.get(run, self.folder(run, seed) / "model_final.pth")

    def _detector(self, name: str, seed: int) -> Step:
        run = self.scale["runs"][name]
        start = []
        if "from" in run or "weights" in run:
            file = self._start(run["from"], seed) if "from" in run else self.root / run["weights"]
            start = ["DETECTOR.WEIGHTS", str(file)]
        options, folder = self._options(name, seed), self.folder(name, seed)
        return self._step(f"{name}, seed {seed}", name, folder, run["detector"], [], options, start, DETECT)

    def _two_step(self, name: str, seed: int) -> Step:
        """One search in the boxes of all columns; the run's own folder comes last and so says that it is done."""
        run, folder, options = self.scale["runs"][name], self.folder(name, seed), self._options(name, seed)
        others = [column for column in self._detectors if column != "search"]
        columns = [*others, *(["search"] if "search" in self._detectors else [])]
        sources = ["annotated", *(str(self._boxes(column, seed)) for column in columns)]
        folders = [folder / "annotated", *(folder / c for c in others), *([folder] * ("search" in self._detectors))]
        arguments = ["--config-file", run["two_step"], "--boxes", *sources, "--output", *map(str, folders), *options]
        title = f"{name}, seed {seed}"
        return Step(title, "two-step search", folder, arguments, self.root / run["two_step"], options, TWO_STEP)

    def _on_boxes(self, name: str, seed: int, column: str) -> Step:
        run, folder = self.scale["runs"][name], self.folder(name, seed) / column
        boxes = ["TEST.SEARCH.BOXES_FROM", str(self._boxes(column, seed))]
        start = ["MODEL.WEIGHTS", str(folder.parent / "model_final.pth"), *boxes]
        title = f"{name}, seed {seed}, on the boxes of {self._detectors[column]}"
        options = self._options(name, seed)
        return self._step(title, "evaluation", folder, run["config"], ["--eval-only"], options, start)

    def _annotated(self, name: str, seed: int) -> Step:
        run, folder = self.scale["runs"][name], self.folder(name, seed) / "annotated"
        options = [*self._options(name, seed), "TEST.SEARCH.USE_GT_BOXES", "True"]
        start = ["MODEL.WEIGHTS", str(folder.parent / "model_final.pth")]
        title = f"{name}, seed {seed}, on annotated boxes"
        return self._step(title, "evaluation", folder, run["config"], ["--eval-only"], options, start)

    def _step(
        self,
        title: str,
        kind: str,
        folder: Path,
        config: str,
        flags: list[str],
        options: list[str],
        start: list[str],
        script: str = TRAIN,
    ) -> Step:
        arguments = ["--config-file", config, *flags, *options, *start, "OUTPUT_DIR", str(folder)]
        return Step(title, kind, folder, arguments, self.root / config, options, script)

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
        elif kind not in ("annotated", *self.scale.get("detectors", {})) or kind == "search":
            keys = [kind, *keys]
        elif not self._is_annotated(run):
            path = path.parent / kind / path.name
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
            if run is None or not self._has_column(run, source.split("/")[0]):
                ours.append(None)
                continue
            found = {seed: self.figure(run, seed, source) for seed in self.seeds}
            ours.append({seed: value for seed, value in found.items() if value is not None})
        paper = [*row.get("paper", []), *[None] * len(ours)][: len(ours)]
        return PaperRow(row["name"], run, paper, ours, row.get("note", ""))

    def _has_column(self, run: str, kind: str) -> bool:
        """Whether a run has figures of a kind."""
        if kind in self.scale.get("detectors", {}) and ("two_step" in self.scale["runs"][run] or kind != "search"):
            return kind in self._detectors and ("two_step" in self.scale["runs"][run] or kind in self._box_columns(run))
        return kind == "annotated" or not self._is_annotated(run)


def _scales_of(tables: Mapping[str, Any], table: str) -> list[str]:
    """Scales at which a table has rows."""
    content, scales = tables["tables"][table], tables["scales"]
    kinds = {kind for row in content["rows"] for kind in row.get("runs", {})}
    return [name for name in content.get("scales", scales) if scales[name].get("like", name) in kinds]
